import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { argv, stdout } from "node:process";
import { pino } from "pino";
import { createApplication, systemClock } from "../../control-plane/src/application/application.ts";
import type { CommandContext } from "../../control-plane/src/application/ports.ts";
import type { PolicyCompiler } from "../../control-plane/src/application/policy-ports.ts";
import type { SessionRecord } from "../../control-plane/src/application/session-record.ts";
import { authorized, completed, opened, requested } from "../../control-plane/src/application/testing/samples.ts";
import { openSealing } from "../../control-plane/src/sealing/sealing.ts";
import { sealedLedger } from "../../control-plane/src/sealing/sealed-ledger.ts";
import { openSqliteLedger } from "../../control-plane/src/ledger/sqlite/sqlite-ledger.ts";

/**
 * What recording costs the main thread for each command, with the whole application around it and its view subscribed: two events,
 * as the gateway writes them. CommandAuthorized is awaited, CommandCompleted is not. One JSON line per figure; no thresholds here.
 */
const seconds = Number(argv[2] ?? 3);
const folder = mkdtempSync(join(argv[3] ?? tmpdir(), "record-bench-"));
const statement = "UPDATE pgbench_accounts SET abalance = abalance + -3214 WHERE aid = 87211;";

const noPolicies: PolicyCompiler = {
  check: () => [],
  names: () => ({ groups: [], labels: [] }),
  mentions: () => [],
  diff: () => [],
  compile() {
    throw new Error("The bench publishes no policy.");
  },
};

async function commands(record: SessionRecord, context: CommandContext, from: number, until: number): Promise<number> {
  let id = from;
  while (performance.now() < until) {
    await record.append([authorized(++id, statement)], context, { patience: "fail" });
    void record.append([completed(id)], context);
  }
  await record.drained();
  return id;
}

const { sealer, subjects } = openSealing(join(folder, "subject-keys"));
const ledger = sealedLedger(await openSqliteLedger(join(folder, "ledger.db")), sealer);
const log = pino({ level: "silent" });
const application = await createApplication({ ledger, clock: systemClock, log, compiler: noPolicies, subjects, nodeId: "bench" });
try {
  for (const sessions of [1, 16]) {
    const records = await Promise.all(
      Array.from({ length: sessions }, async () => {
        const id = randomUUID();
        const record = application.openRecord(id);
        const context: CommandContext = { actor: { kind: "human", id: "ana" }, correlationId: id };
        await record.append([requested(id), opened(id)], context);
        return { record, context };
      }),
    );
    const run = (from: readonly number[], duration: number): Promise<number[]> => {
      const until = performance.now() + duration * 1_000;
      return Promise.all(records.map(({ record, context }, i) => commands(record, context, from[i] ?? 0, until)));
    };
    const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
    const warm = await run([], 1); // warms the JIT and the log file; not counted
    const start = performance.now();
    const thread = process.threadCpuUsage();
    const all = process.cpuUsage();
    const last = await run(warm, seconds);
    const { user, system } = process.threadCpuUsage(thread);
    const total = process.cpuUsage(all);
    const count = sum(last) - sum(warm);
    const per = (micros: number): number => Number((micros / count).toFixed(1));
    stdout.write(
      `${JSON.stringify({
        bench: "session-record.command",
        sessions,
        perSecond: Math.round(count / ((performance.now() - start) / 1_000)),
        mainThreadCpuUs: per(user + system),
        processCpuUs: per(total.user + total.system),
      })}\n`,
    );
  }
} finally {
  await application.close();
  await ledger.close();
  rmSync(folder, { recursive: true });
}
