import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import type { Contender } from "./contenders.ts";

const run = promisify(execFile);

export interface Measured {
  readonly tps: number;
  readonly latencyMs: number;
  /** Of each process in between, per transaction. */
  readonly cpuMicros: Cpu;
}

export interface Copied {
  readonly seconds: number;
  /** Of each process in between, per MiB. */
  readonly cpuMillis: Cpu;
}

type Cpu = Readonly<Record<string, number>>;

const mapped = (cpu: Cpu, change: (value: number, name: string) => number): Cpu =>
  Object.fromEntries(Object.entries(cpu).map(([name, value]) => [name, change(value, name)]));

/** `pgbench -S`: one indexed read a transaction. */
export async function pgbench(contender: Contender, mode: "simple" | "prepared", clients: number, seconds: number): Promise<Measured> {
  const before = cpuSeconds(contender.pids);
  const args = ["-n", "-S", "-M", mode, "-c", String(clients), "-j", "1", "-T", String(seconds)];
  const { stdout } = await run("pgbench", args, { env: { ...process.env, ...contender.env } });
  const after = cpuSeconds(contender.pids);
  const number = (pattern: RegExp): number => Number(pattern.exec(stdout)?.[1] ?? Number.NaN);
  const transactions = number(/transactions actually processed: (\d+)/);
  return { tps: number(/tps = ([\d.]+)/), latencyMs: number(/latency average = ([\d.]+)/), cpuMicros: spent(before, after, transactions / 1_000_000) };
}

/** psql copies a table out, and throws it away. */
export async function copyOut(contender: Contender, table: string, mebibytes: number): Promise<Copied> {
  const before = cpuSeconds(contender.pids);
  const start = process.hrtime.bigint();
  await run("sh", ["-c", `psql -X -q -c 'copy ${table} to stdout' > /dev/null`], { env: { ...process.env, ...contender.env } });
  return { seconds: Number(process.hrtime.bigint() - start) / 1e9, cpuMillis: spent(before, cpuSeconds(contender.pids), mebibytes / 1_000) };
}

const spent = (before: Cpu, after: Cpu, divisor: number): Cpu => mapped(after, (seconds, name) => (seconds - (before[name] ?? 0)) / divisor);

/** User and system time of whole processes; /proc counts in ticks of 10 ms. */
const cpuSeconds = (pids: Contender["pids"]): Cpu =>
  mapped(pids, (pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) / 100;
  });
