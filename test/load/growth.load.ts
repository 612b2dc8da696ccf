import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { argv, stdout } from "node:process";
import { openSqliteLedger } from "../../control-plane/src/ledger/sqlite/sqlite-ledger.ts";
import type { ExpectedRevision, Ledger, NewEvent } from "../../control-plane/src/ledger/ledger.ts";

/**
 * Whether what a ledger costs grows with what it holds: `npm run load:growth -- [1,3,10] [folder]`, in millions of events. At each
 * size one JSON line. The last of the defaults needs 8 GB of disk and some minutes.
 */
const sizes = (argv[2] ?? "1,3,10").split(",").map((millions) => Math.round(Number(millions) * 1e6));
const folder = mkdtempSync(join(argv[3] ?? tmpdir(), "ledger-growth-"));
const file = join(folder, "ledger.db");

/** As a session's stream is: a command and its completion in each append, 50 commands. */
const EVENTS_PER_APPEND = 2;
const APPENDS_PER_STREAM = 50;
const WRITERS = 64;
/** Of what is measured one by one. */
const SAMPLES = 1_000;
/** Of the events read in one go. */
const READ = 200_000;

const metadata = { $correlationId: randomUUID(), actor: { kind: "human", id: "ana" }, schemaVersion: 1, at: "2026-11-22T10:00:00.000Z" } as const;
const data = { commandId: 1, sql: "select id, total from orders where customer = $1", parameters: ["4711"], verbs: ["select"], decision: "allow" };
const events = (): NewEvent[] => Array.from({ length: EVENTS_PER_APPEND }, () => ({ id: randomUUID(), type: "CommandAuthorized", data, metadata }));

const streams: string[] = [];
let stored = 0;

async function writer(ledger: Ledger, until: number): Promise<void> {
  while (stored < until) {
    const stream = `session-${randomUUID()}`;
    streams.push(stream);
    let revision: ExpectedRevision = "none";
    for (let i = 0; i < APPENDS_PER_STREAM && stored < until; i++) {
      stored += EVENTS_PER_APPEND;
      ({ revision } = await ledger.append(stream, events(), revision));
    }
  }
}

async function median(run: () => Promise<unknown>): Promise<number> {
  const micros: number[] = [];
  for (let i = 0; i < SAMPLES; i++) {
    const start = performance.now();
    await run();
    micros.push((performance.now() - start) * 1_000);
  }
  return Math.round(micros.toSorted((a, b) => a - b)[SAMPLES / 2] ?? 0);
}

async function count(all: AsyncIterable<unknown>): Promise<number> {
  let seen = 0;
  for await (const _ of all) seen++;
  return seen;
}

async function perSecond(run: () => Promise<number>): Promise<number> {
  const start = performance.now();
  const done = await run();
  return Math.round(done / ((performance.now() - start) / 1_000));
}

let ledger = await openSqliteLedger(file);
try {
  for (const size of sizes) {
    const appendedPerSecond = await perSecond(async () => {
      const before = stored;
      await Promise.all(Array.from({ length: WRITERS }, () => writer(ledger, size)));
      return stored - before;
    });
    await ledger.close();
    const opening = performance.now();
    ledger = await openSqliteLedger(file);
    const openMs = Math.round(performance.now() - opening);
    const single = `session-${randomUUID()}`;
    let revision: ExpectedRevision = "none";
    const appendP50us = await median(async () => ({ revision } = await ledger.append(single, events(), revision)));
    const anyStream = (): string => streams[Math.floor(Math.random() * streams.length)] ?? "";
    const streamP50us = await median(() => count(ledger.readStream(anyStream())));
    const lastP50us = await median(() => count(ledger.readStream(anyStream(), { direction: "backwards", limit: 1 })));
    const readPerSecond = await perSecond(() => count(ledger.readAll({ limit: READ })));
    const backwardsPerSecond = await perSecond(() => count(ledger.readAll({ limit: READ, direction: "backwards" })));
    const bytesPerEvent = Math.round(statSync(file).size / stored);
    const line = {
      bench: "ledger.growth",
      events: size,
      appendedPerSecond,
      appendP50us,
      streamP50us,
      lastP50us,
      readPerSecond,
      backwardsPerSecond,
      openMs,
      bytesPerEvent,
    };
    stdout.write(`${JSON.stringify(line)}\n`);
  }
} finally {
  await ledger.close();
  rmSync(folder, { recursive: true });
}
