import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it, type TestContext } from "node:test";
import fc from "fast-check";
import { SallyportError } from "@sallyport/proto/errors";
import { eventId } from "../ledger/event-id.ts";
import { sessionStream } from "../domain/session/session.events.ts";
import {
  AUTHORIZATION_PATIENCE_MS,
  COMPLETION_LINGER_MS,
  MAX_BATCH_EVENTS,
  MAX_QUEUED_BYTES,
  MAX_QUEUED_EVENTS,
  MAX_STALL_MS,
  SessionRecord,
} from "./session-record.ts";
import { ManualTime } from "./testing/manual-time.ts";
import { authorized, completed, denied, ended, opened, requested } from "./testing/samples.ts";
import { admin, collect, fails, openLedger, openSealed, silent, typesIn, until } from "./testing/stage.ts";
import type { UnreliableLedger } from "./testing/unreliable-ledger.ts";

async function setUp(t: TestContext) {
  const { ledger, stored } = await openSealed(t);
  return { ledger, stored, ...openRecord(ledger) };
}

function openRecord(ledger: UnreliableLedger) {
  const time = new ManualTime();
  const sessionId = randomUUID();
  const counts = { refused: 0, abandoned: [] as string[] };
  const record = new SessionRecord(
    { ledger, clock: time, scheduler: time, log: silent, refused: () => (counts.refused += 1), abandoned: (id) => counts.abandoned.push(id) },
    sessionId,
  );
  return { time, sessionId, counts, record, stream: sessionStream(sessionId) };
}

const unwritten = (recorded: "no" | "unknown") => (error: unknown) =>
  error instanceof SallyportError && error.code === "ledger.unavailable" && error.details["recorded"] === recorded;

describe("the record of a session", () => {
  it("writes in order, and together what waited while an append was under way (R1)", async (t) => {
    const { ledger, record, sessionId, stream } = await setUp(t);
    const all = [record.append([requested(sessionId), opened(sessionId)], admin)];
    for (let id = 1; id <= 20; id++) all.push(record.append([authorized(id)], admin, { patience: "fail" }), record.append([completed(id)], admin));
    await Promise.all(all);
    const stored = await collect(ledger.readStream(stream));
    assert.deepEqual(
      stored.slice(2).map(({ data }) => ("commandId" in data ? data.commandId : 0)),
      Array.from({ length: 40 }, (_, i) => 1 + Math.floor(i / 2)),
    );
    assert.equal(ledger.appends.length, 2);
    assert.deepEqual(
      stored.map(({ id }) => id),
      stored.map(({ revision }) => eventId(sessionId, Number(revision))),
    );
  });

  it("resolves only when the ledger has it (R2)", async (t) => {
    const { ledger, record, sessionId } = await setUp(t);
    ledger.line = "freeze";
    let durable = false;
    const writing = record.append([requested(sessionId)], admin).then(() => (durable = true));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(durable, false);
    ledger.thaw();
    await writing;
    assert.ok(durable);
  });

  it("writes a completion along with the command that follows it, one append for each command (R6)", async (t) => {
    const { ledger, record, sessionId, stream, time } = await setUp(t);
    await record.append([requested(sessionId), opened(sessionId)], admin);
    for (let id = 1; id <= 5; id++) {
      await record.append([authorized(id)], admin, { patience: "fail" });
      void record.append([completed(id)], admin);
    }
    await record.append([ended(sessionId)], admin);
    assert.deepEqual(
      ledger.appends.slice(1).map(({ types }) => types.join(" ")),
      ["CommandAuthorized", ...Array<string>(4).fill("CommandCompleted CommandAuthorized"), "CommandCompleted SessionEnded"],
    );
    assert.equal((await typesIn(ledger, stream)).length, 13);
    time.advance(COMPLETION_LINGER_MS);
    assert.equal(ledger.appends.length, 7);
  });

  it("writes a completion by itself soon when nothing follows, also one that came while an append was under way (R6)", async (t) => {
    const { ledger, record, sessionId, time } = await setUp(t);
    const opening = record.append([requested(sessionId), opened(sessionId), authorized(1), authorized(2)], admin);
    const first = record.append([completed(1)], admin);
    await opening;
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(ledger.appends.length, 1);
    time.advance(COMPLETION_LINGER_MS);
    await first;
    const second = record.append([completed(2)], admin);
    time.advance(COMPLETION_LINGER_MS - 1);
    assert.equal(ledger.appends.length, 2);
    time.advance(1);
    await second;
    assert.deepEqual(
      ledger.appends.slice(1).map(({ types }) => types),
      [["CommandCompleted"], ["CommandCompleted"]],
    );
  });

  it("keeps nobody waiting for a completion who waits for the record to be complete (R6)", async (t) => {
    const { ledger, record, sessionId } = await setUp(t);
    await record.append([requested(sessionId), opened(sessionId), authorized(1)], admin);
    void record.append([completed(1)], admin);
    await record.drained();
    assert.equal(ledger.appends.length, 2);
  });

  it("keeps a batch within what one append may hold", async (t) => {
    const { ledger, record, sessionId, stream } = await setUp(t);
    const text = "x".repeat(60_000);
    await Promise.all([record.append([requested(sessionId)], admin), ...Array.from({ length: 40 }, (_, i) => record.append([authorized(i + 1, text)], admin))]);
    assert.equal((await typesIn(ledger, stream)).length, 41);
    assert.ok(ledger.appends.length >= 4);
    assert.ok(ledger.appends.every(({ types }) => types.length <= MAX_BATCH_EVENTS));
  });

  it("writes one by one, and tries no more than that, what turns out too large together", async (t) => {
    const { ledger, record, sessionId, stream } = await setUp(t);
    const first = record.append([requested(sessionId)], admin);
    // Three bytes each in UTF-8: together over what an append may hold, though their lengths are not.
    const commands = Array.from({ length: 40 }, (_, i) => record.append([authorized(i + 1, "語".repeat(20_000))], admin));
    await Promise.all([first, ...commands]);
    assert.equal((await typesIn(ledger, stream)).length, 41);
    assert.equal(ledger.appends.length, 42);
    await record.append([completed(1), ended(sessionId)], admin);
    assert.equal(ledger.appends.length, 43);
  });

  it("rejects an event that never fits, and goes on with the others", async (t) => {
    const { ledger, record, sessionId, stream } = await setUp(t);
    const first = record.append([requested(sessionId)], admin);
    const huge = assert.rejects(record.append([authorized(1, "x".repeat(1_100_000))], admin), fails("ledger.too_large"));
    await Promise.all([first, huge, record.append([authorized(2)], admin)]);
    assert.deepEqual(await typesIn(ledger, stream), ["SessionRequested", "CommandAuthorized"]);
  });

  it("is broken when somebody else writes into its stream", async (t) => {
    const { ledger, record, sessionId, stream, counts } = await setUp(t);
    await record.append([requested(sessionId)], admin);
    const [first] = await collect(ledger.readStream(stream));
    assert.ok(first);
    const { data } = ended(sessionId);
    await ledger.append(stream, [{ id: randomUUID(), type: "SessionEnded", data, metadata: first.metadata }], 0n);
    await assert.rejects(record.append([authorized(1)], admin), fails("stream.conflict"));
    await assert.rejects(record.append([authorized(2)], admin, { patience: "fail" }), unwritten("no"));
    assert.ok(record.broken);
    assert.deepEqual(counts.abandoned, [sessionId]);
  });

  it("goes on behind what is no event of ours", async (t) => {
    const { stored, record, sessionId, stream } = await setUp(t);
    await record.append([requested(sessionId)], admin);
    const [first] = await collect(stored.readStream(stream));
    assert.ok(first);
    await stored.append(stream, [{ id: randomUUID(), type: "SessionEnded", data: {}, metadata: first.metadata }], 0n);
    await record.append([authorized(1)], admin);
    assert.deepEqual(await typesIn(stored, stream), ["SessionRequested", "SessionEnded", "CommandAuthorized"]);
  });
});

describe("the record of a session while the ledger is away", () => {
  for (const line of ["refuse", "lose"] as const) {
    it(`tries the same batch again and doubles nothing when the line ${line === "lose" ? "loses the answer" : "refuses"} (R3)`, async (t) => {
      const { ledger, record, sessionId, stream, time } = await setUp(t);
      ledger.line = line;
      const writing = Promise.all([record.append([requested(sessionId)], admin), record.append([opened(sessionId)], admin)]);
      await until("stalled", () => record.stalled);
      ledger.line = "good";
      time.advance(1_000);
      await writing;
      assert.equal(record.stalled, false);
      assert.deepEqual(await typesIn(ledger, stream), ["SessionRequested", "SessionOpened"]);
    });
  }

  it("refuses a command at once while stalled, and leaves no trace of it (R4)", async (t) => {
    const { ledger, record, sessionId, stream, time, counts } = await setUp(t);
    ledger.line = "refuse";
    const kept = record.append([requested(sessionId)], admin);
    await until("stalled", () => record.stalled);
    await assert.rejects(record.append([authorized(1)], admin, { patience: "fail" }), unwritten("no"));
    assert.equal(counts.refused, 1);
    ledger.line = "good";
    time.advance(1_000);
    await kept;
    assert.deepEqual(await typesIn(ledger, stream), ["SessionRequested"]);
  });

  it("rejects a command when patience runs out, keeps its place, and lets what supersedes it follow (R4)", async (t) => {
    const { ledger, record, sessionId, stream, time, counts } = await setUp(t);
    await record.append([requested(sessionId), opened(sessionId)], admin);
    ledger.line = "freeze";
    const command = assert.rejects(record.append([authorized(1)], admin, { patience: "fail" }), unwritten("unknown"));
    time.advance(AUTHORIZATION_PATIENCE_MS);
    await command;
    assert.ok(record.stalled);
    assert.equal(counts.refused, 1);
    const superseded = record.append([denied(1, "ledger.unavailable")], admin);
    ledger.thaw();
    await superseded;
    assert.deepEqual((await typesIn(ledger, stream)).slice(2), ["CommandAuthorized", "CommandDenied"]);
    assert.equal(record.stalled, false);
  });

  it("runs out of patience in time also for a command that came behind something else that waits (R4)", async (t) => {
    const { ledger, record, sessionId, time } = await setUp(t);
    await record.append([requested(sessionId), opened(sessionId), authorized(1)], admin);
    ledger.line = "freeze";
    void record.append([completed(1)], admin);
    time.advance(AUTHORIZATION_PATIENCE_MS - 1);
    const late = record.append([authorized(2)], admin, { patience: "fail" });
    time.advance(1);
    time.advance(AUTHORIZATION_PATIENCE_MS);
    await assert.rejects(late, unwritten("unknown"));
    ledger.thaw();
    await record.drained();
  });

  it("keeps what has happened beyond that time, and writes it when the ledger is back", async (t) => {
    const { ledger, record, sessionId, stream, time } = await setUp(t);
    await record.append([requested(sessionId), opened(sessionId), authorized(1)], admin);
    ledger.line = "refuse";
    const kept = record.append([completed(1)], admin);
    time.advance(COMPLETION_LINGER_MS);
    await until("stalled", () => record.stalled);
    time.advance(AUTHORIZATION_PATIENCE_MS * 3);
    ledger.line = "good";
    let written = false;
    const writing = kept.then(() => (written = true));
    await until("written", () => {
      if (ledger.inFlight === 0) time.advance(100);
      return written;
    });
    await writing;
    assert.equal((await typesIn(ledger, stream)).at(-1), "CommandCompleted");
  });

  it("gives up after a bound, and hands the session over (R5)", async (t) => {
    const { ledger, record, sessionId, time, counts } = await setUp(t);
    ledger.line = "freeze";
    const kept = assert.rejects(record.append([requested(sessionId)], admin), unwritten("unknown"));
    const queued = assert.rejects(record.append([opened(sessionId)], admin), unwritten("unknown"));
    time.advance(AUTHORIZATION_PATIENCE_MS + MAX_STALL_MS);
    await Promise.all([kept, queued, record.drained()]);
    assert.deepEqual(counts.abandoned, [sessionId]);
    assert.equal(time.pending, 0);
    await assert.rejects(record.append([ended(sessionId)], admin), unwritten("no"));
  });

  it("holds no more than its bounds (R5)", async (t) => {
    const { ledger, record, sessionId } = await setUp(t);
    ledger.line = "freeze";
    const writing = [record.append([requested(sessionId)], admin)];
    for (let i = 0; i < MAX_QUEUED_EVENTS; i++) writing.push(record.append([completed(i + 1)], admin));
    await assert.rejects(record.append([completed(9_999)], admin), unwritten("no"));
    ledger.thaw();
    await record.drained();
    await Promise.all(writing);
    ledger.line = "freeze";
    const text = "x".repeat(500_000);
    const large = Array.from({ length: 2 + Math.floor(MAX_QUEUED_BYTES / text.length) }, (_, i) => record.append([authorized(i + 1, text)], admin));
    await assert.rejects(large.at(-1) ?? Promise.resolve(), unwritten("no"));
    ledger.thaw();
    await Promise.all(large.slice(0, -1));
  });

  it("loses and doubles nothing, and keeps the order, whatever the line does (R1, R3)", async (t) => {
    const ledger = await openLedger(t);
    const weather = fc.array(fc.constantFrom("good", "refuse", "lose"), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(weather, fc.integer({ min: 1, max: 30 }), async (lines, count) => {
        const { record, sessionId, stream, time } = openRecord(ledger);
        let turn = 0;
        ledger.before = () => void (ledger.line = lines[turn++] ?? "good");
        const writing = [record.append([requested(sessionId)], admin)];
        for (let id = 1; id <= count; id++) {
          writing.push(record.append([authorized(id), completed(id)], admin));
          if (id % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
        }
        let done = false;
        const all = Promise.all(writing).then(() => (done = true));
        await until("all written", () => {
          if (ledger.inFlight === 0) time.advance(100);
          return done;
        });
        await all;
        ledger.before = undefined;
        const ids = (await collect(ledger.readStream(stream))).slice(1).map(({ data }) => ("commandId" in data ? data.commandId : 0));
        assert.deepEqual(
          ids,
          Array.from({ length: count * 2 }, (_, i) => 1 + Math.floor(i / 2)),
        );
      }),
      { numRuns: 30 },
    );
  });
});
