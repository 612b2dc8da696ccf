import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DescribeReply } from "./describe-copy.ts";
import * as wire from "./relay/messages.fixture.ts";

describe("the target's answer to what a COPY consists of", () => {
  it("gives back all that is the client's, whole or in part, wherever the stream is cut", () => {
    const setting = wire.message("S", "TimeZone\0UTC\0");
    const note = wire.message("A", wire.int32(7), `channel\0${"a".repeat(100)}\0`);
    const answer = Buffer.concat([wire.parseComplete, setting, wire.rowDescription({ name: "a" }), wire.message("3"), wire.ready]);
    const stream = Buffer.concat([answer, note, note]);
    for (let by = 1; by <= stream.length; by++) {
      const reply = new DescribeReply();
      let given: Buffer | undefined;
      for (let at = 0; at < stream.length; at += by) {
        const chunk = stream.subarray(at, at + by);
        if (given !== undefined) given = Buffer.concat([given, chunk]);
        else {
          const found = reply.push(chunk);
          if (found !== undefined) assert.equal(found.columns === "unknown" ? undefined : found.columns[0]?.label, "a");
          given = found?.rest;
        }
      }
      assert.deepEqual(given, Buffer.concat([setting, note, note]), `by ${by}`);
    }
  });
});
