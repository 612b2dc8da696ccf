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
      const given: Buffer[] = [];
      let over = false;
      for (let at = 0; at < stream.length; at += by) {
        const chunk = stream.subarray(at, at + by);
        if (over) given.push(chunk);
        else {
          const { columns, forClient } = reply.push(chunk);
          given.push(forClient);
          over = columns !== undefined;
          if (columns !== undefined) assert.equal(columns === "unknown" ? undefined : columns[0]?.label, "a");
        }
      }
      assert.deepEqual(Buffer.concat(given), Buffer.concat([setting, note, note]), `by ${by}`);
    }
  });

  it("keeps nothing back that is the client's, as there may be gigabytes of notifications", () => {
    const reply = new DescribeReply();
    const note = wire.message("A", wire.int32(7), `channel\0${"a".repeat(100)}\0`);
    assert.deepEqual(reply.push(Buffer.concat([wire.parseComplete, note, note])), {
      columns: undefined,
      forClient: Buffer.concat([note, note]),
      refusal: undefined,
    });
    assert.deepEqual(reply.push(note), { columns: undefined, forClient: note, refusal: undefined });
    assert.deepEqual(reply.push(wire.ready), { columns: "unknown", forClient: Buffer.alloc(0), refusal: undefined });
  });
});
