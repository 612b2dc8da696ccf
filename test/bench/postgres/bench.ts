import { execFileSync } from "node:child_process";
import { closeSync, fsyncSync, openSync, unlinkSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stderr, stdout } from "node:process";
import { parseArgs } from "node:util";
import type { Cleanup } from "../../support/cleanup.ts";
import { maskingPolicy, openPolicy } from "../../support/policies.ts";
import { Stack } from "../../support/stack.ts";
import { type Contender, startPgbouncer, startPlainHops } from "./contenders.ts";
import { type Copied, copyOut, type Measured, pgbench } from "./pgbench.ts";

const SCALE = 20;
const NAME_WIDTH = 18;
/** Bytes of one row as COPY spells it. */
const COPY_ROW_BYTES = 97;

interface Row {
  readonly workload: string;
  readonly contender: string;
  readonly tls: string;
  /** Speed, of a direct connection's. */
  readonly ratio: number;
  /** Speed, of the least that two processes of Node in between can cost. */
  readonly ratioToPlainHops: number;
  readonly tps?: number;
  readonly latencyMs?: number;
  readonly mibPerSecond?: number;
  /** Of each process in between: microseconds per transaction, milliseconds per MiB. */
  readonly cpu: Readonly<Record<string, number>>;
}

/**
 * The gateway against a direct connection, pgbouncer and two plain hops, on one machine, taken in turns within each round so that what else
 * the machine does falls on all of them alike. Ratios are of medians over rounds.
 */
export async function benchPostgres(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      "seconds": { type: "string", default: "5" },
      "rounds": { type: "string", default: "3" },
      "clients": { type: "string", default: "1,8,32" },
      "copy-mib": { type: "string", default: "100" },
      "out": { type: "string", default: join(tmpdir(), "sallyport-bench-pg.json") },
    },
  });
  const cleanups: (() => void | Promise<void>)[] = [];
  const cleanup: Cleanup = { after: (run) => void cleanups.push(run) };
  try {
    const { contenders, switchMasking } = await prepare(cleanup, Number(values["copy-mib"]));
    const rows: Row[] = [];
    const rounds = Number(values.rounds);
    for (const clients of values.clients.split(",").map(Number)) {
      for (const mode of ["simple", "prepared"] as const) {
        const workload = `${mode}, ${clients} client${clients === 1 ? "" : "s"}`;
        const measured = await inTurns(contenders, switchMasking, rounds, (contender) => pgbench(contender, mode, clients, Number(values.seconds)));
        rows.push(...compared(workload, measured, ({ tps }) => tps, pgbenchFigures));
        print(rows.slice(-contenders.length));
      }
    }
    const mebibytes = Number(values["copy-mib"]);
    const copied = await inTurns(contenders, switchMasking, rounds, (contender) => copyOut(contender, "bench_copy", mebibytes));
    const copyFigures = (runs: readonly Copied[]) => ({
      mibPerSecond: mebibytes / median(runs.map(({ seconds }) => seconds)),
      cpu: medians(runs.map(({ cpuMillis }) => cpuMillis)),
    });
    rows.push(...compared(`COPY ${mebibytes} MiB`, copied, ({ seconds }) => 1 / seconds, copyFigures));
    print(rows.slice(-contenders.length));
    const result = { bench: "postgres", at: new Date().toISOString(), fdatasyncMicros: fdatasyncMicros(), rows };
    writeFileSync(values.out, `${JSON.stringify(result, undefined, 2)}\n`);
    stdout.write(`${JSON.stringify({ bench: result.bench, fdatasyncMicros: result.fdatasyncMicros, out: values.out })}\n`);
  } finally {
    for (const each of cleanups.toReversed()) await each();
  }
}

interface Ready {
  readonly contenders: readonly Contender[];
  readonly switchMasking: (contender: string) => Promise<void>;
}

async function prepare(cleanup: Cleanup, copyMib: number): Promise<Ready> {
  stderr.write("Starting a PostgreSQL, a control plane and an agent …\n");
  const stack = await Stack.start(cleanup, { policy: openPolicy, targetFlavour: "debian15", settings: { log_statement: "none", max_connections: "200" } });
  const direct = stack.directEnv();
  execFileSync("pgbench", ["-i", "-q", "-s", String(SCALE)], { env: { ...process.env, ...direct }, stdio: "ignore" });
  const rows = Math.round((copyMib * 1_048_576) / COPY_ROW_BYTES);
  const fill = `create table bench_copy as select i as id, 'customer number ' || i as name, repeat('x', 60) as filler, i * 1.5 as amount from generate_series(1, ${rows}) i`;
  execFileSync("psql", ["-X", "-q", "-c", fill, "-c", "vacuum analyze bench_copy"], { env: { ...process.env, ...direct } });
  const pids = { gateway: stack.controlPlane.pid, agent: stack.agent.pid };
  const tls = "to the client; mutual, between gateway and agent";
  const gateway = stack.gatewayEnv("ana");
  const pgbouncer = await startPgbouncer(cleanup, stack);
  if (pgbouncer === undefined) stderr.write("pgbouncer is not installed (Debian: apt-get install pgbouncer); it is left out.\n");
  const contenders: Contender[] = [
    { name: "direct", env: direct, pids: {}, tls: "none" },
    ...(pgbouncer === undefined ? [] : [pgbouncer]),
    await startPlainHops(cleanup, stack),
    { name: "gateway", env: gateway, pids, tls },
    { name: "gateway, masking", env: gateway, pids, tls },
  ];
  for (const each of contenders) stderr.write(`${each.name.padEnd(NAME_WIDTH)} TLS: ${each.tls}\n`);
  let masking = false;
  return {
    contenders,
    async switchMasking(contender) {
      const wanted = contender === "gateway, masking";
      if (wanted === masking) return;
      await stack.publish(wanted ? maskingPolicy("customers.email:full", "email, card, ssn, phone, iban") : openPolicy);
      masking = wanted;
    },
  };
}

/** For each contender its runs, in turns. */
async function inTurns<T>(
  contenders: readonly Contender[],
  before: (contender: string) => Promise<void>,
  rounds: number,
  run: (contender: Contender) => Promise<T>,
): Promise<readonly (readonly [Contender, readonly T[]])[]> {
  const runs = contenders.map((contender): [Contender, T[]] => [contender, []]);
  for (let round = 0; round < rounds; round++) {
    for (const [contender, own] of runs) {
      await before(contender.name);
      own.push(await run(contender));
    }
  }
  return runs;
}

function compared<T>(
  workload: string,
  measured: readonly (readonly [Contender, readonly T[]])[],
  speed: (run: T) => number,
  figures: (runs: readonly T[]) => Pick<Row, "tps" | "latencyMs" | "mibPerSecond" | "cpu">,
): Row[] {
  const speeds = new Map(measured.map(([{ name }, runs]) => [name, median(runs.map(speed))]));
  const ratio = (own: string, other: string): number => (speeds.get(own) ?? Number.NaN) / (speeds.get(other) ?? Number.NaN);
  return measured.map(([{ name, tls }, runs]) => ({
    workload,
    contender: name,
    tls,
    ratio: ratio(name, "direct"),
    ratioToPlainHops: ratio(name, "two plain TCP hops"),
    ...figures(runs),
  }));
}

const pgbenchFigures = (runs: readonly Measured[]) => ({
  tps: median(runs.map(({ tps }) => tps)),
  latencyMs: median(runs.map(({ latencyMs }) => latencyMs)),
  cpu: medians(runs.map(({ cpuMicros }) => cpuMicros)),
});

const medians = (runs: readonly Readonly<Record<string, number>>[]): Record<string, number> =>
  Object.fromEntries(Object.keys(runs[0] ?? {}).map((name) => [name, median(runs.map((run) => run[name] ?? Number.NaN))]));

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function print(rows: readonly Row[]): void {
  for (const { workload, contender, ratio, ratioToPlainHops, tps, latencyMs, mibPerSecond, cpu } of rows) {
    const [speed, unit, digits] =
      mibPerSecond === undefined ? [`${tps?.toFixed(0)} tps  ${latencyMs?.toFixed(3)} ms`, "µs", 0] : [`${mibPerSecond.toFixed(0)} MiB/s`, "ms/MiB", 2];
    const ratios = `${ratio.toFixed(2)} × direct  ${ratioToPlainHops.toFixed(2)} × two hops`;
    const spent = Object.entries(cpu).map(([name, value]) => `${name} ${value.toFixed(digits)} ${unit}`);
    stderr.write(`${workload.padEnd(22)} ${contender.padEnd(NAME_WIDTH)} ${ratios}  ${speed}${spent.length === 0 ? "" : `  CPU: ${spent.join(", ")}`}\n`);
  }
}

/** What one durable write costs here: the floor under every recorded command. */
function fdatasyncMicros(): number {
  const file = join(tmpdir(), `sallyport-fsync-${process.pid}`);
  const fd = openSync(file, "w");
  const times: number[] = [];
  for (let i = 0; i < 200; i++) {
    writeSync(fd, Buffer.alloc(512));
    const start = process.hrtime.bigint();
    fsyncSync(fd);
    times.push(Number(process.hrtime.bigint() - start) / 1_000);
  }
  closeSync(fd);
  unlinkSync(file);
  return Math.round(median(times));
}
