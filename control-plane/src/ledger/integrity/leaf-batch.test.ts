import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { leafBytes } from "@sallyport/proto/audit/leaf";
import { treeHasher } from "@sallyport/proto/audit/merkle";
import { nodePrimitives } from "@sallyport/proto/audit/node-primitives";
import type { RecordedEvent } from "../ledger.ts";
import { hashOf, pack, unpack } from "./leaf-batch.ts";

const event: RecordedEvent = {
  stream: "session-1",
  revision: 3n,
  position: 17n,
  id: "385080cd-2f0f-5a8f-b209-166a2e71e42c",
  type: "CommandAuthorized",
  metadata: { $correlationId: "1", actor: { kind: "human", id: "ana" }, schemaVersion: 1, at: "2026-11-22T10:00:00.000Z" },
  data: { statement: "select '\u0000 é 😀'", numbers: [1, 0.5] },
  recordedAt: new Date(0),
};

describe("leaves on their way between threads", () => {
  it("have the hash that the verifier computes", () => {
    assert.deepEqual(Buffer.from(hashOf(event)), Buffer.from(treeHasher(nodePrimitives.sha256).leaf(leafBytes(event))));
  });

  it("come out as they went in", () => {
    assert.deepEqual(unpack(pack([{ kind: "event", event }])), [{ position: 17n, hash: new Uint8Array(hashOf(event)), isAboutLog: false }]);
  });
});
