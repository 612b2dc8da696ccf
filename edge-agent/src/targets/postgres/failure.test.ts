import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SallyportError } from "@sallyport/proto/errors";
import { serverRefusal, targetFailure } from "./failure.ts";

const systemError = (code: string, message: string) => Object.assign(new Error(message), { code });

describe("targetFailure", () => {
  it("tells a target that cannot be reached from one that TLS refuses, without the address that both mention", () => {
    const codes = {
      ECONNREFUSED: "target.unreachable",
      ENOENT: "target.unreachable",
      EAI_AGAIN: "target.unreachable",
      ECONNRESET: "target.unreachable",
      CERT_HAS_EXPIRED: "target.refused",
      ERR_SSL_WRONG_VERSION_NUMBER: "target.refused",
    };
    for (const [code, expected] of Object.entries(codes)) {
      const failure = targetFailure(systemError(code, "connect 10.0.0.1:5432 db.internal"), "customers");
      assert.equal(failure.code, expected, code);
      assert.doesNotMatch(failure.message, /10\.0|internal/);
    }
  });

  it("leaves our own errors alone, blames the target for malformed bytes, and takes anything else for a defect", () => {
    const own = new SallyportError("target.credential", "m");
    assert.equal(targetFailure(own, "customers"), own);
    assert.equal(targetFailure(new SallyportError("wire.malformed", "m"), "customers").code, "target.refused");
    assert.equal(targetFailure(new TypeError("x is not a function"), "customers").code, "internal");
  });
});

describe("serverRefusal", () => {
  it("quotes the server without addresses and without the configured host, but leaves words that merely hold it", () => {
    const quoted = (M: string, host: string) =>
      serverRefusal(
        new Map([
          ["C", "28000"],
          ["M", M],
        ]),
        "customers",
        host,
      ).message;
    assert.match(quoted('no entry for host "10.1.2.3" or "fe80::1"', "db"), /host "\[address\]" or "\[address\]" \(28000\)/);
    assert.match(quoted("cannot ask db.internal about mydb.internal2", "db.internal"), /ask \[host\] about mydb\.internal2/);
    assert.match(quoted("cast to x::text at 12:30", "(?"), /x::text at 12:30/);
    assert.ok(quoted("x".repeat(10_000), "db").length < 1_000);
  });
});
