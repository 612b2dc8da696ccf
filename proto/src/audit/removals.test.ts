import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { toBase64 } from "./bytes.ts";
import type { LoggedEvent } from "./leaf.ts";
import { CompactRange, treeHasher } from "./merkle.ts";
import { nodePrimitives } from "./node-primitives.ts";
import { SignedSizes } from "./removal.ts";
import { TestingLog } from "./testing-log.ts";
import type { Verdict } from "./verdict.ts";
import { type StoredLeaf, verifyLedger } from "./verify-ledger.ts";

const runId = "4f7d3f1e-9f57-4a0b-8a39-0d7a5f9c1e01";
const hasher = treeHasher(nodePrimitives.sha256);
/** After every checkpoint of a testing log. */
const later = "2030-01-01T00:00:00.000Z";

const event = (stream: string, revision: number): LoggedEvent => ({
  stream,
  revision,
  id: `00000000-0000-5000-8000-${String(revision).padStart(12, "0")}`,
  type: "CommandAuthorized",
  metadata: { schemaVersion: 1, actor: { kind: "system", id: "node1" } },
  data: { statement: `select ${revision} from ${stream}` },
});

interface Change {
  readonly cutOff?: string;
  readonly events?: number;
  readonly leaves?: string;
  readonly stream?: string;
}

/** Two sessions of three events, interleaved and signed; then the decision to remove the first of them. */
async function decidedLog({ cutOff = later, events = 3, leaves, stream = "session-a" }: Change = {}): Promise<TestingLog> {
  const log = new TestingLog();
  for (let revision = 0; revision < 3; revision++) for (const each of ["session-a", "session-b"]) log.add(event(each, revision));
  await log.checkpoint();
  const range = new CompactRange(hasher);
  for (const index of [0, 2, 4]) range.append(log.leaves[index] as Uint8Array);
  const data = { runId, category: "session", cutOff, streams: [{ stream, events, leaves: leaves ?? toBase64(range.root()) }] };
  log.add({ ...event(`retention-${runId}`, 0), type: "StreamsRemoved", data });
  return log;
}

/** The log as a ledger has it in which the events at these leaves are gone. */
async function verify(log: TestingLog, removed: readonly number[], claims: Readonly<Record<number, string>> = {}): Promise<Verdict> {
  const stored = log.events.map((each, index): StoredLeaf => {
    const position = String(index + 1);
    if (!removed.includes(index)) return { kind: "event", position, event: each };
    return { kind: "removed", position, stream: claims[index] ?? each.stream, revision: Number(each.revision), leaf: log.leaves[index] as Uint8Array };
  });
  return verifyLedger(nodePrimitives, stored, { keys: [] });
}

const found = (verdict: Verdict): readonly unknown[] =>
  verdict.kind === "tampered" ? [verdict.finding.code, verdict.finding.index] : [verdict.kind, verdict.removed];

describe("a ledger with removed events", () => {
  it("verifies when a signed decision names them, and tells how many they are and who decided", async () => {
    const log = await decidedLog();
    await log.checkpoint();
    const verdict = await verify(log, [0, 2, 4]);
    assert.deepEqual(found(verdict), ["verified", 3]);
    assert.deepEqual(verdict.kind === "verified" ? verdict.removals : [], [{ runId, by: "system node1", events: 3 }]);
  });

  it("verifies when the removal was cut short, or has not begun", async () => {
    const log = await decidedLog();
    await log.checkpoint();
    assert.deepEqual(found(await verify(log, [0, 2])), ["verified", 2]);
    assert.deepEqual(found(await verify(log, [])), ["verified", 0]);
  });

  it("does not verify when nothing says that they were to go, and names the first", async () => {
    const log = await decidedLog();
    await log.checkpoint();
    assert.deepEqual(found(await verify(log, [0, 1, 2, 3, 4, 5])), ["event.removed", 1]);
    assert.deepEqual(found(await verify(log, [0, 2, 4, 5])), ["event.removed", 5]);
  });

  it("does not verify when the decision is not signed", async () => {
    assert.deepEqual(found(await verify(await decidedLog(), [0, 2, 4])), ["event.removed", 0]);
  });

  it("does not verify when they were removed before their time", async () => {
    // Signed at 2027-01-15T08:00:00.006Z.
    for (const [cutOff, expected] of [
      ["2027-01-15T08:00:00.006Z", ["event.removed", 0]],
      ["2027-01-15T08:00:00.007Z", ["verified", 3]],
    ] as const) {
      const log = await decidedLog({ cutOff });
      await log.checkpoint();
      assert.deepEqual(found(await verify(log, [0, 2, 4])), expected);
    }
  });

  it("does not verify when what is gone is not what the decision says", async () => {
    for (const change of [{ events: 4 }, { leaves: toBase64(new Uint8Array(32)) }, { stream: "session-c" }]) {
      const log = await decidedLog(change);
      await log.checkpoint();
      assert.deepEqual(found(await verify(log, [0, 2, 4])), ["event.removed", 0]);
    }
  });

  it("does not verify when checkpoints or decisions were removed", async () => {
    const log = await decidedLog();
    await log.checkpoint();
    await log.checkpoint();
    assert.deepEqual(found(await verify(log, [7])), ["event.removed", 7]);
    assert.deepEqual(found(await verify(log, [8])), ["event.removed", 8]);
  });

  it("does not verify when an event is passed off as one of a removed stream", async () => {
    const log = await decidedLog();
    await log.checkpoint();
    const verdict = await verify(log, [0, 2, 4, 5], { 5: "session-a" });
    assert.deepEqual(found(verdict), ["event.removed", 5]);
  });
});

describe("sizes that were signed before an instant", () => {
  it("are those of the last checkpoint before it, also when clocks were set back", () => {
    const sizes = new SignedSizes();
    for (const [time, size] of [
      ["10", 5],
      ["12", 8],
      ["20", 9],
      ["15", 11],
      ["16", 12],
    ] as const)
      sizes.add(time, size);
    assert.deepEqual(
      ["10", "11", "13", "16", "17", "30"].map((instant) => sizes.before(instant)),
      [0, 5, 8, 11, 12, 12],
    );
  });
});
