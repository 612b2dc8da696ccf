import { execFileSync } from "node:child_process";
import { closeSync, openSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { argv, env, stdout } from "node:process";
import { recordingPolicy } from "../e2e/recorded.ts";
import { openPolicy } from "../support/policies.ts";
import { Stack } from "../support/stack.ts";

/**
 * COPY FROM STDIN by psql: on a direct connection, through the gateway, and with its data recorded, taken in turns within each round so
 * that what else the machine does falls on all alike. Medians over rounds; one JSON line for each; no thresholds here.
 */
const mebibytes = Number(argv[2] ?? 50);
const rounds = Number(argv[3] ?? 5);

const cleanups: (() => void | Promise<void>)[] = [];
const stack = await Stack.start({ after: (run) => void cleanups.push(run) }, { policy: openPolicy, settings: { max_wal_size: "4GB" } });

/** Milliseconds that a process has spent so far on all processors. */
const cpuMillis = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
};
const ledgerBytes = (): number => ["", "-wal"].reduce((sum, suffix) => sum + (statSync(stack.ledgerFile + suffix, { throwIfNoEntry: false })?.size ?? 0), 0);
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

interface Run {
  readonly seconds: number;
  readonly controlPlaneCpuMillis: number;
  readonly agentCpuMillis: number;
  readonly ledgerGrowthMib: number;
}

function copyIn(file: string, connection: Readonly<Record<string, string>>): Run {
  const input = openSync(file, "r");
  const before = { gateway: cpuMillis(stack.controlPlane.pid), agent: cpuMillis(stack.agent.pid), ledger: ledgerBytes() };
  const start = performance.now();
  execFileSync("psql", ["-X", "-q", "-c", "copy bench from stdin"], { env: { ...env, ...connection }, stdio: [input, "ignore", "inherit"] });
  const seconds = (performance.now() - start) / 1_000;
  closeSync(input);
  return {
    seconds,
    controlPlaneCpuMillis: cpuMillis(stack.controlPlane.pid) - before.gateway,
    agentCpuMillis: cpuMillis(stack.agent.pid) - before.agent,
    ledgerGrowthMib: (ledgerBytes() - before.ledger) / 1_048_576,
  };
}

try {
  const admin = await stack.target.connectAsSuperuser();
  const direct = await stack.connectDirect();
  await direct.query("create table bench (id int, name text, filler text, amount numeric)");
  const file = join(stack.folder, "bench.copy");
  const row = (id: number): string => `${id}\tcustomer number ${id}\t${"x".repeat(60)}\t${id * 1.5}\n`;
  writeFileSync(file, Array.from({ length: Math.round((mebibytes * 1_048_576) / row(500_000).length) }, (_, id) => row(id)).join(""));
  const contenders = [
    { name: "direct", policy: undefined, connection: stack.directEnv() },
    { name: "gateway", policy: openPolicy, connection: stack.gatewayEnv() },
    { name: "gateway, recorded", policy: recordingPolicy("", "input"), connection: stack.gatewayEnv() },
  ];
  const runs = new Map<string, Run[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const { name, policy, connection } of contenders) {
      if (policy !== undefined) await stack.publish(policy);
      await direct.query("truncate bench");
      await admin.query("checkpoint");
      const run = copyIn(file, connection);
      if (round > 0) runs.get(name)?.push(run); // the first warms caches; not counted
    }
  }
  const of = (name: string, figure: (run: Run) => number): number => median((runs.get(name) ?? []).map(figure));
  for (const { name } of contenders) {
    const seconds = of(name, (run) => run.seconds);
    stdout.write(
      `${JSON.stringify({
        bench: "recorded-copy",
        contender: name,
        mebibytes,
        mibPerSecond: Number((mebibytes / seconds).toFixed(1)),
        ratioToGateway: Number((of("gateway", (run) => run.seconds) / seconds).toFixed(2)),
        controlPlaneCpuMillis: of(name, (run) => run.controlPlaneCpuMillis),
        agentCpuMillis: of(name, (run) => run.agentCpuMillis),
        ledgerGrowthMib: Number(of(name, (run) => run.ledgerGrowthMib).toFixed(1)),
      })}\n`,
    );
  }
} finally {
  for (const each of cleanups.toReversed()) await each();
}
