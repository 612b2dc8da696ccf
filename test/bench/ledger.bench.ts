import { randomUUID } from "node:crypto";
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { argv, stdout } from "node:process";
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { ExpectedRevision, Ledger, NewEvent } from "../../control-plane/src/ledger/ledger.ts";
import { openSqliteLedger } from "../../control-plane/src/ledger/sqlite/sqlite-ledger.ts";

/** The embedded ledger against the disk under it. One JSON line per figure; ratios are to one 4 KiB write with fdatasync in the same folder. */
const seconds = Number(argv[2] ?? 3);
const folder = mkdtempSync(join(argv[3] ?? tmpdir(), "ledger-bench-"));

const metadata = { $correlationId: randomUUID(), actor: { kind: "human", id: "ana" }, schemaVersion: 1, at: "2026-11-22T10:00:00.000Z" } as const;
const data = { commandId: randomUUID(), sql: "select id, total from orders where customer = $1", parameters: ["4711"], verbs: ["select"], decision: "allow" };
const event = (): NewEvent => ({ id: randomUUID(), type: "CommandAuthorized", data, metadata });

const quantile = (sorted: readonly number[], q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
const print = (figure: Record<string, string | number>): boolean => stdout.write(`${JSON.stringify(figure)}\n`);
const round = (value: number, digits = 2): number => Number(value.toFixed(digits));

function fdatasyncMicros(): number {
  const file = openSync(join(folder, "raw"), "w+");
  const page = Buffer.alloc(4_096, 1);
  for (let i = 0; i < 1_000; i++) writeSync(file, page, 0, page.length, i * page.length); // the log of a running ledger overwrites too
  fdatasyncSync(file);
  const times: number[] = [];
  for (let i = 0; i < 1_000; i++) {
    const start = performance.now();
    writeSync(file, page, 0, page.length, i * page.length);
    fdatasyncSync(file);
    times.push((performance.now() - start) * 1_000);
  }
  closeSync(file);
  return quantile(
    times.toSorted((a, b) => a - b),
    0.5,
  );
}

async function appends(ledger: Ledger, writers: number, duration: number): Promise<{ readonly perSecond: number; readonly micros: readonly number[] }> {
  const micros: number[] = [];
  const start = performance.now();
  const until = start + duration * 1_000;
  const write = async (): Promise<void> => {
    let stream = `session-${randomUUID()}`;
    let revision: ExpectedRevision = "none";
    while (performance.now() < until) {
      const begun = performance.now();
      ({ revision } = await ledger.append(stream, [event()], revision));
      micros.push((performance.now() - begun) * 1_000);
      if (revision === 99n) [stream, revision] = [`session-${randomUUID()}`, "none"];
    }
  };
  await Promise.all(Array.from({ length: writers }, write));
  const perSecond = micros.length / ((performance.now() - start) / 1_000);
  return { perSecond, micros: micros.toSorted((a, b) => a - b) };
}

async function appendToSubscriber(ledger: Ledger): Promise<readonly number[]> {
  const stop = new AbortController();
  const stream = `session-${randomUUID()}`;
  const started = new Map<string, number>();
  const micros: number[] = [];
  const follow = (async () => {
    for await (const message of ledger.subscribeToAll({ after: "end", filter: { by: "stream", prefixes: ["session-"] }, signal: stop.signal })) {
      if (message.kind === "event") micros.push((performance.now() - (started.get(message.event.id) ?? 0)) * 1_000);
    }
  })();
  let revision: ExpectedRevision = "none";
  for (let i = 0; i < 2_000; i++) {
    const one = event();
    started.set(one.id, performance.now());
    ({ revision } = await ledger.append(stream, [one], revision));
  }
  stop.abort();
  await follow;
  return micros.toSorted((a, b) => a - b);
}

async function timed(events: AsyncIterable<unknown>): Promise<{ readonly count: number; readonly seconds: number }> {
  const start = performance.now();
  let count = 0;
  for await (const _ of events) count++;
  return { count, seconds: (performance.now() - start) / 1_000 };
}

const ledger = await openSqliteLedger(join(folder, "ledger.db"));
try {
  await appends(ledger, 16, 0.5); // warms the JIT and the log file; not counted
  for (const writers of [1, 16, 64]) {
    const sync = fdatasyncMicros(); // beside each figure, since a shared disk drifts
    const loop = monitorEventLoopDelay({ resolution: 1 });
    loop.enable();
    const { perSecond, micros } = await appends(ledger, writers, seconds);
    loop.disable();
    const p50 = quantile(micros, 0.5);
    print({
      bench: "ledger.append",
      writers,
      perSecond: Math.round(perSecond),
      p50us: round(p50, 0),
      p99us: round(quantile(micros, 0.99), 0),
      fdatasyncUs: round(sync, 0),
      p50InFdatasyncs: round(p50 / sync),
      perFdatasync: round((perSecond * sync) / 1e6),
      loopDelayP99Ms: round(loop.percentile(99) / 1e6),
    });
  }
  const micros = await appendToSubscriber(ledger);
  print({ bench: "ledger.append-to-subscriber", p50us: round(quantile(micros, 0.5), 0), p99us: round(quantile(micros, 0.99), 0) });
  const all = await timed(ledger.readAll());
  print({ bench: "ledger.read-all", events: all.count, perSecond: Math.round(all.count / all.seconds) });
  const sparse = await timed(ledger.readAll({ filter: { by: "stream", prefixes: ["agent-"] } }));
  print({ bench: "ledger.scan-without-match", events: all.count, perSecond: Math.round(all.count / sparse.seconds) });
} finally {
  await ledger.close();
  rmSync(folder, { recursive: true });
}
