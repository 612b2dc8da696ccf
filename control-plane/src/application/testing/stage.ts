import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type ErrorCode, SallyportError } from "@sallyport/proto/errors";
import { pino } from "pino";
import { type Decision, noObligations, type PolicyEngine } from "../../domain/decision.ts";
import type { ConfiguredApprovals } from "../../domain/policy/approvals-required.ts";
import type { Ledger, RecordedEvent } from "../../ledger/ledger.ts";
// oxlint-disable-next-line no-restricted-imports -- tests run on the real ledger; nothing but tests imports this file
import { openSqliteLedger } from "../../ledger/sqlite/sqlite-ledger.ts";
// oxlint-disable-next-line no-restricted-imports -- as above: names are sealed in tests as they are in use
import { openSealing, type Sealing } from "../../sealing/sealing.ts";
// oxlint-disable-next-line no-restricted-imports -- as above
import { sealedLedger } from "../../sealing/sealed-ledger.ts";
import { type Application, createApplication } from "../application.ts";
import { ownRecord } from "../own-record.ts";
import type { CommandContext } from "../ports.ts";
import type { PolicyCompiler } from "../policy-ports.ts";
import type { Scheduler } from "../scheduler.ts";
import { ManualTime } from "./manual-time.ts";
import { UnreliableLedger } from "./unreliable-ledger.ts";

export const silent = pino({ level: "silent" });
export const admin: CommandContext = { actor: { kind: "human", id: "root" }, correlationId: "c0ffee00-0000-4000-8000-000000000000" };

/** A policy language of one line: `approvers: bo cy`. `broken` does not check; `fails to load` checks and does not compile. */
export const compiler: PolicyCompiler = {
  check: (files) => files.filter(({ text }) => text === "broken").map(({ name }) => ({ severity: "error", file: name, line: 1, message: "it is broken" })),
  names: () => ({ groups: [], labels: [] }),
  mentions: () => [],
  diff: () => [],
  compile(version, files): PolicyEngine {
    if (files.some(({ text }) => text === "fails to load")) throw new SallyportError("policy.invalid", "it does not load");
    const approvers = new Set(files.flatMap(({ text }) => text.replace("approvers:", "").trim().split(" ")));
    return {
      version,
      speaksOf: new Set(),
      decide({ principal, action }): Decision {
        const effect = action === "approve" && !approvers.has(principal.id) ? "deny" : "allow";
        return { effect, policyVersion: version, rules: ["the-rule"], reason: "by the list", obligations: noObligations, quorum: 0 };
      },
    };
  },
};

export interface Stage {
  readonly ledger: UnreliableLedger;
  /** What is stored under that: personal data is sealed. */
  readonly stored: Ledger;
  readonly sealing: Sealing;
  readonly time: ManualTime;
  readonly app: Application;
  /** The control plane dies without a word and comes back on the same ledger. */
  readonly restart: () => Promise<Application>;
  /** Another node of the cluster, on the same ledger. */
  readonly join: (nodeId: string) => Promise<Application>;
}

export const openLedger = async (t: TestContext): Promise<UnreliableLedger> => (await openSealed(t)).ledger;

export async function openSealed(t: TestContext): Promise<Pick<Stage, "ledger" | "stored" | "sealing">> {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-application-"));
  const stored: Ledger = await openSqliteLedger(join(folder, "ledger.db"));
  const sealing = openSealing(join(folder, "subject-keys"));
  t.after(async () => {
    await stored.close();
    rmSync(folder, { recursive: true });
  });
  return { ledger: new UnreliableLedger(ownRecord(sealedLedger(stored, sealing.sealer), () => undefined)), stored, sealing };
}

export async function setStage(
  t: TestContext,
  {
    scheduler,
    policies = compiler,
    policyApprovals = "auto",
  }: { readonly scheduler?: Scheduler; readonly policies?: PolicyCompiler; readonly policyApprovals?: ConfiguredApprovals } = {},
): Promise<Stage> {
  const time = new ManualTime();
  const opened = await openSealed(t);
  const { ledger } = opened;
  const running: Application[] = [];
  const start = async (nodeId: string): Promise<Application> => {
    const app = await createApplication({
      ledger,
      clock: time,
      log: silent,
      compiler: policies,
      subjects: opened.sealing.subjects,
      nodeId,
      scheduler: scheduler ?? time,
      policyApprovals,
    });
    running.push(app);
    return app;
  };
  const app = await start("one");
  // Runs before the ledger closes: hooks run in the order of their registration, so this one closes the views first.
  t.after(async () => {
    ledger.thaw();
    await Promise.all(running.map(({ live, failClosed }) => Promise.all([failClosed.close(), live.close()])));
  });
  return { ...opened, time, app, restart: () => start("one"), join: start };
}

export const fails =
  (code: ErrorCode): ((error: unknown) => boolean) =>
  (error) =>
    error instanceof SallyportError && error.code === code;

export async function collect(events: AsyncIterable<RecordedEvent>): Promise<RecordedEvent[]> {
  const all: RecordedEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

export const typesIn = async (ledger: Ledger, stream: string): Promise<string[]> => (await collect(ledger.readStream(stream))).map(({ type }) => type);

/** Waits for what other turns of the event loop bring about; fails with the name of what never came. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 5_000; Date.now() < deadline;) {
    if (await holds()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.fail(`never happened: ${what}`);
}
