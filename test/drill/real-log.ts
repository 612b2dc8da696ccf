import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { createIntegrityRecord } from "@sallyport/control-plane/src/application/integrity-record.ts";
import { createExecute } from "@sallyport/control-plane/src/application/execute-command.ts";
import type { Clock } from "@sallyport/control-plane/src/application/ports.ts";
import { createRetention } from "@sallyport/control-plane/src/application/retention/retention.ts";
import { systemScheduler } from "@sallyport/control-plane/src/application/scheduler.ts";
import { parseRetention } from "@sallyport/control-plane/src/domain/retention/retention-rules.ts";
import type { IntegrityCommand } from "@sallyport/control-plane/src/domain/integrity/integrity.decider.ts";
import { AuditLog } from "@sallyport/control-plane/src/ledger/integrity/audit-log.ts";
import { Checkpointer } from "@sallyport/control-plane/src/ledger/integrity/checkpointer.ts";
import { LeavesThread } from "@sallyport/control-plane/src/ledger/integrity/leaves-thread.ts";
import { SignedLog } from "@sallyport/control-plane/src/ledger/integrity/signed-log.ts";
import { openKeyFile, type SigningKey } from "@sallyport/control-plane/src/ledger/integrity/signing-key.ts";
import { lastWitnessed, witnessFile } from "@sallyport/control-plane/src/ledger/integrity/witness-file.ts";
import type { ExpectedRevision, Ledger, NewEvent } from "@sallyport/control-plane/src/ledger/ledger.ts";
import { openSealing } from "@sallyport/control-plane/src/sealing/sealing.ts";
import { sealedLedger } from "@sallyport/control-plane/src/sealing/sealed-ledger.ts";
import { openSqliteLedger } from "@sallyport/control-plane/src/ledger/sqlite/sqlite-ledger.ts";
import { treeHasher } from "@sallyport/proto/audit/merkle";
import { nodePrimitives } from "@sallyport/proto/audit/node-primitives";
import { testingEvent } from "@sallyport/proto/audit/testing-log";
import pino from "pino";

export const SESSIONS = 7;

/** A ledger that was written and signed by the real parts, then closed; with its witness, its key, and bundles made from it. */
export interface RealLog {
  readonly ledger: string;
  readonly witness: string;
  readonly key: string;
  readonly bundles: Readonly<Record<"whole" | "part" | "selection", string>>;
}

export interface RealLogOptions {
  readonly events: number;
  /** Starts and stops of the checkpointer on the way; each one signs what is there. In the middle one the key is replaced. */
  readonly rounds: number;
}

const log = pino({ level: "silent" });

export async function startCheckpointer(
  ledger: Ledger & { readonly path: string },
  folder: string,
  key: SigningKey,
  previousKey?: SigningKey,
  clock: Clock = { now: () => new Date() },
): Promise<Checkpointer> {
  const witness = join(folder, "witness.jsonl");
  const record = createIntegrityRecord({ ledger, clock, nodeId: "node1" });
  return Checkpointer.start({
    ledger,
    leaves: new LeavesThread({ ledger: { file: ledger.path } }, log),
    folder: join(folder, "integrity"),
    key,
    previousKey,
    witnesses: [witnessFile(witness)],
    witnessed: [lastWitnessed(witness)].filter((last) => last !== undefined),
    record: (type, data) => record({ type: type === "CheckpointSigned" ? "SignCheckpoint" : "RotateSigningKey", ...data } as IntegrityCommand),
    now: clock.now,
    log,
  });
}

export async function makeRealLog(folder: string, { events, rounds }: RealLogOptions): Promise<RealLog> {
  const path = join(folder, "ledger.db");
  const ledger = await openSqliteLedger(path);
  const keys = [await openKeyFile(join(folder, "first.key")), await openKeyFile(join(folder, "second.key"))] as const;
  const perRound = Math.ceil(events / rounds);
  const bundles = { whole: "", part: "", selection: "" };
  let key = "";
  const { sealer } = openSealing(join(folder, "subject-keys"));
  await appendOld(ledger, folder, keys[0]);
  for (let round = 0; round < rounds; round++) {
    const isSecond = round >= rounds / 2;
    const checkpointer = await startCheckpointer(ledger, folder, isSecond ? keys[1] : keys[0], isSecond ? keys[0] : undefined);
    await appendAll(sealedLedger(ledger, sealer), round * perRound, Math.min(events, (round + 1) * perRound));
    await checkpointer.close();
  }
  const checkpointer = await startCheckpointer(ledger, folder, keys[1]);
  await retain(ledger, checkpointer);
  const audit = new AuditLog({
    ledger,
    own: ledger,
    checkpointer,
    schemas: { CommandAuthorized: { type: "object" } },
    now: () => new Date(),
    keysIn: (event) => sealer.keysIn(event),
  });
  const readable = { sealed: false, forgotten: [] };
  bundles.whole = await textOf(audit.range("", "", readable));
  const { tree } = checkpointer;
  const positions = [0.01, 0.8].map((part) => String(tree.positionOf(Math.floor(tree.size * part))));
  bundles.part = await textOf(audit.range(positions[0] ?? "", positions[1] ?? "", readable));
  const streams = new Set([...[0, 3].map((n) => testingEvent(n, SESSIONS).stream), oldSession(1), oldSession(2)]);
  bundles.selection = await textOf(audit.streams({ kind: "identity", value: "ana", streams }, readable));
  key = checkpointer.signer()?.key.text ?? "";
  await checkpointer.close();
  await ledger.close();
  return { ledger: path, witness: join(folder, "witness.jsonl"), key, bundles };
}

const OLD_SESSIONS = 20;
const DAY_MS = 86_400_000;
const oldSession = (n: number): string => `session-old${n}`;

/** Sessions of two months ago, which are over and signed. */
async function appendOld(ledger: Ledger & { readonly path: string }, folder: string, key: SigningKey): Promise<void> {
  const checkpointer = await startCheckpointer(ledger, folder, key, undefined, { now: () => new Date(Date.now() - 60 * DAY_MS) });
  const { data, metadata } = testingEvent(0);
  for (let round = 0; round < 3; round++) {
    for (let n = 0; n < OLD_SESSIONS; n++) {
      const event = { id: randomUUID(), type: round === 2 ? "SessionEnded" : "CommandAuthorized", data, metadata } as NewEvent;
      await ledger.append(oldSession(n), [event], round === 0 ? "none" : BigInt(round - 1));
    }
  }
  await checkpointer.close();
}

async function retain(ledger: Ledger, checkpointer: Checkpointer): Promise<void> {
  const clock = { now: () => new Date() };
  const retention = createRetention({
    ledger,
    record: ledger,
    proven: new SignedLog(ledger, checkpointer),
    hasher: treeHasher(nodePrimitives.sha256),
    rules: parseRetention("session=30d"),
    execute: createExecute({ ledger, clock }),
    clock,
    scheduler: systemScheduler,
    log,
  });
  await retention.run("schedule", { actor: { kind: "system", id: "node1" }, correlationId: randomUUID() });
}

/** Some events hold what is sealed, of one of five people. */
const SEALED_EVERY = 10;

async function appendAll(ledger: Ledger, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++) {
    const { stream, type, data, metadata, revision } = testingEvent(n, SESSIONS);
    const personal = { type: "SignInFailed", data: { identityId: `person${n % 5}`, address: `192.0.2.${n % 200}`, code: "auth.failed" } };
    const event = { id: randomUUID(), ...(n % SEALED_EVERY === 0 ? personal : { type, data }), metadata } as NewEvent;
    const expected: ExpectedRevision = Number(revision) === 0 ? "none" : BigInt(revision) - 1n;
    await ledger.append(stream, [event], expected);
  }
}

async function textOf(lines: AsyncIterable<string>): Promise<string> {
  const all: string[] = [];
  for await (const line of lines) all.push(line);
  return all.join("");
}
