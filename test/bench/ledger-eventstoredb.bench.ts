import { randomUUID } from "node:crypto";
import { argv, cpuUsage, stdout } from "node:process";
import { openEventStoreDbLedger } from "../../control-plane/src/ledger/eventstoredb/eventstoredb-ledger.ts";
import type { ExpectedRevision, Ledger, NewEvent } from "../../control-plane/src/ledger/ledger.ts";
import { LedgerServer } from "../support/ledger-server.ts";

/**
 * The EventStoreDB adapter against the endpoint in another process, over TLS; or against ESDB_URL. One JSON line per figure.
 * usage: node test/bench/ledger-eventstoredb.bench.ts [seconds]
 */
const seconds = Number(argv[2] ?? 3);

const metadata = { $correlationId: randomUUID(), actor: { kind: "human", id: "ana" }, schemaVersion: 1, at: "2026-11-22T10:00:00.000Z" } as const;
const data = { commandId: randomUUID(), sql: "select id, total from orders where customer = $1", parameters: ["4711"], verbs: ["select"], decision: "allow" };
const event = (): NewEvent => ({ id: randomUUID(), type: "CommandAuthorized", data, metadata });

const quantile = (sorted: readonly number[], q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
const print = (figure: Record<string, string | number>): boolean => stdout.write(`${JSON.stringify(figure)}\n`);

/** `depth` appends of one stream are given at once: what is queued while one is in flight travels together. */
async function appends(ledger: Ledger, writers: number, depth: number, duration: number): Promise<void> {
  const micros: number[] = [];
  const before = cpuUsage();
  const start = performance.now();
  const until = start + duration * 1_000;
  const timed = async (stream: string, expected: ExpectedRevision): Promise<void> => {
    const begun = performance.now();
    await ledger.append(stream, [event()], expected);
    micros.push((performance.now() - begun) * 1_000);
  };
  const write = async (): Promise<void> => {
    while (performance.now() < until) {
      const stream = `session-${randomUUID()}`;
      for (let revision = -1n; revision < 99n && performance.now() < until; revision += BigInt(depth)) {
        const each = Array.from({ length: depth }, (_, i) => revision + BigInt(i));
        await Promise.all(each.map((at) => timed(stream, at < 0n ? "none" : at)));
      }
    }
  };
  await Promise.all(Array.from({ length: writers }, write));
  const elapsed = performance.now() - start;
  const { user, system } = cpuUsage(before);
  const sorted = micros.toSorted((a, b) => a - b);
  print({
    bench: "ledger.eventstoredb.append",
    writers,
    depth,
    perSecond: Math.round(micros.length / (elapsed / 1_000)),
    p50us: Math.round(quantile(sorted, 0.5)),
    p99us: Math.round(quantile(sorted, 0.99)),
    clientCpuUs: Math.round((user + system) / micros.length),
  });
}

async function reads(ledger: Ledger): Promise<void> {
  const start = performance.now();
  let count = 0;
  for await (const _ of ledger.readAll()) count++;
  print({ bench: "ledger.eventstoredb.read-all", events: count, perSecond: Math.round(count / ((performance.now() - start) / 1_000)) });
}

const steps: (() => Promise<void>)[] = [];
const url = process.env["ESDB_URL"] ?? (await LedgerServer.start({ after: (step) => void steps.push(step) })).url();
const ledger = await openEventStoreDbLedger(url);
try {
  await appends(ledger, 16, 1, 1); // warms the JIT on both sides
  await appends(ledger, 1, 1, seconds);
  await appends(ledger, 16, 1, seconds);
  await appends(ledger, 64, 1, seconds);
  await appends(ledger, 16, 16, seconds);
  await reads(ledger);
} finally {
  await ledger.close();
  for (const step of steps) await step();
}
