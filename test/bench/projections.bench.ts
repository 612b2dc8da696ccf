import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { argv, stdout } from "node:process";
import { pino } from "pino";
import { newEvent } from "../../control-plane/src/application/new-event.ts";
import { authorized, completed, ended, opened, requested } from "../../control-plane/src/application/testing/samples.ts";
import { sessionStream } from "../../control-plane/src/domain/session/session.events.ts";
import type { ExpectedRevision, Ledger } from "../../control-plane/src/ledger/ledger.ts";
import { openSealing } from "../../control-plane/src/sealing/sealing.ts";
import { sealedLedger } from "../../control-plane/src/sealing/sealed-ledger.ts";
import { openSqliteLedger } from "../../control-plane/src/ledger/sqlite/sqlite-ledger.ts";
import { ReadModelsThread } from "../../control-plane/src/read-models/read-models-thread.ts";

/**
 * How fast all read models are made anew from a ledger of sessions, and what a search costs then. `node test/bench/projections.bench.ts
 * [events] [folder]`. One JSON line per figure; no thresholds here.
 */
const wanted = Number(argv[2] ?? 200_000);
const folder = mkdtempSync(join(argv[3] ?? tmpdir(), "projections-bench-"));
const COMMANDS = 200;
const WRITERS = 16;

const print = (line: Readonly<Record<string, unknown>>): void => void stdout.write(`${JSON.stringify(line)}\n`);
const statements = [
  (n: number) => `UPDATE pgbench_accounts SET abalance = abalance + ${n} WHERE aid = ${n * 7};`,
  (n: number) => `SELECT customer, total FROM orders WHERE created > now() - interval '${n} days' ORDER BY total DESC LIMIT 20`,
  (n: number) => `INSERT INTO events (kind, payload) VALUES ('login', '{"user": ${n}}')`,
  (n: number) => `select c.name, count(*) from customers c join orders o on o.customer = c.id where c.region = 'r${n % 40}' group by c.name`,
];

async function fill(ledger: Ledger): Promise<void> {
  let left = wanted;
  const write = async (): Promise<void> => {
    while (left > 0) {
      const id = randomUUID();
      const events = [requested(id), opened(id)];
      for (let n = 1; n <= COMMANDS; n++) events.push(authorized(n, statements[n % statements.length]?.(left + n)), completed(n));
      events.push(ended(id));
      left -= events.length;
      const context = { actor: { kind: "human", id: "ana" }, correlationId: id } as const;
      let revision: ExpectedRevision = "none";
      for (let at = 0; at < events.length; at += 64) {
        const part = events.slice(at, at + 64).map((event) => newEvent(randomUUID(), event, context, new Date().toISOString()));
        ({ revision } = await ledger.append(sessionStream(id), part, revision));
      }
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, write));
}

const ledgerFile = join(folder, "ledger.db");
const file = join(folder, "read-models.db");
const subjectKeys = join(folder, "subject-keys");
const ledger = sealedLedger(await openSqliteLedger(ledgerFile), openSealing(subjectKeys).sealer);
await fill(ledger);
const models = new ReadModelsThread({ ledger: { file: ledgerFile }, subjectKeys, file, logLevel: "silent" }, pino({ level: "silent" }));
try {
  // Those in use are made of the same ledger first; two at once would share the thread.
  while ((await models.status()).state !== "current") await new Promise((resolve) => setTimeout(resolve, 20));
  for (let round = 1; round <= 3; round++) {
    const start = performance.now();
    const thread = process.threadCpuUsage();
    const all = process.cpuUsage();
    let events = 0;
    for await (const progress of models.rebuild(new AbortController().signal)) ({ events } = progress);
    const seconds = (performance.now() - start) / 1_000;
    const { user, system } = process.threadCpuUsage(thread);
    const total = process.cpuUsage(all);
    print({
      bench: "projections.rebuild",
      round,
      events,
      perSecond: Math.round(events / seconds),
      mainThreadCpuUs: Number(((user + system) / events).toFixed(1)),
      processCpuUs: Number(((total.user + total.system) / events).toFixed(1)),
      fileBytesPerEvent: Math.round(statSync(file).size / events),
    });
    for (const words of ["customers region r7", "pgbench_accounts", "nowhere"]) {
      await models.commands({ words, limit: 50 }); // prepares pages and JIT; not counted
      const begun = performance.now();
      const { rows } = await models.commands({ words, limit: 50 });
      print({ bench: "projections.search", words, found: rows.length, ms: Number((performance.now() - begun).toFixed(2)) });
    }
  }
} finally {
  await models.close();
  await ledger.close();
  rmSync(folder, { recursive: true });
}
