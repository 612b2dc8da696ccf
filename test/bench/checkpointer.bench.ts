import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { argv, stdout } from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import type { NewEvent } from "../../control-plane/src/ledger/ledger.ts";
import { openKeyFile } from "../../control-plane/src/ledger/integrity/signing-key.ts";
import { openSqliteLedger } from "../../control-plane/src/ledger/sqlite/sqlite-ledger.ts";
import { testingEvent } from "@sallyport/proto/audit/testing-log";
import { startCheckpointer } from "../drill/real-log.ts";

/**
 * Processor time of the main thread for each event, at a steady pace of appends, without a checkpointer and with one. `node test/bench/checkpointer.bench.ts [seconds] [events per second…]`. One JSON line per pace; no thresholds here.
 */
const seconds = Number(argv[2] ?? 3);
const paces = argv.length > 3 ? argv.slice(3).map(Number) : [1_000, 4_000];
/** As a busy gateway appends: many streams, and a little at a time. */
const TICK_MS = 5;
/** In turns, since the machine is not always as fast; medians are told. */
const ROUNDS = 5;

async function appendAtPace(ledger: Awaited<ReturnType<typeof openSqliteLedger>>, perSecond: number, duration: number): Promise<number> {
  const begun = performance.now();
  const appends: Promise<unknown>[] = [];
  let made = 0;
  for (let elapsed = 0; elapsed < duration * 1_000; elapsed = performance.now() - begun) {
    for (const due = (elapsed / 1_000) * perSecond; made < due; made += 2) {
      const events = [made, made + 1].map((n): NewEvent => ({ ...testingEvent(n, 50), id: randomUUID() }) as unknown as NewEvent);
      appends.push(ledger.append(`session-${randomUUID()}`, events, "none"));
    }
    await delay(TICK_MS);
  }
  await Promise.all(appends);
  return made;
}

async function mainThreadUs(pace: number, isChecked: boolean): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "checkpointer-bench-"));
  const ledger = await openSqliteLedger(join(folder, "ledger.db"));
  const checkpointer = isChecked ? await startCheckpointer(ledger, folder, await openKeyFile(join(folder, "key"))) : undefined;
  try {
    await appendAtPace(ledger, pace, 1); // warms the JIT; not counted
    const before = process.threadCpuUsage();
    const events = await appendAtPace(ledger, pace, seconds);
    const { user, system } = process.threadCpuUsage(before);
    return (user + system) / events;
  } finally {
    await checkpointer?.close();
    await ledger.close();
    rmSync(folder, { recursive: true });
  }
}

const median = (numbers: readonly number[]): number => Number((numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0).toFixed(1));

for (const pace of paces) {
  const [without, checked]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    without.push(await mainThreadUs(pace, false));
    checked.push(await mainThreadUs(pace, true));
  }
  const differences = checked.map((us, round) => us - (without[round] ?? 0));
  const figure = { withoutUs: median(without), withUs: median(checked), differenceUs: median(differences) };
  stdout.write(`${JSON.stringify({ bench: "checkpointer.event", eventsPerSecond: pace, ...figure })}\n`);
}
