import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import type { Contender } from "./contenders.ts";

const run = promisify(execFile);

export interface Measured {
  readonly tps: number;
  readonly latencyMs: number;
  /** Of the processes in between, per transaction. */
  readonly cpuMicros: number;
}

/** `pgbench -S`: one indexed read a transaction. */
export async function pgbench(contender: Contender, mode: "simple" | "prepared", clients: number, seconds: number): Promise<Measured> {
  const before = cpuSeconds(contender.pids);
  const args = ["-n", "-S", "-M", mode, "-c", String(clients), "-j", "1", "-T", String(seconds)];
  const { stdout } = await run("pgbench", args, { env: { ...process.env, ...contender.env } });
  const cpu = cpuSeconds(contender.pids) - before;
  const number = (pattern: RegExp): number => Number(pattern.exec(stdout)?.[1] ?? Number.NaN);
  const transactions = number(/transactions actually processed: (\d+)/);
  return { tps: number(/tps = ([\d.]+)/), latencyMs: number(/latency average = ([\d.]+)/), cpuMicros: (cpu * 1_000_000) / transactions };
}

/** Seconds that psql takes to copy a table out, thrown away. */
export async function copyOut(contender: Contender, table: string): Promise<{ readonly seconds: number; readonly cpuSeconds: number }> {
  const before = cpuSeconds(contender.pids);
  const start = process.hrtime.bigint();
  await run("sh", ["-c", `psql -X -q -c 'copy ${table} to stdout' > /dev/null`], { env: { ...process.env, ...contender.env } });
  return { seconds: Number(process.hrtime.bigint() - start) / 1e9, cpuSeconds: cpuSeconds(contender.pids) - before };
}

/** User and system time of whole processes; /proc counts in ticks of 10 ms. */
function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / 100;
}
