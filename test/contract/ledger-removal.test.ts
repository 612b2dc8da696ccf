import assert from "node:assert/strict";
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it, type TestContext } from "node:test";
import { hashOf } from "@sallyport/control-plane/src/ledger/integrity/leaf-batch.ts";
import { MAX_REMOVED_EVENTS, type RecordedEvent, type RemovableLedger, type Tombstone } from "@sallyport/control-plane/src/ledger/ledger.ts";
import { SqliteLedgerReader } from "@sallyport/control-plane/src/ledger/sqlite/ledger-reader.ts";
import { openSqliteLedger } from "@sallyport/control-plane/src/ledger/sqlite/sqlite-ledger.ts";
import { SallyportError } from "@sallyport/proto/errors";
import { verifyFile } from "@sallyport/cli/src/audit/verify-file.ts";
import { tempDir } from "../support/temp-dir.ts";
import { collect, newEvent, newEvents } from "./ledger-probe.ts";

const fails =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof SallyportError && error.code === code;

async function openLedger(context: TestContext): Promise<RemovableLedger & { readonly path: string }> {
  const ledger = await openSqliteLedger(join(tempDir(context, "ledger-removal"), "ledger.db"));
  context.after(() => ledger.close());
  return ledger;
}

const tombstoneOf = (event: RecordedEvent): Tombstone => ({ ...event, leaf: hashOf(event) });

async function remove(ledger: RemovableLedger, stream: string): Promise<readonly Tombstone[]> {
  const tombstones = (await collect(ledger.readStream(stream))).map(tombstoneOf);
  for (let at = 0; at < tombstones.length; at += MAX_REMOVED_EVENTS) await ledger.remove(tombstones.slice(at, at + MAX_REMOVED_EVENTS));
  return tombstones;
}

const streamsOf = (events: readonly RecordedEvent[]): string[] => events.map(({ stream, revision }) => `${stream}@${String(revision)}`);

describe("removing events from the embedded ledger", () => {
  it("leaves gaps that reads in both directions pass over, whatever they are of", async (context) => {
    const ledger = await openLedger(context);
    await ledger.append("a-1", newEvents(2), "none");
    await ledger.append("a-2", newEvents(1_000), "none");
    await ledger.append("a-3", newEvents(2), "none");
    await remove(ledger, "a-2");
    const left = ["a-1@0", "a-1@1", "a-3@0", "a-3@1"];
    assert.deepEqual(streamsOf(await collect(ledger.readAll())), left);
    assert.deepEqual(streamsOf(await collect(ledger.readAll({ direction: "backwards" }))), left.toReversed());
    assert.deepEqual(streamsOf(await collect(ledger.readAll({ from: 500n, filter: { by: "stream", prefixes: ["a-"] } }))), left.slice(2));
    assert.deepEqual(await collect(ledger.readStream("a-2")), []);
    assert.deepEqual(await collect(ledger.readStream("a-2", { direction: "backwards", from: 7n })), []);
  });

  it("keeps the heads of streams and of the log, so that nothing takes the place of what is gone", async (context) => {
    const ledger = await openLedger(context);
    await ledger.append("a-1", newEvents(2), "none");
    const { position } = await ledger.append("a-2", newEvents(3), "none");
    await remove(ledger, "a-2");
    await assert.rejects(ledger.append("a-2", newEvents(1), "none"), fails("stream.conflict"));
    const later = await ledger.append("a-2", newEvents(1), 2n);
    assert.deepEqual([later.revision, later.position], [3n, position + 1n]);
    assert.deepEqual(streamsOf(await collect(ledger.readStream("a-2"))), ["a-2@3"]);
    await remove(ledger, "a-2");
    await assert.rejects(ledger.append("a-2", newEvents(1), 2n), fails("stream.conflict"));
    assert.equal((await ledger.append("a-2", newEvents(1), 3n)).revision, 4n);
  });

  it("breaks no subscription: one that is behind passes over what is gone, one that is live goes on", async (context) => {
    const ledger = await openLedger(context);
    await ledger.append("a-1", newEvents(1), "none");
    await ledger.append("a-2", newEvents(2_500), "none");
    const stop = new AbortController();
    const live = ledger.subscribeToAll({ after: "end", signal: stop.signal })[Symbol.asyncIterator]();
    const told = async (): Promise<string> => {
      const next = await live.next();
      if (next.done === true) return "the end";
      return next.value.kind === "event" ? next.value.event.stream : next.value.kind;
    };
    assert.equal(await told(), "caughtUp");
    await remove(ledger, "a-2");
    const behind: string[] = [];
    const checkpoints: bigint[] = [];
    for await (const message of ledger.subscribeToAll({ signal: stop.signal })) {
      if (message.kind === "event") behind.push(message.event.stream);
      if (message.kind === "checkpoint") checkpoints.push(message.position);
      if (message.kind === "caughtUp") break;
    }
    assert.deepEqual(behind, ["a-1"]);
    assert.equal(checkpoints.at(-1), 2_501n);
    await ledger.append("a-3", newEvents(1), "none");
    assert.equal(await told(), "a-3");
    stop.abort();
  });

  it("takes what is gone out of what subscriptions were shown a moment ago", async (context) => {
    const ledger = await openLedger(context);
    await ledger.append("a-1", newEvents(1), "none");
    await ledger.append("a-2", newEvents(3), "none");
    const stop = new AbortController();
    const shown = async (): Promise<string[]> => {
      const events: RecordedEvent[] = [];
      for await (const message of ledger.subscribeToAll({ signal: stop.signal })) {
        if (message.kind === "caughtUp") break;
        if (message.kind === "event") events.push(message.event);
      }
      return streamsOf(events);
    };
    assert.equal((await shown()).length, 4);
    await remove(ledger, "a-2");
    assert.deepEqual(await shown(), ["a-1@0"]);
  });

  it("shows what is left to whoever proves the log, in another thread as well, and over more than a page", async (context) => {
    const ledger = await openLedger(context);
    await ledger.append("a-1", newEvents(1), "none");
    await ledger.append("a-2", newEvents(600), "none");
    await ledger.append("a-3", newEvents(1), "none");
    const before = await collect(ledger.readAll());
    const removed = await remove(ledger, "a-2");
    const reader = new SqliteLedgerReader(ledger.path);
    for (const log of [ledger.readLog(), reader.readLog()]) {
      const entries = [];
      for await (const entry of log) entries.push(entry);
      assert.deepEqual(
        entries.map((entry) => Buffer.from(entry.kind === "event" ? hashOf(entry.event) : entry.tombstone.leaf).toString("hex")),
        before.map((event) => Buffer.from(hashOf(event)).toString("hex")),
      );
      assert.equal(entries.filter(({ kind }) => kind === "removed").length, 600);
    }
    await reader.close();
    const tombstones = [];
    for await (const { revision, position } of ledger.tombstones("a-2")) tombstones.push([revision, position]);
    assert.deepEqual(
      tombstones,
      removed.map(({ revision, position }) => [revision, position]),
    );
  });

  it("is refused for an event that is not the one of its leaf, and then removes none of its batch; a repeated removal changes nothing", async (context) => {
    const ledger = await openLedger(context);
    await ledger.append("a-1", newEvents(3), "none");
    const tombstones = (await collect(ledger.readStream("a-1"))).map(tombstoneOf);
    const wrong = tombstones.with(2, { ...(tombstones[2] as Tombstone), leaf: Buffer.alloc(32) });
    await assert.rejects(ledger.remove(wrong), fails("ledger.corrupt"));
    assert.equal((await collect(ledger.readStream("a-1"))).length, 3);
    await ledger.remove(tombstones);
    await ledger.remove(tombstones);
    await assert.rejects(ledger.remove(wrong), fails("ledger.corrupt"));
    assert.deepEqual(await collect(ledger.readStream("a-1")), []);
  });

  it("lets appends through between two removals", async (context) => {
    const ledger = await openLedger(context);
    await ledger.append("a-1", newEvents(3_000), "none");
    const done = new AbortController();
    const removing = remove(ledger, "a-1").finally(() => done.abort());
    let during = -1;
    for (let n = 0; !done.signal.aborted; n++) {
      during++;
      await ledger.append(`b-${n}`, [newEvent()], "none");
    }
    await removing;
    assert.ok(during >= 10, `only ${during} appends came through`);
  });
});

describe("a ledger file of schema version 1", () => {
  const fixture = new URL("../fixtures/ledger/version-1.db", import.meta.url);

  it("is brought up to date when it is opened, with everything in it, also when its write-ahead log was left behind", async (context) => {
    const folder = tempDir(context, "ledger-version-1");
    const path = join(folder, "ledger.db");
    copyFileSync(fixture, path);
    assert.equal(readFileSync(path).readUInt32BE(60), 1);
    for (let round = 0; round < 2; round++) {
      const ledger = await openSqliteLedger(path);
      assert.deepEqual(streamsOf(await collect(ledger.readAll())), ["note-a@0", "note-a@1", "note-b@0", "note-a@2"]);
      if (round === 1) {
        await remove(ledger, "note-a");
        assert.deepEqual(streamsOf(await collect(ledger.readAll())), ["note-b@0"]);
      }
      if (round === 0) for (const suffix of ["", "-wal"]) copyFileSync(`${path}${suffix}`, join(folder, `crashed.db${suffix}`));
      await ledger.close();
    }
    const db = new DatabaseSync(path, { readOnly: true });
    assert.equal(db.prepare("PRAGMA user_version").get()?.["user_version"], 2);
    db.close();
    const crashed = await openSqliteLedger(join(folder, "crashed.db"));
    assert.equal((await collect(crashed.readAll())).length, 4);
    await crashed.close();
  });

  it("can be read by the verifier as it is", async (context) => {
    const path = join(tempDir(context, "ledger-version-1"), "ledger.db"); // SQLite leaves files beside what it reads
    copyFileSync(fixture, path);
    const verdict = await verifyFile(path, { keys: [], witnessKeys: [], witness: undefined });
    // Nothing in it is signed; it was read to its end to say so.
    assert.equal(verdict.kind === "tampered" ? verdict.finding.code : "verified", "checkpoint.forged");
  });
});
