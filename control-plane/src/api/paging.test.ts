import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ListSessionsRequest } from "@sallyport/proto/gen/sallyport/api/v1/api";
import { Timestamp } from "@sallyport/proto/gen/google/protobuf/timestamp";
import { cursorOf, spanOf } from "./paging.ts";

/** As it comes from somebody who says `seconds`; field 5 is `since`. */
function since(seconds: bigint): Date | undefined {
  const timestamp = Timestamp.encode({ seconds, nanos: 0 }).finish();
  return ListSessionsRequest.decode(Buffer.concat([Buffer.from([(5 << 3) | 2, timestamp.length]), timestamp])).since;
}

describe("what a list is asked for", () => {
  it("may begin anywhere in the log, and nowhere else", () => {
    assert.deepEqual([cursorOf(""), cursorOf("7"), cursorOf(String(2n ** 63n - 1n))], [{}, { cursor: 7n }, { cursor: 2n ** 63n - 1n }]);
    for (const text of [String(2n ** 63n), "9".repeat(19), "-1", "x", "1".repeat(20)])
      assert.throws(() => cursorOf(text), { code: "input.invalid", details: { field: "cursor" } });
  });

  it("is from an instant that a calendar has", () => {
    const known = new Date("2026-11-22T10:00:00.000Z");
    assert.deepEqual(spanOf({ since: since(BigInt(known.getTime() / 1_000)), until: undefined }), { since: known });
    for (const seconds of [2n ** 53n, 2n ** 62n, -(2n ** 53n)])
      assert.throws(() => spanOf({ since: since(seconds), until: undefined }), { code: "input.invalid", details: { field: "since" } });
  });
});
