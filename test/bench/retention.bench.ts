import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { argv, stdout } from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { testingEvent } from "@sallyport/proto/audit/testing-log";
import { OldRecord } from "../support/old-record.ts";

/**
 * How long a durable append takes, one at a time, while nothing else happens and while a run of retention removes sessions; and how
 * fast that is. `node test/bench/retention.bench.ts [sessions] [events of each]`. One JSON line; no thresholds here.
 */
const sessions = Number(argv[2] ?? 2_000);
const perSession = Number(argv[3] ?? 20);
/** Between two appends, as of one busy session. */
const PACE_MS = 2;
const QUIET_APPENDS = 500;

const { data } = testingEvent(0);
const folder = mkdtempSync(join(tmpdir(), "retention-bench-"));
const record = await OldRecord.begin(folder, 60);
try {
  for (let n = 0; n < sessions; n++) {
    const commands = Array.from({ length: perSession - 1 }, () => ["CommandAuthorized", data] as const);
    await record.append(`session-${randomUUID()}`, ...commands, ["SessionEnded", {}]);
  }
  await record.signed();
  record.daysAgo = 0;
  const live = `session-${randomUUID()}`;
  const appendFor = async (isOver: (appends: number) => boolean): Promise<number[]> => {
    const times: number[] = [];
    while (!isOver(times.length)) {
      const before = performance.now();
      await record.append(live, ["CommandAuthorized", data]);
      times.push(performance.now() - before);
      await delay(PACE_MS);
    }
    return times.toSorted((a, b) => a - b);
  };
  const told = (times: readonly number[]) => {
    const at = (part: number): number => Number((times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0).toFixed(2));
    return { appends: times.length, p50: at(0.5), p99: at(0.99), max: at(1) };
  };
  const quiet = await appendFor((appends) => appends >= QUIET_APPENDS);
  const done = new AbortController();
  const begun = performance.now();
  const run = record
    .retention("session=30d")
    .run("schedule", { actor: { kind: "system", id: "node1" }, correlationId: randomUUID() })
    .finally(() => done.abort());
  const during = await appendFor(() => done.signal.aborted);
  const { counts } = await run;
  const events = counts.reduce((sum, count) => sum + count.events, 0);
  const perSecond = Math.round(events / ((performance.now() - begun) / 1_000));
  stdout.write(
    `${JSON.stringify({ bench: "retention.appends", unit: "ms", events, removedPerSecond: perSecond, quiet: told(quiet), during: told(during) })}\n`,
  );
} finally {
  await record.stop();
  rmSync(folder, { recursive: true, force: true });
}
