import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { saslprep } from "./saslprep.ts";
import { clientFinal, clientFirst, MAX_SCRAM_ITERATIONS, ScramViolation, verifyServerFinal } from "./scram.ts";

/** The exchange printed in RFC 7677, section 3. */
const rfc = {
  input: { user: "user", password: "pencil", nonce: "rOprNGfwEbeRWgbNEkqO" },
  clientFirst: "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
  serverFirst: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
  clientFinal: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
  serverFinal: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
};

describe("SCRAM-SHA-256 client", () => {
  it("speaks the exchange of RFC 7677 to the letter", async () => {
    assert.equal(clientFirst(rfc.input), rfc.clientFirst);
    const final = await clientFinal(rfc.input, rfc.serverFirst);
    assert.equal(final.message, rfc.clientFinal);
    verifyServerFinal(final, rfc.serverFinal);
  });

  it("refuses a server that cannot prove that it knows the password", async () => {
    const final = await clientFinal(rfc.input, rfc.serverFirst);
    for (const forged of ["v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "v=", "e=invalid-proof", "", "v=6rri"]) {
      assert.throws(() => verifyServerFinal(final, forged), ScramViolation);
    }
  });

  it("refuses a challenge that does not extend its nonce, is malformed, or asks for too much work", async () => {
    const challenges = [
      "r=somebodyelse,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
      "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
      rfc.serverFirst.replace("i=4096", `i=${MAX_SCRAM_ITERATIONS + 1}`),
      rfc.serverFirst.replace("i=4096", "i=0"),
      `m=ext,${rfc.serverFirst}`,
      "e=other-error",
      "",
    ];
    for (const challenge of challenges) await assert.rejects(clientFinal(rfc.input, challenge), ScramViolation);
  });

  it("binds to the certificate in the PLUS variant", async () => {
    const input = { ...rfc.input, channelBinding: Buffer.from("certificate hash") };
    assert.match(clientFirst(input), /^p=tls-server-end-point,,/);
    const [, c = ""] = /^c=([^,]+),/.exec((await clientFinal(input, rfc.serverFirst)).message) ?? [];
    assert.equal(Buffer.from(c, "base64").toString(), "p=tls-server-end-point,,certificate hash");
  });
});

describe("saslprep", () => {
  it("maps the examples of RFC 4013, section 3, and leaves what is prohibited as it is", () => {
    const examples = [
      ["I\u00adX", "IX"],
      ["user", "user"],
      ["USER", "USER"],
      ["\u00aa", "a"],
      ["\u2168", "IX"],
      ["a\u00a0b", "a b"],
      ["\u0007", "\u0007"],
      ["\u06271", "\u06271"],
    ] as const;
    for (const [raw, prepared] of examples) assert.equal(saslprep(raw), prepared);
  });
});
