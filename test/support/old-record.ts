import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { createExecute } from "@sallyport/control-plane/src/application/execute-command.ts";
import { createIntegrityRecord } from "@sallyport/control-plane/src/application/integrity-record.ts";
import { createRetention, type Retention, type RetentionDeps } from "@sallyport/control-plane/src/application/retention/retention.ts";
import { systemScheduler } from "@sallyport/control-plane/src/application/scheduler.ts";
import type { IntegrityCommand } from "@sallyport/control-plane/src/domain/integrity/integrity.decider.ts";
import { parseRetention } from "@sallyport/control-plane/src/domain/retention/retention-rules.ts";
import { AuditLog } from "@sallyport/control-plane/src/ledger/integrity/audit-log.ts";
import { Checkpointer } from "@sallyport/control-plane/src/ledger/integrity/checkpointer.ts";
import { LeavesThread } from "@sallyport/control-plane/src/ledger/integrity/leaves-thread.ts";
import { openKeyFile } from "@sallyport/control-plane/src/ledger/integrity/signing-key.ts";
import { SignedLog } from "@sallyport/control-plane/src/ledger/integrity/signed-log.ts";
import { lastWitnessed, witnessFile } from "@sallyport/control-plane/src/ledger/integrity/witness-file.ts";
import type { NewEvent, RemovableLedger } from "@sallyport/control-plane/src/ledger/ledger.ts";
import { openSqliteLedger } from "@sallyport/control-plane/src/ledger/sqlite/sqlite-ledger.ts";
import { treeHasher } from "@sallyport/proto/audit/merkle";
import { nodePrimitives } from "@sallyport/proto/audit/node-primitives";
import type { Verdict } from "@sallyport/proto/audit/verdict";
import { verifyBundle } from "@sallyport/proto/audit/verify-bundle";
import { verifyFile } from "@sallyport/cli/src/audit/verify-file.ts";
import pino from "pino";

const DAY_MS = 86_400_000;
const log = pino({ level: "silent" });

/** Type and data of an event; the rest is filled in. */
export type Brief = readonly [type: string, data: object];

/**
 * A data folder that is written by the real ledger, checkpointer and retention, under a clock that can be set back: what a control
 * plane would have left there over months.
 */
export class OldRecord {
  readonly folder: string;
  readonly #days: { past: number };
  ledger!: RemovableLedger;
  checkpointer!: Checkpointer;
  audit!: AuditLog;

  private constructor(folder: string, past: number) {
    this.folder = folder;
    this.#days = { past };
  }

  static async begin(folder: string, daysAgo: number): Promise<OldRecord> {
    const record = new OldRecord(folder, daysAgo);
    await record.start();
    return record;
  }

  /** From now on it is so many days ago. */
  set daysAgo(days: number) {
    this.#days.past = days;
  }

  readonly clock = { now: (): Date => new Date(Date.now() - this.#days.past * DAY_MS) };

  get ledgerFile(): string {
    return join(this.folder, "ledger.db");
  }

  get integrityFolder(): string {
    return join(this.folder, "integrity");
  }

  async start(): Promise<void> {
    const ledger = await openSqliteLedger(this.ledgerFile);
    this.ledger = ledger;
    const record = createIntegrityRecord({ ledger, clock: this.clock, nodeId: "node1" });
    const witness = join(this.integrityFolder, "checkpoints.jsonl");
    this.checkpointer = await Checkpointer.start({
      ledger,
      leaves: new LeavesThread({ ledger: { file: this.ledgerFile } }, log),
      folder: this.integrityFolder,
      key: await openKeyFile(join(this.integrityFolder, "signing.key")),
      previousKey: undefined,
      witnesses: [witnessFile(witness)],
      witnessed: [lastWitnessed(witness)].filter((last) => last !== undefined),
      record: (type, data) => record({ type: type === "CheckpointSigned" ? "SignCheckpoint" : "RotateSigningKey", ...data } as IntegrityCommand),
      now: this.clock.now,
      log,
    });
    this.audit = new AuditLog({ ledger, own: ledger, checkpointer: this.checkpointer, schemas: {}, now: this.clock.now });
  }

  async stop(): Promise<void> {
    await this.checkpointer.close();
    await this.ledger.close();
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  retention(rules: string, ledger = this.ledger): Retention {
    return createRetention(this.retentionDeps(rules, ledger));
  }

  retentionDeps(rules: string, ledger = this.ledger): RetentionDeps {
    return {
      ledger,
      record: ledger,
      proven: new SignedLog(ledger, this.checkpointer),
      hasher: treeHasher(nodePrimitives.sha256),
      rules: parseRetention(rules),
      execute: createExecute({ ledger, clock: this.clock }),
      clock: this.clock,
      scheduler: systemScheduler,
      log,
    };
  }

  async append(stream: string, ...briefs: readonly Brief[]): Promise<void> {
    let head = -1n;
    for await (const { revision } of this.ledger.readStream(stream, { direction: "backwards", limit: 1 })) head = revision;
    const at = this.clock.now().toISOString();
    const metadata = { $correlationId: randomUUID(), actor: { kind: "system", id: "node1" }, schemaVersion: 1, at } as const;
    const events = briefs.map(([type, data]): NewEvent => ({ id: randomUUID(), type, data, metadata }));
    await this.ledger.append(stream, events, head === -1n ? "none" : head);
  }

  /** As somebody appends by mistake who has nothing to do with the product. */
  async appendGarbage(stream: string): Promise<void> {
    let head: bigint | "none" = "none";
    for await (const { revision } of this.ledger.readStream(stream, { direction: "backwards", limit: 1 })) head = revision;
    await this.ledger.append(stream, [{ id: randomUUID(), type: "Garbage", data: {}, metadata: {} as NewEvent["metadata"] }], head);
  }

  /** Waits until what is there is signed. */
  async signed(): Promise<void> {
    let position = 0n;
    for await (const event of this.ledger.readAll({ direction: "backwards", limit: 1 })) ({ position } = event);
    const proven = new SignedLog(this.ledger, this.checkpointer);
    const isLogItself = async (): Promise<boolean> => {
      for await (const event of this.ledger.readAll({ from: position, limit: 1 })) return event.stream === "log-checkpoints";
      return false;
    };
    if (await isLogItself()) return;
    while (!proven.covers(position)) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  get key(): string {
    return this.checkpointer.signer()?.key.text ?? "";
  }

  verify(): Promise<Verdict> {
    return verifyFile(this.ledgerFile, { keys: [this.key], witnessKeys: [], witness: join(this.integrityFolder, "checkpoints.jsonl") });
  }

  async verifyBundle(lines: AsyncIterable<string>): Promise<Verdict> {
    return verifyBundle(nodePrimitives, encoded(lines), { keys: [] });
  }
}

async function* encoded(lines: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  for await (const line of lines) yield Buffer.from(line);
}
