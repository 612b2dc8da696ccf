import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { describe, it, type TestContext } from "node:test";
import { createRetention, FIRST_RUN_MS } from "@sallyport/control-plane/src/application/retention/retention.ts";
import { type Scheduler, systemScheduler } from "@sallyport/control-plane/src/application/scheduler.ts";
import { ownRecord } from "@sallyport/control-plane/src/application/own-record.ts";
import { requested } from "@sallyport/control-plane/src/application/testing/samples.ts";
import { SignedLog } from "@sallyport/control-plane/src/ledger/integrity/signed-log.ts";
import type { RemovableLedger } from "@sallyport/control-plane/src/ledger/ledger.ts";
import type { Verdict, Verified } from "@sallyport/proto/audit/verdict";
import { SallyportError } from "@sallyport/proto/errors";
import { type Brief, OldRecord } from "../support/old-record.ts";
import { tempDir } from "../support/temp-dir.ts";

const admin = { actor: { kind: "human", id: "root" }, correlationId: "c0ffee00-0000-4000-8000-000000000000" } as const;
const ended: Brief = ["SessionEnded", { sessionId: "", cause: "client_closed", message: "", commands: 1, bytesToTarget: 0, bytesToClient: 0 }];
const secret = (name: string): string => `select '${name} shall be forgotten, every byte of it'`;

async function beginRecord(context: TestContext, daysAgo: number): Promise<OldRecord> {
  const record = await OldRecord.begin(tempDir(context, "retention"), daysAgo);
  context.after(() => record.stop().catch(() => undefined));
  return record;
}

/** A session with its recording and its agent's statement; it is over unless `open`. */
async function session(record: OldRecord, name: string, open = false): Promise<string> {
  const id = randomUUID();
  await record.append(`session-${id}`, ["SessionRequested", { sessionId: id, name }], ["CommandAuthorized", { statement: secret(name) }]);
  await record.append(`recording-${id}`, ["OutputRecorded", { output: secret(name) }]);
  if (!open) await record.append(`session-${id}`, ended);
  await record.append(`forwarding-${id}`, ["ForwardingAttested", { sessionId: id }]);
  return id;
}

const eventsOf = async (record: OldRecord, stream: string): Promise<number> => {
  let events = 0;
  for await (const _event of record.ledger.readStream(stream)) events++;
  return events;
};

const verified = (verdict: Verdict): Verified => {
  assert.ok(verdict.kind === "verified", JSON.stringify(verdict));
  return verdict;
};

describe("retention", () => {
  it("removes the sessions that ended before the cut-off, says so first, and the record still verifies", async (context) => {
    const record = await beginRecord(context, 60);
    const old = [await session(record, "old one"), await session(record, "old two")];
    await record.signed();
    record.daysAgo = 10;
    const young = await session(record, "young");
    await record.signed();
    record.daysAgo = 0;
    const whole = verified(await record.verify());
    const { runId, counts } = await record.retention("session=30d").run("administrator", admin);
    assert.deepEqual(
      counts.map(({ category, streams, events }) => [category, streams, events]),
      [["session", 2, 6]],
    );
    for (const id of old) assert.equal(await eventsOf(record, `session-${id}`), 0);
    assert.equal(await eventsOf(record, `session-${young}`), 3);
    assert.equal(await eventsOf(record, `recording-${old[0] ?? ""}`), 1);
    const types: string[] = [];
    for await (const { type } of record.ledger.readStream(`retention-${runId}`)) types.push(type);
    assert.deepEqual(types, ["RetentionStarted", "StreamsRemoved", "RetentionFinished"]);

    const verdict = verified(await record.verify());
    assert.ok(verdict.events > whole.events);
    assert.deepEqual([verdict.removed, verdict.removals], [6, [{ runId, by: "human root", events: 6 }]]);
    await assert.rejects(
      record.ledger.append(
        `session-${old[0] ?? ""}`,
        [{ id: randomUUID(), type: "A", data: {}, metadata: { $correlationId: "", actor: admin.actor, schemaVersion: 1, at: "" } }],
        "none",
      ),
      (error) => error instanceof SallyportError && error.code === "stream.conflict",
    );
    await record.restart();
    verified(await record.verify());
    // The tree files are a cache: without them all is read again, tombstones too.
    await record.stop();
    for (const file of ["tree", "positions"]) rmSync(join(record.integrityFolder, file));
    await record.start();
    assert.equal(verified(await record.verify()).removed, 6);
  });

  it("leaves what is not over, and what is not signed before the cut-off, whatever its age", async (context) => {
    const record = await beginRecord(context, 60);
    const open = await session(record, "open", true);
    await record.append("approval-1", ["ApprovalRequested", { approvalId: "1" }]);
    await record.append("approval-2", ["ApprovalRequested", { approvalId: "2" }], ["ApprovalDenied", { approvalId: "2" }]);
    const plan = { commands: [{}, {}] };
    await record.append("approval-3", ["ApprovalRequested", { approvalId: "3", plan }], ["ApprovalUsed", {}], ["ApprovalUsed", {}]);
    await record.append("approval-4", ["ApprovalRequested", { approvalId: "4" }], ["ApprovalWithdrawn", {}], ["ApprovalPreviewed", {}]);
    await record.append("approval-5", ["ApprovalRequested", { approvalId: "5", plan }], ["ApprovalUsed", {}]);
    await record.append("approval-6", ["ApprovalRequested", { approvalId: "6" }], ["ApprovalUsed", {}], ["ApprovalUsed", {}]);
    await record.signed();
    record.daysAgo = 0;
    const { counts } = await record.retention("session=30d,recording=30d,forwarding=30d,approval=30d").run("schedule", admin);
    assert.deepEqual(
      counts.map(({ category, streams }) => [category, streams]),
      [
        ["recording", 0],
        ["session", 0],
        ["approval", 3],
        ["forwarding", 0],
      ],
    );
    assert.equal(await eventsOf(record, `session-${open}`), 2);
    const left = await Promise.all([1, 2, 3, 4, 5, 6].map((id) => eventsOf(record, `approval-${id}`)));
    assert.deepEqual(left, [1, 0, 0, 0, 2, 3]);
    await record.append(`session-${open}`, ended);
    await record.signed();
    // It is over now, but of yesterday.
    assert.equal((await record.retention("session=1d").preview()).counts[0]?.streams, 0);
    const recordings = async (): Promise<number | undefined> => (await record.retention("recording=30d").preview()).counts[0]?.streams;
    assert.equal(await recordings(), 1);
    await record.append(`recording-${open}`, ["OutputRecorded", { output: "of today" }]);
    assert.equal(await recordings(), 0);
  });

  it("is not kept from a session, or a run, by what others wrote behind them", async (context) => {
    const record = await beginRecord(context, 60);
    const own = (ledger: RemovableLedger): RemovableLedger => ownRecord(ledger, () => undefined) as RemovableLedger;
    const run = async (ledger: RemovableLedger): Promise<unknown> =>
      createRetention({ ...record.retentionDeps("session=30d", ledger), record: own(record.ledger) }).run("schedule", admin);
    const sessionOf = async (): Promise<string> => {
      const id = randomUUID();
      const { type, data } = requested(id);
      await record.append(`session-${id}`, [type, data], [ended[0], { ...ended[1], sessionId: id }]);
      return id;
    };
    const [before, after] = [await sessionOf(), await sessionOf()];
    await record.appendGarbage(`session-${before}`);
    await record.signed();
    record.daysAgo = 0;
    await record.appendGarbage(`session-${after}`);
    await record.appendGarbage("retention-1");
    await record.signed();
    await assert.rejects(run(failingAfter(record.ledger, 0)), /disk is full/u);
    // Completes that, whatever stands in a stream of runs.
    await run(record.ledger);
    // A stream goes as a whole, when all of it is old enough.
    assert.deepEqual([await eventsOf(record, `session-${before}`), await eventsOf(record, `session-${after}`)], [0, 3]);
    await record.signed();
    assert.equal(verified(await record.verify()).removed, 3);
  });

  it("removes the recording of a session that is over or gone, and finds nothing more the next time", async (context) => {
    const record = await beginRecord(context, 60);
    const id = await session(record, "old");
    await record.signed();
    record.daysAgo = 0;
    const preview = await record.retention("recording=30d").preview();
    assert.deepEqual([preview.counts[0]?.streams, preview.runId, await eventsOf(record, `recording-${id}`)], [1, "", 1]);
    await record.retention("session=30d").run("schedule", admin);
    const { counts } = await record.retention("recording=30d,forwarding=30d").run("schedule", admin);
    assert.deepEqual(
      counts.map(({ streams, events }) => [streams, events]),
      [
        [1, 1],
        [1, 1],
      ],
    );
    const again = await record.retention("session=30d,recording=30d,forwarding=30d").run("schedule", admin);
    assert.deepEqual(
      again.counts.map(({ streams }) => streams),
      [0, 0, 0],
    );
    await record.signed();
    const verdict = verified(await record.verify());
    assert.deepEqual([verdict.removed, verdict.removals.map(({ events }) => events)], [5, [3, 2]]);
  });

  it("leaves no byte of what was removed in any file of the data folder", async (context) => {
    const record = await beginRecord(context, 60);
    await session(record, "old");
    await record.signed();
    record.daysAgo = 0;
    await session(record, "young");
    const held = (name: string): string[] =>
      readdirSync(record.folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && readFileSync(join(entry.parentPath, entry.name)).includes(secret(name).slice(8, -1)))
        .map((entry) => entry.name);
    assert.notDeepEqual(held("old"), []);
    await record.retention("session=30d,recording=30d").run("schedule", admin);
    assert.deepEqual(held("old"), []);
    assert.notDeepEqual(held("young"), []);
  });

  it("is completed by the next run when it was cut short between saying and doing", async (context) => {
    const record = await beginRecord(context, 60);
    const ids = [await session(record, "one"), await session(record, "two")];
    await record.signed();
    record.daysAgo = 0;
    const failing = failingAfter(record.ledger, 0);
    await assert.rejects(record.retention("session=30d", failing).run("schedule", admin), /disk is full/u);
    assert.equal(await eventsOf(record, `session-${ids[0] ?? ""}`), 3);
    verified(await record.verify());
    const retention = record.retention("session=30d");
    assert.deepEqual(
      (await retention.lastRuns(5)).map(({ outcome, failure }) => [outcome, failure]),
      [["failed", "ledger.unavailable"]],
    );
    // Whatever comes into a stream after it was named was not decided on.
    await record.append(`session-${ids[1] ?? ""}`, ended);
    const { counts } = await retention.run("schedule", admin);
    assert.equal(counts[0]?.streams, 0);
    assert.deepEqual([await eventsOf(record, `session-${ids[0] ?? ""}`), await eventsOf(record, `session-${ids[1] ?? ""}`)], [0, 1]);
    await record.signed();
    const verdict = verified(await record.verify());
    assert.deepEqual([verdict.removed, verdict.removals.length], [6, 1]);
  });

  it("proves itself also when it was cut short in the middle of a stream, and goes on from there", async (context) => {
    const record = await beginRecord(context, 60);
    const commands = Array.from({ length: 299 }, (_, n): Brief => ["CommandAuthorized", { statement: `select ${n}` }]);
    await record.append("session-long", ...commands, ended);
    await record.signed();
    record.daysAgo = 0;
    await assert.rejects(record.retention("session=30d", failingAfter(record.ledger, 1)).run("schedule", admin), /disk is full/u);
    const left = await eventsOf(record, "session-long");
    assert.ok(left > 0 && left < 300, `${left} are left`);
    await record.restart();
    await record.signed();
    assert.equal(verified(await record.verify()).removed, 300 - left);
    assert.equal(verified(await record.verifyBundle(record.audit.range("", ""))).removed, 300 - left);
    await record.retention("session=30d").run("schedule", admin);
    assert.equal(await eventsOf(record, "session-long"), 0);
    await record.signed();
    assert.equal(verified(await record.verify()).removed, 300);
  });

  it("is completed after a start also when the rules were taken back", async (context) => {
    const record = await beginRecord(context, 60);
    const id = await session(record, "old");
    await record.signed();
    record.daysAgo = 0;
    await assert.rejects(record.retention("session=30d", failingAfter(record.ledger, 0)).run("schedule", admin), /disk is full/u);
    const soon: Scheduler = { after: (ms, run) => systemScheduler.after(ms === FIRST_RUN_MS ? 0 : ms, run) };
    const retention = createRetention({ ...record.retentionDeps(""), scheduler: soon });
    context.after(() => retention.close());
    retention.schedule(3_600_000, admin);
    for await (const message of record.ledger.subscribeToAll({ filter: { by: "type", prefixes: ["RetentionFinished"] }, signal: context.signal })) {
      if (message.kind === "event" && (message.event.data as { readonly outcome: string }).outcome === "completed") break;
    }
    assert.equal(await eventsOf(record, `session-${id}`), 0);
    await assert.rejects(retention.run("administrator", admin), /everything is kept/u);
  });

  it("stops, and says so in the record, at an event that is not the one that was signed", async (context) => {
    const record = await beginRecord(context, 60);
    const id = await session(record, "altered");
    await record.signed();
    record.daysAgo = 0;
    const db = new DatabaseSync(record.ledgerFile);
    db.prepare("UPDATE events SET data = '{}' WHERE stream = ? AND revision = 1").run(`session-${id}`);
    db.close();
    const retention = record.retention("session=30d");
    await assert.rejects(retention.run("schedule", admin), (error) => error instanceof SallyportError && error.code === "ledger.corrupt");
    assert.equal(await eventsOf(record, `session-${id}`), 3);
    assert.deepEqual(
      (await retention.lastRuns(1)).map(({ outcome, failure, streams }) => [outcome, failure, streams]),
      [["failed", "ledger.corrupt", 0]],
    );
  });

  it("shows when it removed earlier than its own rules allow", async (context) => {
    const record = await beginRecord(context, 10);
    await session(record, "young");
    await record.signed();
    record.daysAgo = 0;
    const hasty = createRetention({ ...record.retentionDeps("session=30d"), proven: new HastyLog(record.ledger, record.checkpointer) });
    await hasty.run("schedule", admin);
    await record.signed();
    for (const verdict of [await record.verify(), await record.verifyBundle(record.audit.range("", ""))]) {
      assert.deepEqual(verdict.kind === "tampered" ? [verdict.finding.code, verdict.finding.index] : verdict.kind, ["event.removed", 0]);
    }
  });

  it("is shown in bundles by the decisions, which may lie outside of the range, and by whose they were", async (context) => {
    const record = await beginRecord(context, 60);
    const ids = [await session(record, "one"), await session(record, "two"), await session(record, "three")];
    await record.signed();
    record.daysAgo = 20;
    const kept = await session(record, "kept");
    await record.signed();
    record.daysAgo = 0;
    const { runId } = await record.retention("session=30d,recording=30d").run("administrator", admin);
    await record.signed();
    const whole = verified(await record.verifyBundle(record.audit.range("", "")));
    const removals = [{ runId, by: "human root", events: 12 }];
    assert.deepEqual([whole.removed, whole.removals], [12, removals]);
    const size = record.checkpointer.tree.size;
    for (let from = 0; from < 16; from += 3) {
      const part = verified(
        await record.verifyBundle(record.audit.range(String(record.checkpointer.tree.positionOf(from)), String(record.checkpointer.tree.positionOf(from + 4)))),
      );
      assert.equal(part.events, 5);
    }
    const after = verified(await record.verifyBundle(record.audit.range(String(record.checkpointer.tree.positionOf(size - 8)), "")));
    assert.equal(after.removed, 0);
    const streams = new Set([`session-${ids[1] ?? ""}`, `recording-${ids[1] ?? ""}`, `forwarding-${ids[1] ?? ""}`, `session-${kept}`]);
    const selection = verified(await record.verifyBundle(record.audit.streams({ kind: "identity", value: "ana", streams })));
    assert.deepEqual([selection.events, selection.removed, selection.removals], [8, 4, [{ runId, by: "human root", events: 4 }]]);
  });

  it("shows in a bundle of removed events that lacks a decision, or whose decision is of another stream", async (context) => {
    const record = await beginRecord(context, 60);
    const ids = [await session(record, "one"), await session(record, "two")];
    await record.signed();
    record.daysAgo = 0;
    await record.retention("session=30d").run("administrator", admin);
    await record.signed();
    const lines: string[] = [];
    for await (const line of record.audit.range("", "")) lines.push(line);
    const at = lines.findIndex((line) => line.includes('"removed":'));
    assert.ok(at > 2);
    const judged = async (changed: readonly string[]): Promise<Verdict> => record.verifyBundle(asynchronous(changed));
    verified(await judged(lines));
    const other = lines.with(at, (lines[at] ?? "").replace(ids[0] ?? "?", ids[1] ?? "?"));
    for (const changed of [
      other,
      lines.toSpliced(2, 1).map((line, i) => (i < 2 ? line : line.replace(/^\{"n":(\d+)/u, (_all, n: string) => `{"n":${Number(n) - 1}`))),
    ]) {
      const verdict = await judged(changed);
      assert.equal(verdict.kind === "tampered" ? verdict.finding.code : "verified", "event.removed");
    }
  });
});

/** Says that everything was signed long ago. */
class HastyLog extends SignedLog {
  override horizon(): Promise<bigint> {
    return Promise.resolve(1_000_000n);
  }
}

/** A ledger whose disk is full after so many removals. */
function failingAfter(ledger: RemovableLedger, removals: number): RemovableLedger {
  let left = removals;
  return new Proxy(ledger, {
    get(target, name: keyof RemovableLedger) {
      if (name === "remove" && left-- <= 0) return () => Promise.reject(new SallyportError("ledger.unavailable", "The disk is full."));
      const value = target[name];
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

async function* asynchronous<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}
