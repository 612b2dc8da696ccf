import { execFileSync } from "node:child_process";
import { closeSync, fsyncSync, openSync, unlinkSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stderr, stdout } from "node:process";
import { parseArgs } from "node:util";
import type { Cleanup } from "../../support/cleanup.ts";
import { maskingPolicy, openPolicy } from "../../support/policies.ts";
import { Stack } from "../../support/stack.ts";
import { type Contender, startPgbouncer } from "./contenders.ts";
import { copyOut, type Measured, pgbench } from "./pgbench.ts";

const SCALE = 20;
/** Bytes of one row as COPY spells it. */
const COPY_ROW_BYTES = 97;

interface Row {
  readonly workload: string;
  readonly contender: string;
  readonly ratio: number;
  readonly tps?: number;
  readonly latencyMs?: number;
  readonly cpuMicros?: number;
  readonly mibPerSecond?: number;
}

/**
 * The gateway against a direct connection and pgbouncer, on one machine, taken in turns within each round so that what else
 * the machine does falls on all of them alike. Ratios are medians over rounds of contender / direct.
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
        const measured = await inTurns(contenders, switchMasking, rounds, (contender) => pgbench(contender, mode, clients, Number(values.seconds)));
        rows.push(
          ...measured.map(([contender, runs, baseline]) => pgbenchRow(`${mode}, ${clients} client${clients === 1 ? "" : "s"}`, contender, runs, baseline)),
        );
        print(rows.slice(-contenders.length));
      }
    }
    const copied = await inTurns(contenders, switchMasking, rounds, (contender) => copyOut(contender, "bench_copy"));
    for (const [contender, runs, baseline] of copied) {
      const seconds = median(runs.map((run) => run.seconds));
      rows.push({
        workload: `COPY ${values["copy-mib"]} MiB`,
        contender,
        ratio: median(baseline.map((run) => run.seconds)) / seconds,
        mibPerSecond: Number(values["copy-mib"]) / seconds,
      });
    }
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
  execFileSync("psql", ["-X", "-q", "-c", fill, "-c", "vacuum analyze"], { env: { ...process.env, ...direct } });
  const pids = [stack.controlPlane.pid, stack.agent.pid];
  const gateway = stack.gatewayEnv("ana");
  const pgbouncer = await startPgbouncer(cleanup, stack);
  if (pgbouncer === undefined) stderr.write("pgbouncer is not installed (Debian: apt-get install pgbouncer); it is left out.\n");
  const contenders: Contender[] = [
    { name: "direct", env: direct, pids: [] },
    ...(pgbouncer === undefined ? [] : [pgbouncer]),
    { name: "gateway", env: gateway, pids },
    { name: "gateway, masking", env: gateway, pids },
  ];
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

/** For each contender its runs, and those of the first one, which is the baseline. */
async function inTurns<T>(
  contenders: readonly Contender[],
  before: (contender: string) => Promise<void>,
  rounds: number,
  run: (contender: Contender) => Promise<T>,
): Promise<[string, T[], T[]][]> {
  const runs = new Map<string, T[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const contender of contenders) {
      await before(contender.name);
      runs.get(contender.name)?.push(await run(contender));
    }
  }
  const baseline = runs.get(contenders[0]?.name ?? "") ?? [];
  return [...runs].map(([name, own]) => [name, own, baseline]);
}

function pgbenchRow(workload: string, contender: string, runs: readonly Measured[], baseline: readonly Measured[]): Row {
  const of = (key: keyof Measured, all: readonly Measured[]): number => median(all.map((run) => run[key]));
  return {
    workload,
    contender,
    ratio: of("tps", runs) / of("tps", baseline),
    tps: of("tps", runs),
    latencyMs: of("latencyMs", runs),
    cpuMicros: of("cpuMicros", runs),
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function print(rows: readonly Row[]): void {
  for (const { workload, contender, ratio, tps, latencyMs, cpuMicros, mibPerSecond } of rows) {
    const figures =
      mibPerSecond === undefined ? `${tps?.toFixed(0)} tps  ${latencyMs?.toFixed(3)} ms  CPU ${cpuMicros?.toFixed(0)} µs` : `${mibPerSecond.toFixed(0)} MiB/s`;
    stderr.write(`${workload.padEnd(22)} ${contender.padEnd(18)} ${ratio.toFixed(2)} × direct  ${figures}\n`);
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
