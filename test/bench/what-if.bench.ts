import { randomUUID } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { argv, stdout } from "node:process";
import { setImmediate as nextTurn } from "node:timers/promises";
import { pino } from "pino";
import { createApplication, systemClock } from "../../control-plane/src/application/application.ts";
import { newEvent } from "../../control-plane/src/application/new-event.ts";
import { policyVersion } from "../../control-plane/src/application/policy-version.ts";
import type { CommandContext } from "../../control-plane/src/application/ports.ts";
import { command, ended, opened, requested } from "../../control-plane/src/application/testing/samples.ts";
import { recordDecision } from "../../control-plane/src/domain/decision.ts";
import type { CommandFacts } from "../../control-plane/src/domain/facts.ts";
import { type SessionEvent, sessionStream } from "../../control-plane/src/domain/session/session.events.ts";
import type { ExpectedRevision } from "../../control-plane/src/ledger/ledger.ts";
import { openSqliteLedger } from "../../control-plane/src/ledger/sqlite/sqlite-ledger.ts";
import { createCedarCompiler } from "../../control-plane/src/policy/compiler.ts";
import { openSealing } from "../../control-plane/src/sealing/sealing.ts";
import { sealedLedger } from "../../control-plane/src/sealing/sealed-ledger.ts";
import { WhatIfThread } from "../../control-plane/src/what-if/what-if-thread.ts";

/**
 * How fast a policy is tried on history, and what that costs the thread of the sessions and in memory:
 * `node test/bench/what-if.bench.ts [commands] [distinct commands, or all] [folder]`. One JSON line per figure; no thresholds here.
 */
const wanted = Number(argv[2] ?? 1_000_000);
const distinct = argv[3] === "all" ? wanted : Number(argv[3] ?? 5_000);
const folder = mkdtempSync(join(argv[4] ?? tmpdir(), "what-if-bench-"));
const COMMANDS = 500;
const BATCH = 50;
const WRITERS = 8;
const PEOPLE = 40;

const print = (line: Readonly<Record<string, unknown>>): void => void stdout.write(`${JSON.stringify(line)}\n`);
const seconds = (since: number): number => Number(((performance.now() - since) / 1_000).toFixed(1));
const mib = (bytes: number): number => Math.round(bytes / 1_048_576);

const starter = new URL("../../deploy/policies/starter/", import.meta.url);
const files = readdirSync(starter)
  .filter((name) => name.endsWith(".cedar"))
  .map((name) => ({ name, text: readFileSync(new URL(name, starter), "utf8") }));
const forbidding = (id: string, condition: string) => [
  ...files,
  { name: "proposal.cedar", text: `@id("${id}") forbid (principal, action == Action::"run", resource) when { ${condition} };` },
];

const ledgerFile = join(folder, "ledger.db");
const subjectKeys = join(folder, "subject-keys");
const { sealer, subjects } = openSealing(subjectKeys);
const ledger = sealedLedger(await openSqliteLedger(ledgerFile), sealer);
const log = pino({ level: "silent" });
const application = await createApplication({ ledger, clock: systemClock, log, compiler: createCedarCompiler(), subjects, nodeId: "bench" });
const admin: CommandContext = { actor: { kind: "human", id: "root" }, correlationId: randomUUID() };
const orders = { name: "orders", protocol: "postgres", labels: { env: "demo" } };

/** As the gateway records what it decides. */
function commandOf(n: number, commandId: number, who: string): SessionEvent {
  const { facts, ...asked } = command(commandId, `select * from t${n % distinct} where id = ${n}`);
  const own: CommandFacts = { ...facts, relationsRead: [`t${n % distinct}`], fingerprint: (n % distinct).toString(16).padStart(16, "0") };
  const principal = application.identities.find(who);
  const decision = principal && application.policies.current()?.decide({ principal, action: "run", resource: orders, facts: own });
  if (decision === undefined) throw new Error("There is no policy, or nobody.");
  const data = { ...asked, facts: own, decision: recordDecision(decision) };
  return decision.effect === "allow"
    ? { type: "CommandAuthorized", data: { ...data, obligations: decision.obligations } }
    : { type: "CommandDenied", data: { ...data, code: "policy.denied" } };
}

async function fill(): Promise<void> {
  for (let n = 0; n < PEOPLE; n++) await application.identities.put({ id: `p${n}`, kind: "human", groups: ["engineers"] }, admin);
  await application.identities.put({ id: "root", kind: "human", groups: ["admins"] }, admin);
  await application.resources.offer("a1", [orders]);
  await application.policies.publish(files, "the starter", admin);
  let left = wanted;
  const write = async (): Promise<void> => {
    while (left > 0) {
      const id = randomUUID();
      const who = `p${left % PEOPLE}`;
      const principal = application.identities.find(who);
      const decision = principal && application.policies.current()?.decide({ principal, action: "open", resource: orders });
      if (decision === undefined) return;
      const begun = { ...opened(id), data: { sessionId: id, agentId: "a1", decision: recordDecision(decision) } } as SessionEvent;
      const context: CommandContext = { actor: { kind: "human", id: who }, correlationId: id };
      let revision: ExpectedRevision = "none";
      const append = async (events: readonly SessionEvent[]): Promise<void> => {
        const stored = events.map((event) => newEvent(randomUUID(), event, context, new Date().toISOString()));
        ({ revision } = await ledger.append(sessionStream(id), stored, revision));
      };
      await append([requested(id, { id: who, kind: "human", groups: ["engineers"] }), begun]);
      for (let n = 1; n <= COMMANDS && left > 0; n += BATCH) {
        const batch: SessionEvent[] = [];
        for (let at = 0; at < BATCH && left > 0; at++) batch.push(commandOf(left--, n + at, who));
        await append(batch);
        await nextTurn();
      }
      await append([ended(id)]);
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, write));
}

const whatIf = new WhatIfThread({ ledger: { file: ledgerFile }, subjectKeys }, log);
try {
  const filling = performance.now();
  await fill();
  print({ bench: "what-if.fill", commands: wanted, distinct, seconds: seconds(filling), ledgerMiB: mib(statSync(ledgerFile).size) });
  for (const [name, rules] of [
    ["same policy", files],
    ["one forbid more", forbidding("no-t7", `context.relationsRead.contains("t7")`)],
    // More than a comparison with words: each distinct command has to be decided by Cedar.
    ["one that tells all commands apart", forbidding("odd", `context.fingerprint like "odd*"`)],
  ] as const) {
    globalThis.gc?.();
    const before = process.memoryUsage().rss;
    const delay = monitorEventLoopDelay({ resolution: 5 });
    delay.enable();
    const begun = performance.now();
    const busy = process.cpuUsage();
    let [peak, told] = [before, 0];
    const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 100);
    const question = { version: policyVersion(rules), files: rules, since: new Date(0), until: new Date(), identity: "", resource: "" };
    const report = await whatIf.run(question, () => (told += 1), new AbortController().signal);
    clearInterval(watch);
    delay.disable();
    const took = (performance.now() - begun) / 1_000;
    const { user, system } = process.cpuUsage(busy);
    print({
      bench: "what-if.trial",
      policy: name,
      decisions: report.decisions,
      differences: report.differences,
      unreproducible: report.unreproducible,
      seconds: Number(took.toFixed(1)),
      perSecond: Math.round(report.decisions / took),
      cpuSeconds: Number(((user + system) / 1e6).toFixed(1)),
      progressMessages: told,
      rssBeforeMiB: mib(before),
      rssPeakMiB: mib(peak),
      mainThreadDelayP99Ms: Number((delay.percentile(99) / 1e6).toFixed(1)),
    });
  }
} finally {
  await whatIf.close();
  await application.close();
  await ledger.close();
  rmSync(folder, { recursive: true });
}
