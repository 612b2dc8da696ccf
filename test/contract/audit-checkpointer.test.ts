import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it, type TestContext } from "node:test";
import { randomUUID } from "node:crypto";
import { createIntegrityRecord } from "@sallyport/control-plane/src/application/integrity-record.ts";
import type { IntegrityCommand } from "@sallyport/control-plane/src/domain/integrity/integrity.decider.ts";
import { AuditLog } from "@sallyport/control-plane/src/ledger/integrity/audit-log.ts";
import { CHECKPOINT_EVENTS, Checkpointer, type CheckpointerDeps } from "@sallyport/control-plane/src/ledger/integrity/checkpointer.ts";
import { LeavesThread } from "@sallyport/control-plane/src/ledger/integrity/leaves-thread.ts";
import { openKeyCommand, openKeyFile } from "@sallyport/control-plane/src/ledger/integrity/signing-key.ts";
import { lastWitnessed, witnessFile } from "@sallyport/control-plane/src/ledger/integrity/witness-file.ts";
import { witnessGit } from "@sallyport/control-plane/src/ledger/integrity/witness-git.ts";
import { witnessHttp } from "@sallyport/control-plane/src/ledger/integrity/witness-http.ts";
import type { Ledger, NewEvent, RecordedEvent } from "@sallyport/control-plane/src/ledger/ledger.ts";
import { openSqliteLedger } from "@sallyport/control-plane/src/ledger/sqlite/sqlite-ledger.ts";
import type { CheckpointData } from "@sallyport/proto/audit/checkpoint";
import { utf8 } from "@sallyport/proto/audit/bytes";
import { nodePrimitives } from "@sallyport/proto/audit/node-primitives";
import { parseNote, isSignedBy } from "@sallyport/proto/audit/note";
import { verifyBundle } from "@sallyport/proto/audit/verify-bundle";
import { SallyportError } from "@sallyport/proto/errors";
import { verifyFile } from "@sallyport/cli/src/audit/verify-file.ts";
import pino from "pino";
import { tempDir } from "../support/temp-dir.ts";
import { WitnessServer } from "../support/witness-server.ts";

const corrupt = (error: unknown): boolean => error instanceof SallyportError && error.code === "ledger.corrupt";
const clock = { now: () => new Date() };

/** A ledger with a checkpointer that can be stopped and started, as a control plane is. */
class Bench {
  readonly folder: string;
  readonly #logged: string[] = [];
  ledger!: Ledger;
  checkpointer!: Checkpointer;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async start(context: TestContext, changes: Partial<CheckpointerDeps> = {}): Promise<Bench> {
    const bench = new Bench(tempDir(context, "checkpointer"));
    await bench.start(changes);
    context.after(() => bench.stop().catch(() => undefined));
    return bench;
  }

  get ledgerFile(): string {
    return join(this.folder, "ledger.db");
  }

  get witnessFile(): string {
    return join(this.folder, "witness.jsonl");
  }

  get logged(): string {
    return this.#logged.join("");
  }

  async start(changes: Partial<CheckpointerDeps> = {}): Promise<void> {
    this.ledger = await openSqliteLedger(this.ledgerFile);
    const record = createIntegrityRecord({ ledger: this.ledger, clock, nodeId: "node1" });
    const log = pino({ level: "info" }, { write: (line: string) => void this.#logged.push(line) });
    try {
      this.checkpointer = await Checkpointer.start({
        ledger: this.ledger,
        leaves: new LeavesThread({ ledger: { file: this.ledgerFile } }, log),
        folder: join(this.folder, "integrity"),
        key: await openKeyFile(join(this.folder, "one.key")),
        previousKey: undefined,
        witnesses: [witnessFile(this.witnessFile)],
        witnessed: [lastWitnessed(this.witnessFile)].filter((last) => last !== undefined),
        record: (type, data) => record({ type: type === "CheckpointSigned" ? "SignCheckpoint" : "RotateSigningKey", ...data } as IntegrityCommand),
        now: clock.now,
        log,
        ...changes,
      });
    } catch (error) {
      await this.ledger.close();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.checkpointer.close();
    await this.ledger.close();
  }

  async append(count: number): Promise<void> {
    const metadata = { $correlationId: randomUUID(), actor: { kind: "system", id: "node1" }, schemaVersion: 1, at: "2026-11-22T10:00:00.000Z" } as const;
    const events = Array.from({ length: count }, (): NewEvent => ({ id: randomUUID(), type: "NodeStarted", data: { nodeId: "one", version: "1" }, metadata }));
    await this.ledger.append(`node-${randomUUID()}`, events, "none");
  }

  /** The first checkpoint over at least so many events. */
  async signed(treeSize: number): Promise<CheckpointData> {
    const stop = new AbortController();
    for await (const message of this.ledger.subscribeToAll({ filter: { by: "type", prefixes: ["CheckpointSigned"] }, signal: stop.signal })) {
      const data = message.kind === "event" ? (message.event.data as CheckpointData) : undefined;
      if (data !== undefined && data.treeSize >= treeSize) return data;
    }
    throw new Error("The subscription ended.");
  }

  async events(type: string): Promise<RecordedEvent[]> {
    const found: RecordedEvent[] = [];
    for await (const event of this.ledger.readAll({ filter: { by: "type", prefixes: [type] } })) found.push(event);
    return found;
  }

  async verify(key: string): Promise<string> {
    const verdict = await verifyFile(this.ledgerFile, { keys: [key], witnessKeys: [], witness: this.witnessFile });
    return verdict.kind === "verified" && verdict.unsigned === 0 ? "verified" : JSON.stringify(verdict);
  }
}

describe("the checkpointer", () => {
  it("signs soon after an event, and at once when there are many", async (context) => {
    const bench = await Bench.start(context);
    await bench.append(1);
    assert.equal((await bench.signed(1)).treeSize, 1);
    await bench.append(CHECKPOINT_EVENTS);
    const { treeSize } = await bench.signed(CHECKPOINT_EVENTS);
    assert.ok(treeSize >= CHECKPOINT_EVENTS);
    const key = bench.checkpointer.signer()?.key.text ?? "";
    await bench.stop();
    assert.equal(await bench.verify(key), "verified");
    assert.equal(statSync(join(bench.folder, "one.key")).mode & 0o777, 0o600);
  });

  it("goes on from its stored tree, and makes it anew when that is gone, cut off or wrong", async (context) => {
    const bench = await Bench.start(context);
    await bench.append(300);
    await bench.signed(300);
    const key = bench.checkpointer.signer()?.key.text;
    const tree = join(bench.folder, "integrity", "tree");
    const damages = [
      () => undefined,
      () => rmSync(tree),
      () => writeFileSync(tree, readFileSync(tree).subarray(0, 1_000)),
      () => writeFileSync(tree, readFileSync(tree).fill(7, 64, 96)),
      () => appendFileSync(tree, "torn"),
    ];
    for (const damage of damages) {
      await bench.stop();
      damage();
      await bench.start();
      await bench.append(10);
      assert.equal(bench.checkpointer.signer()?.key.text, key);
    }
    await bench.stop();
    assert.equal(await bench.verify(key ?? ""), "verified");
  });

  it("refuses a ledger that has lost its end, as a torn write loses it, or that was changed", async (context) => {
    const bench = await Bench.start(context);
    await bench.append(20);
    await bench.stop();
    const whole = readFileSync(bench.ledgerFile);
    const alterations = [
      "DELETE FROM events WHERE position = (SELECT max(position) FROM events)",
      "DELETE FROM events WHERE position > 10",
      "UPDATE events SET id = 'deadbeef-0000-5000-8000-000000000000' WHERE position = 7",
      "DELETE FROM events",
    ];
    for (const sql of alterations) {
      const db = new DatabaseSync(bench.ledgerFile);
      db.exec(sql);
      db.close();
      await assert.rejects(bench.start(), corrupt, sql);
      writeFileSync(bench.ledgerFile, whole);
    }
    await bench.start();
  });

  it("hands over from one key to the next, as an event that both have signed, and never without it", async (context) => {
    const bench = await Bench.start(context);
    await bench.append(3);
    await bench.signed(3);
    const first = bench.checkpointer.signer()?.key.text ?? "";
    await bench.stop();
    const two = await openKeyFile(join(bench.folder, "two.key"));
    await assert.rejects(bench.start({ key: two }), (error) => error instanceof SallyportError && error.code === "config.invalid");
    await bench.start({ key: two, previousKey: await openKeyFile(join(bench.folder, "one.key")) });
    await bench.append(3);
    const second = bench.checkpointer.signer()?.key.text ?? "";
    assert.equal((await bench.events("SigningKeyRotated")).length, 1);
    const audit = new AuditLog({ ledger: bench.ledger, own: bench.ledger, checkpointer: bench.checkpointer, schemas: {}, now: clock.now });
    await bench.signed(8);
    let bundle = "";
    for await (const line of audit.range("", "")) bundle += line;
    async function* chunks(): AsyncGenerator<Uint8Array> {
      yield utf8(bundle);
    }
    const verdict = await verifyBundle(nodePrimitives, chunks(), { keys: [] });
    assert.deepEqual(verdict.kind === "verified" ? verdict.keys.map(({ text }) => text) : verdict, [first, second]);
    await bench.stop();
    for (const key of [first, second]) assert.equal(await bench.verify(key), "verified");
    await assert.rejects(bench.start(), (error) => error instanceof SallyportError && error.code === "config.invalid");
    await bench.start({ key: two });
  });

  it("signs with a program that keeps the key, and leaves the ledger alone while that hangs or fails", async (context) => {
    const folder = tempDir(context, "kms");
    const program = join(folder, "kms");
    const key = join(folder, "kms.pem");
    const broken = join(folder, "broken");
    execFileSync("openssl", ["genpkey", "-algorithm", "ed25519", "-out", key]);
    writeFileSync(
      program,
      `#!/bin/sh
if [ -e "${broken}" ]; then exit 3; fi
case "$1" in
  public-key) exec openssl pkey -in "${key}" -pubout ;;
  sign) cat > "${folder}/message" && exec openssl pkeyutl -sign -rawin -in "${folder}/message" -inkey "${key}" ;;
esac
`,
    );
    chmodSync(program, 0o755);
    const bench = await Bench.start(context, { key: await openKeyCommand(program) });
    await bench.append(2);
    await bench.signed(2);
    writeFileSync(broken, "");
    await bench.append(2);
    await waitFor(() => bench.logged.includes("a checkpoint could not be signed"));
    await bench.append(2);
    rmSync(broken);
    await bench.signed(7);
    const text = bench.checkpointer.signer()?.key.text ?? "";
    await bench.stop();
    assert.equal(await bench.verify(text), "verified");
    writeFileSync(program, "#!/bin/sh\nexec sleep 60\n");
    await assert.rejects(openKeyCommand(program, 200), (error) => error instanceof SallyportError && error.message.includes("200 ms"));
  });

  it("has a witness over HTTP sign each tree that grew out of the last one, also after it was away", async (context) => {
    const witness = await WitnessServer.start(context);
    const bench = await Bench.start(context, { witnesses: [witnessHttp(witness.url)] });
    await bench.append(5);
    await waitFor(() => witness.seen.length === 1);
    witness.isUp = false;
    await bench.append(5);
    await bench.signed(11);
    await waitFor(() => bench.logged.includes("a witness does not take checkpoints"));
    witness.isUp = true;
    await waitFor(() => bench.logged.includes("the witness takes checkpoints again"));
    const size = bench.checkpointer.last?.treeSize ?? 0;
    await waitFor(() => bench.checkpointer.cosignatures(size).length > 0);
    const audit = new AuditLog({ ledger: bench.ledger, own: bench.ledger, checkpointer: bench.checkpointer, schemas: {}, now: clock.now });
    const note = parseNote(audit.head().note);
    assert.ok(note !== undefined);
    assert.equal(await isSignedBy(nodePrimitives, note, witness.key), true);
    async function* chunks(): AsyncGenerator<Uint8Array> {
      for await (const line of audit.range("", "")) yield utf8(line);
    }
    const verdict = await verifyBundle(nodePrimitives, chunks(), { keys: [], witnessKeys: [witness.key] });
    assert.deepEqual(verdict.kind === "verified" ? verdict.cosigned : verdict, ["witness.example/one"]);
    // A new process knows nothing of what the witness has seen, and is told.
    await bench.stop();
    await bench.start({ witnesses: [witnessHttp(witness.url)] });
    await bench.append(1);
    await waitFor(() => (witness.seen.at(-1) ?? 0) > size);
  });

  it("goes on, and misses nothing, when the thread that hashes for it dies", async (context) => {
    const bench = await Bench.start(context);
    await bench.append(2);
    await bench.signed(2);
    const db = new DatabaseSync(bench.ledgerFile);
    // Nested deeper than the ledger takes: the hashing throws, as a defect would, as long as it is there.
    const planted = db
      .prepare(
        `INSERT INTO events (stream_number, stream, revision, id, type, data, metadata, recorded_at)
         SELECT stream_number, stream, 99, id, type, ?, metadata, recorded_at FROM events WHERE position = 1`,
      )
      .run(`${"[".repeat(200)}${"]".repeat(200)}`);
    await waitFor(() => bench.logged.includes("the checkpointer lost its subscription"));
    assert.match(bench.logged, /nested deeper.*the thread that hashes the log failed/u);
    await bench.append(2);
    db.prepare("DELETE FROM events WHERE position = ?").run(planted.lastInsertRowid);
    db.close();
    assert.equal((await bench.signed(5)).treeSize, 5);
    const key = bench.checkpointer.signer()?.key.text ?? "";
    await bench.stop();
    assert.equal(await bench.verify(key), "verified");
  });

  it("commits each checkpoint to a git repository and pushes it", async (context) => {
    const folder = tempDir(context, "git");
    const [remote, clone] = [join(folder, "remote"), join(folder, "clone")];
    mkdirSync(remote);
    execFileSync("git", ["init", "--quiet", "--bare", "-b", "main", remote]);
    execFileSync("git", ["clone", "--quiet", remote, clone], { stdio: "ignore" });
    execFileSync("git", ["-C", clone, "config", "push.autoSetupRemote", "true"]);
    execFileSync("git", ["-C", clone, "config", "push.default", "current"]);
    const bench = await Bench.start(context, { witnesses: [witnessGit(clone)] });
    await bench.append(4);
    await bench.signed(4);
    await bench.stop();
    const log = execFileSync("git", ["-C", remote, "log", "--format=%s", "--all"], { encoding: "utf8" });
    assert.match(log, /Checkpoint over 4 events/u);
    assert.ok(existsSync(join(clone, "checkpoint")));
    await bench.start();
  });

  it("does not let a witness file that a crash cut off spoil what comes next", async (context) => {
    const bench = await Bench.start(context);
    await bench.append(2);
    await bench.stop();
    appendFileSync(bench.witnessFile, '{"checkpoint":"sally');
    await bench.start();
    await bench.append(2);
    await bench.stop();
    assert.ok((lastWitnessed(bench.witnessFile)?.checkpoint ?? "").length > 100);
    await bench.start();
  });
});

/** Polls what only a log or another process says. The test's time-out bounds it. */
async function waitFor(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 20));
}
