import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SallyportError } from "@sallyport/proto/errors";
import fc from "fast-check";
import { MAX_DETAILS_BYTES, serviceErrorOf } from "./status.ts";

const detailsOf = (message: string): string => serviceErrorOf(new SallyportError("input.invalid", message)).details;

describe("an error as a gRPC status", () => {
  it("carries a message that can be sent, however it was cut and however long it is", () => {
    const messages = fc.array(fc.constantFrom("\ud83d", "\ude00", "😀", "é", "a\n"), { minLength: 1 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(messages, fc.integer({ min: 1, max: 40_000 }), (message, times) => {
        const long = message.repeat(Math.ceil(times / message.length));
        assert.ok(encodeURI(detailsOf(long)).length <= MAX_DETAILS_BYTES);
      }),
    );
  });

  it("says all of a message that fits, and most of one that does not", () => {
    assert.equal(detailsOf("No such thing, señor."), "No such thing, señor.");
    const cut = detailsOf("a".repeat(100_000));
    assert.ok(cut.endsWith("a…") && cut.length > MAX_DETAILS_BYTES - 100, `${cut.length}`);
  });
});
