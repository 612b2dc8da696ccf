import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Prefilter } from "./prefilter.ts";

const TRIGGERS = { digits: /[0-9]/, at: /@/, both: /[0-9@]/ };

describe("Prefilter", () => {
  it("never skips a byte that it is to stop at, wherever the bytes lie in memory", () => {
    const byte = fc.oneof(
      { arbitrary: fc.integer({ min: 0, max: 255 }), weight: 1 },
      { arbitrary: fc.constantFrom(0x61, 0x20, 0xef, 0x2f, 0x3a, 0x3f, 0x41), weight: 20 },
    );
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 80 }), fc.nat(12), fc.constantFrom("digits", "at", "both"), (values, before, what) => {
        const bytes = Buffer.from([...values.slice(0, before).map(() => 0x39), ...values]);
        const from = Math.min(before, values.length);
        const found = bytes.subarray(from).toString("latin1").search(TRIGGERS[what]);
        const skipped = new Prefilter(what !== "at", what !== "digits").skip(bytes, from, bytes.length);
        assert.ok(skipped >= from && skipped <= (found < 0 ? bytes.length : from + found));
      }),
      { numRuns: 500 },
    );
  });

  it("skips clean text up to its last bytes, and sees bytes that changed since", () => {
    const bytes = Buffer.from("nothing to be seen in here at all");
    const filter = new Prefilter(true, true);
    assert.ok(bytes.length - filter.skip(bytes, 0, bytes.length) < 8);
    bytes[3] = 0x40;
    assert.equal(filter.skip(bytes, 0, bytes.length), 0);
  });
});
