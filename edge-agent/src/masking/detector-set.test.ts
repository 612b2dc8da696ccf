import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { DETECTORS, DetectorSet } from "./detector-set.ts";

const all = new DetectorSet(DETECTORS);

function masked(text: string, { json = false, set = all } = {}): string {
  const bytes = Buffer.from(text);
  set.mask(bytes, 0, bytes.length, json);
  assert.equal(bytes.length, Buffer.byteLength(text));
  return bytes.toString();
}

/** Braces mark what has to go; digits and letters between them become stars. */
function corpus(lines: readonly string[]): void {
  for (const line of lines) {
    const expected = line.replace(/\{([^}]*)\}/g, (_, secret: string) =>
      secret.replace(/[0-9A-Za-z_+-]/g, (c) => (/[0-9A-Za-z]/.test(c) || secret.includes("@") ? "*" : c)),
    );
    assert.equal(masked(line.replace(/[{}]/g, "")), expected, line);
  }
}

describe("detectors", () => {
  it("mask e-mail addresses and leave what is around them", () => {
    corpus([
      "{ana@example.com}",
      "mail {ana.lopez+x@mail.example.co.uk}, or {B_o@x.io}.",
      "<{ana@example.com}>;'{bo@example.org}'|a=({cy@example.net})",
      "mailto:{ana@example.com}?subject=x",
      "ping {ana@example.com}.5",
    ]);
    assert.equal(masked("josé@müller.de"), "*****@*******.**");
  });

  it("mask payment cards that pass Luhn, written together or as printed", () => {
    corpus([
      "{4111111111111111}",
      "{4222222222222}",
      "card {5555555555554444}, {2223003122003222}",
      "{3782 822463 10005} and {3056-930902-5904}",
      "{6011-1111-1111-1117} 12/27",
      "1,{4012888888881881},2",
      "{3530 1113 3330 0000}",
    ]);
  });

  it("mask social security numbers", () => {
    corpus(["{123-45-6789}", "ssn:{123-45-6789}.", "SSN {123 45 6789}, born 1970", "({856-45-6789})"]);
  });

  it("mask phone numbers that carry a mark of being one", () => {
    corpus([
      "{+14155550100}",
      "+{1} ({415}) {555-0100}",
      "tel:+{49-30-1234567}",
      "+{44} ({0}){20} {7946} {0958}",
      "({415}) {555-0100}",
      "{1-800-555-0199} x12",
      "{415.555.0100}",
      "{01 23 45 67 89}",
      "{030/1234567} or ({030}) {1234567}",
      "{0171-1234567}",
    ]);
  });

  it("mask IBANs whose check digits hold", () => {
    corpus(["{DE89370400440532013000}", "IBAN {GB29 NWBK 6016 1331 9268 19}.", "{NO9386011117947}", "{fr1420041010050500013m02606}"]);
  });

  it("leave ids, times, prices, addresses, versions and hexadecimal alone", () => {
    const innocent = [
      "1234567890 0123456789 9876543210123456789",
      "2023-01-02 03:04:05.123456+02 2024-01-01T00:00:00Z 2024-01-01 00:00:00+11 2024-02-02",
      "01.02.2023 12:30 01/02/2023 10:11:12 01-02-2023",
      "1700000000000 1700000000000000",
      "550e8400-e29b-41d4-a716-446655440000 12345678-4111-1111-1111-123456789012",
      "1,234.56 $1,234,567.89 0.4111111111111111 4111111111111111.5 +12345678.90 -12.5",
      "192.168.100.200 10.0.0.1:5432 fe80::1 00:1b:44:11:3a:b7",
      "v1.2.3 react@18.2.0 user@localhost @handle a@b",
      "deadbeef4111111111111111 4111111111111111abc x4111111111111111 order_4111111111111111",
      "4111111111111112 4111-1111-1111-1112 1111111111111117",
      "000-12-3456 666-12-3456 900-12-3456 123-00-4567 123-45-0000 1-123-45-6789 123-45-6789-0 123-456-789",
      "DE89370400440532013001 XX89370400440532013000 DE8937040044053201300",
      "100 200 30 115-555-0100 room 101 102 103",
      "",
    ];
    for (const line of innocent) assert.equal(masked(line), line);
  });

  it("see a token behind a line break that is spelt as an escape, and leave the escape whole", () => {
    assert.equal(masked("a\\nana@example.com"), "a\\n***@*******.***");
    assert.equal(masked("card\\n4111111111111111\\r\\n123-45-6789"), "card\\n****************\\r\\n***-**-****");
    assert.equal(masked("\\u00e9ana@example.com \\u000a4111111111111111"), "\\u00e9***@*******.*** \\u000a****************");
  });

  it("leave JSON well-formed", () => {
    const text = JSON.stringify({ n: 4111111111111111, s: 'a "4111111111111111" \n ana@example.com', list: [-4111111111111111, 1], big: "4111111111111111" });
    assert.deepEqual(JSON.parse(masked(text, { json: true })), {
      n: "*".repeat(14),
      s: `a "${"*".repeat(16)}" \n ***@*******.***`,
      list: ["*".repeat(15), 1],
      big: "*".repeat(16),
    });
    const piece = fc.constantFrom(
      "ana@example.com",
      "4111111111111111",
      4111111111111111,
      "\n4111 1111 1111 1111\\",
      "+49 30 1234567",
      '"',
      "\u0001bo@x.de",
      12.5,
      null,
    );
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.array(piece)), (value) => {
        const after = masked(JSON.stringify(value), { json: true });
        assert.doesNotThrow(() => JSON.parse(after));
        assert.ok(!after.includes("4111") && !after.includes("example"));
      }),
    );
  });

  it("look at nothing outside of the cell, and at nothing that is not switched on", () => {
    const bytes = Buffer.from("ana@example.com4111111111111111x");
    assert.equal(all.mask(bytes, 4, 11), 0);
    assert.equal(all.mask(bytes, 15, 31), 1);
    assert.equal(bytes.toString(), `ana@example.com${"*".repeat(16)}x`);
    const card = new DetectorSet(["card"]);
    assert.equal(masked("ana@example.com 123-45-6789", { set: card }), "ana@example.com 123-45-6789");
    assert.equal(new DetectorSet([]).empty, true);
  });

  it("never change the length, and leave nothing that the same detector finds again", () => {
    const token = fc.constantFrom("@", ".", "a", "4111", "1111", "-", " ", "+", "(", ")", "0", "12", "DE89", "\\", "n", "u0041", "é");
    const numbers = new DetectorSet(DETECTORS.filter((name) => name !== "email"));
    fc.assert(
      fc.property(fc.array(token, { maxLength: 40 }), (tokens) => {
        masked(tokens.join(""));
        const once = masked(tokens.join(""), { set: numbers });
        assert.equal(masked(once, { set: numbers }), once);
      }),
    );
  });

  it("take time in proportion to the text, whatever it is", () => {
    for (const unit of ["@", "a@", "1 ", "+1 ", "\\", "\\1", "4111 ", "0a.", "123-45-", "DE89 ", "a.b@c."]) {
      const cost = (size: number): number => {
        const bytes = Buffer.from(unit.repeat(size / unit.length));
        const start = process.cpuUsage().user;
        all.mask(bytes, 0, bytes.length);
        return process.cpuUsage(undefined).user - start;
      };
      cost(1 << 14);
      // Quadratic time would take minutes on a megabyte.
      assert.ok(cost(1 << 20) < 2_000_000, unit);
    }
  });
});
