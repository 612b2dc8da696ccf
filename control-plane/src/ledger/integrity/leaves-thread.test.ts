import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it, type TestContext } from "node:test";
import { CHECKPOINT_STREAM } from "@sallyport/proto/audit/checkpoint";
import { pino } from "pino";
import { fails } from "../../application/testing/stage.ts";
import type { Ledger, NewEvent, RecordedEvent } from "../ledger.ts";
import { openSqliteLedger } from "../sqlite/sqlite-ledger.ts";
import { hashOf, type Leaf, MAX_BATCH } from "./leaf-batch.ts";
import { LeavesThread } from "./leaves-thread.ts";

const metadata = { $correlationId: "c", actor: { kind: "system", id: "n" }, schemaVersion: 1, at: "2026-11-22T10:00:00.000Z" } as const;

async function append(ledger: Ledger, count: number, stream = `node-${randomUUID()}`): Promise<void> {
  const events = Array.from({ length: count }, (_, n): NewEvent => ({ id: randomUUID(), type: "NodeStarted", data: { n }, metadata }));
  await ledger.append(stream, events, "none");
}

async function place(t: TestContext): Promise<{ readonly ledger: Ledger; readonly file: string; readonly leaves: LeavesThread; readonly logged: string[] }> {
  const folder = mkdtempSync(join(tmpdir(), "leaves-"));
  const file = join(folder, "ledger.db");
  const ledger = await openSqliteLedger(file);
  const logged: string[] = [];
  const leaves = new LeavesThread({ ledger: { file } }, pino({}, { write: (line: string) => void logged.push(line) }));
  t.after(async () => {
    await leaves.close();
    await ledger.close();
    rmSync(folder, { recursive: true });
  });
  return { ledger, file, leaves, logged };
}

const all = async (batches: AsyncIterable<readonly Leaf[]>): Promise<Leaf[]> => (await Array.fromAsync(batches)).flat();
const expected = async (ledger: Ledger): Promise<Leaf[]> =>
  (await Array.fromAsync(ledger.readAll())).map((event: RecordedEvent) => ({
    position: event.position,
    hash: hashOf(event),
    isAboutLog: event.stream === CHECKPOINT_STREAM,
  }));
const comparable = (leaves: readonly Leaf[]): unknown =>
  leaves.map(({ position, hash, isAboutLog }) => [position, Buffer.from(hash).toString("hex"), isAboutLog]);

describe("the thread that hashes the log", () => {
  it("gives the leaf of every event after a position, in order, and ends where the log ended", async (t) => {
    const { ledger, leaves } = await place(t);
    assert.deepEqual(await all(leaves.read(undefined)), []);
    await append(ledger, 2 * MAX_BATCH);
    await append(ledger, 1, CHECKPOINT_STREAM);
    await append(ledger, 100);
    const wanted = await expected(ledger);
    assert.equal(wanted.length, 2 * MAX_BATCH + 101);
    assert.deepEqual(comparable(await all(leaves.read(undefined))), comparable(wanted));
    assert.deepEqual(comparable(await all(leaves.read(wanted[699]?.position))), comparable(wanted.slice(700)));
    for await (const batch of leaves.read(undefined)) assert.ok(batch.length <= MAX_BATCH);
  });

  it("follows what is appended, while others read, until it is told to stop", async (t) => {
    const { ledger, leaves } = await place(t);
    await append(ledger, 3);
    const stop = new AbortController();
    const seen: Leaf[] = [];
    const appended = 50 * 7 + 3;
    const appending = (async () => {
      for (let n = 0; n < 50; n++) await append(ledger, 7);
    })();
    for await (const batch of leaves.follow(undefined, stop.signal)) {
      seen.push(...batch);
      if (seen.length === 3) assert.ok((await all(leaves.read(undefined))).length >= 3);
      if (seen.length === appended) setImmediate(() => stop.abort());
    }
    await appending;
    assert.deepEqual(comparable(seen), comparable(await expected(ledger)));
    assert.deepEqual(await all(leaves.follow(undefined, AbortSignal.abort())), []);
  });

  it("passes on that the ledger is damaged; and when it dies says so, fails who waits, and is there for the next", async (t) => {
    const { ledger, file, leaves, logged } = await place(t);
    await append(ledger, 5);
    await ledger.close();
    const change = (data: string): void => {
      const db = new DatabaseSync(file);
      db.prepare("UPDATE events SET data = ? WHERE position = 3").run(data);
      db.close();
    };
    change("{");
    await assert.rejects(all(leaves.read(undefined)), fails("ledger.corrupt"));
    change(`{"n":2}`);
    const following = leaves.follow(undefined, new AbortController().signal);
    assert.equal((await following.next()).value?.length, 5);
    // Deeper than any text of ours: the hashing throws, as a defect would.
    change(`${"[".repeat(200)}${"]".repeat(200)}`);
    await assert.rejects(all(leaves.read(undefined)), fails("ledger.unavailable"));
    await assert.rejects(following.next(), fails("ledger.unavailable"), "it died while nobody waited");
    change(`{"n":2}`);
    assert.equal((await all(leaves.read(undefined))).length, 5);
    assert.match(logged.join(""), /nested deeper.*the thread that hashes the log failed/u);
  });
});
