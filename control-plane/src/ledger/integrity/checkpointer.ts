import { setTimeout as delay } from "node:timers/promises";
import { equal, toBase64, utf8 } from "@sallyport/proto/audit/bytes";
import {
  type Checkpoint,
  CHECKPOINT_STREAM,
  CHECKPOINT_TYPE,
  type CheckpointData,
  checkpointData,
  checkpointNote,
  checkpointOf,
  checkpointText,
  ROTATION_TYPE,
  type SignedCheckpoint,
} from "@sallyport/proto/audit/checkpoint";
import { type RotationData, rotationText } from "@sallyport/proto/audit/key-chain";
import { nodePrimitives } from "@sallyport/proto/audit/node-primitives";
import { verifierKey, type VerifierKey } from "@sallyport/proto/audit/note";
import type { WitnessRecord } from "@sallyport/proto/audit/verdict";
import { checkpointIn } from "@sallyport/proto/audit/witness-record";
import type { NoteSigner } from "@sallyport/proto/audit/write-bundle";
import { SallyportError } from "@sallyport/proto/errors";
import type { Logger } from "pino";
import type { Ledger, RecordedEvent } from "../ledger.ts";
import { hashOf, MAX_BATCH } from "./leaf-batch.ts";
import type { LeavesThread } from "./leaves-thread.ts";
import { LogTree } from "./log-tree.ts";
import type { SigningKey } from "./signing-key.ts";
import type { Witness } from "./witness.ts";
import { WitnessQueue } from "./witness-queue.ts";

/** Nothing that was recorded is without a signature for much longer than this. */
export const CHECKPOINT_INTERVAL_MS = 900;
/** Nor for more events than this, when they come faster. */
export const CHECKPOINT_EVENTS = 1_000;
/** Waking this thread for a few events costs more than they do. So they gather this long; who is further behind than a batch does not rest. */
const LAG_MS = 100;
/** A key or a ledger that fails is tried again, soon at first. */
export const RETRY_FIRST_MS = 200;
export const RETRY_LAST_MS = 5_000;
/** What is looked at again at a start, though the stored tree has it: the part that a torn write can have taken. */
export const RECHECKED_LEAVES = 2_000;

export interface CheckpointerDeps {
  readonly ledger: Ledger;
  /** Those of the ledger. Closed with the checkpointer, also when it does not start. */
  readonly leaves: LeavesThread;
  /** Of the stored tree; may be thrown away. */
  readonly folder: string;
  readonly key: SigningKey;
  /** Hands over, when the log is still signed with it. */
  readonly previousKey: SigningKey | undefined;
  readonly witnesses: readonly Witness[];
  /** Last records of those witnesses that can be read. */
  readonly witnessed: readonly WitnessRecord[];
  /** Appends an event of the log itself. Resolves with it as it is recorded, or with nothing when another node was first. */
  readonly record: (type: typeof CHECKPOINT_TYPE | typeof ROTATION_TYPE, data: CheckpointData | RotationData) => Promise<RecordedEvent | undefined>;
  readonly now: () => Date;
  readonly log: Logger;
}

/**
 * Follows the ledger, keeps its Merkle tree, and signs it: at most CHECKPOINT_INTERVAL_MS after an event, and every CHECKPOINT_EVENTS.
 * Events are read and hashed in another thread; the tree, its proofs and its signatures are here.
 *
 * K1. What is signed is durable: only durable events are followed.
 * K2. A checkpoint is recorded before a witness hears of it, so a witness never knows of one that the ledger has lost.
 * K3. Checkpoints are leaves too, and no reason for another one.
 * K4. Nobody waits for it: failures are logged and tried again; the data path does not know that it exists.
 * K5. It does not start on a ledger that is shorter, or other, than what was signed.
 */
export class Checkpointer {
  readonly #deps: CheckpointerDeps;
  readonly tree: LogTree;
  readonly #queues: readonly WitnessQueue[];
  readonly #stop = new AbortController();
  #last: SignedCheckpoint | undefined;
  #cosigned: { readonly treeSize: number; readonly lines: string[] } = { treeSize: 0, lines: [] };
  #following: Promise<void> = Promise.resolve();
  #signing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;

  private constructor(deps: CheckpointerDeps) {
    this.#deps = deps;
    this.tree = new LogTree(deps.folder);
    this.#queues = deps.witnesses.map((witness) => new WitnessQueue(witness, deps.log, (treeSize, lines) => this.#onCosigned(treeSize, lines)));
  }

  /** Compares the ledger with what was signed, then follows it. Fails with `ledger.corrupt` or `config.invalid` (another key). */
  static async start(deps: CheckpointerDeps): Promise<Checkpointer> {
    const checkpointer = new Checkpointer(deps);
    try {
      await checkpointer.#verify();
      await checkpointer.#handOver();
    } catch (error) {
      checkpointer.tree.close();
      await deps.leaves.close();
      throw error;
    }
    checkpointer.#following = checkpointer.#follow();
    return checkpointer;
  }

  get last(): SignedCheckpoint | undefined {
    return this.#last;
  }

  /** Signature lines of witnesses on a checkpoint of this size. */
  cosignatures(treeSize: number): readonly string[] {
    return this.#cosigned.treeSize === treeSize ? this.#cosigned.lines : [];
  }

  /** Signs in the name of the log; undefined while the log is empty, since its name comes from its first event. */
  signer(): NoteSigner | undefined {
    const key = this.#keyOf(this.#deps.key);
    return key === undefined ? undefined : { key, sign: (message) => this.#deps.key.sign(message) };
  }

  /** Signs what is left, tells the witnesses, and lets go of everything but the ledger. */
  async close(): Promise<void> {
    this.#stop.abort();
    clearTimeout(this.#timer);
    await this.#following;
    await this.#signing;
    try {
      await this.#readOn();
      if (this.tree.unsigned > 0) await this.#sign();
      await this.#readOn();
    } catch (error) {
      this.#deps.log.error({ err: error }, "the last events could not be signed; the next start signs them");
    }
    await Promise.all(this.#queues.map((queue) => queue.close()));
    await this.#deps.leaves.close();
    this.tree.close();
  }

  async #verify(): Promise<void> {
    const { witnessed, log } = this.#deps;
    this.#last = await this.#lastRecorded();
    if (!(await this.#storedTreeFits())) {
      if (this.tree.size > 0) log.warn("the stored tree does not fit the ledger and is made anew");
      this.tree.clear();
    }
    await this.#readOn();
    let problem = this.#problemWithLast();
    if (problem !== undefined && this.tree.size > 0) {
      // The stored tree may be what is wrong.
      this.tree.clear();
      await this.#readOn();
      problem = this.#problemWithLast();
    }
    for (const record of witnessed) problem ??= this.#problemWith(record);
    if (problem !== undefined) throw new SallyportError("ledger.corrupt", `${problem} \`sallyport audit verify\` names the first bad position.`);
    if (this.#last !== undefined) this.tree.resume(this.#last.treeSize);
  }

  /** The end of the stored tree is what the ledger has there, and nothing of the ledger lies between. */
  async #storedTreeFits(): Promise<boolean> {
    if (this.tree.size === 0) return true;
    let index = Math.max(0, this.tree.size - RECHECKED_LEAVES);
    for await (const leaves of this.#deps.leaves.read(index === 0 ? undefined : this.tree.positionOf(index - 1))) {
      for (const { position, hash } of leaves) {
        if (index === this.tree.size) return true;
        if (position !== this.tree.positionOf(index) || !equal(hash, this.tree.leafAt(index))) return false;
        index++;
      }
    }
    return index === this.tree.size;
  }

  #problemWithLast(): string | undefined {
    const last = this.#last;
    if (last === undefined) return undefined;
    if (this.tree.size < last.treeSize) return `The ledger has ${this.tree.size} events, and ${last.treeSize} were signed at ${last.time}.`;
    if (!equal(this.tree.prover.root(last.treeSize), last.root))
      return `The first ${last.treeSize} events of the ledger are not those that were signed at ${last.time}.`;
    return undefined;
  }

  #problemWith(record: WitnessRecord): string | undefined {
    const seen = checkpointIn(record);
    if (seen === undefined) return "The witness file does not hold a checkpoint.";
    if (this.tree.size < seen.treeSize) return `The ledger has ${this.tree.size} events; a witness was told of ${seen.treeSize} at ${seen.time}.`;
    if (seen.treeSize > (this.#last?.treeSize ?? 0))
      return `The ledger has lost the checkpoint of ${seen.time}, over ${seen.treeSize} events, that a witness holds.`;
    if (!equal(this.tree.prover.root(seen.treeSize), seen.root))
      return `The first ${seen.treeSize} events are not those that a witness was told of at ${seen.time}.`;
    return undefined;
  }

  async #lastRecorded(): Promise<SignedCheckpoint | undefined> {
    for await (const { type, data } of this.#deps.ledger.readStream(CHECKPOINT_STREAM, { direction: "backwards" })) {
      if (type !== CHECKPOINT_TYPE) continue;
      const checkpoint = checkpointOf(nodePrimitives.sha256, data);
      if (checkpoint === undefined) throw new SallyportError("ledger.corrupt", "The last checkpoint in the ledger is not one.");
      return checkpoint;
    }
    return undefined;
  }

  /** The key in force is that of the last event of the log itself. */
  async #handOver(): Promise<void> {
    const { ledger, key, previousKey, record, now, log } = this.#deps;
    for await (const { type, data } of ledger.readStream(CHECKPOINT_STREAM, { direction: "backwards", limit: 1 })) {
      const inForce = type === ROTATION_TYPE ? (data as RotationData).newKey : (data as CheckpointData).key;
      const [own, old] = [this.#keyOf(key), previousKey === undefined ? undefined : this.#keyOf(previousKey)];
      if (own === undefined || own.text === inForce) return;
      if (old === undefined || previousKey === undefined || old.text !== inForce) {
        const message = `The log is signed with the key ${inForce.split("+")[1] ?? ""}, and this is ${own.id}. A new key needs the one before it, to hand over; if that was lost, bring it back.`;
        throw new SallyportError("config.invalid", message, { setting: "SALLYPORT_SIGNING_KEY_PREVIOUS" });
      }
      const time = now().toISOString();
      const text = utf8(rotationText(old.text, own.text, time));
      const [byOld, byNew] = [await previousKey.sign(text), await key.sign(text)];
      await record(ROTATION_TYPE, { oldKey: old.text, newKey: own.text, time, oldSignature: toBase64(byOld), newSignature: toBase64(byNew) });
      log.info({ oldKey: old.id, newKey: own.id }, "the signing key was replaced");
    }
  }

  async #follow(): Promise<void> {
    const { leaves, log } = this.#deps;
    const { signal } = this.#stop;
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        for await (const batch of leaves.follow(this.tree.lastPosition, signal)) {
          failures = 0;
          for (const leaf of batch) {
            this.tree.add(leaf);
            this.#plan();
          }
          if (batch.length < MAX_BATCH) await pause(LAG_MS, signal);
        }
      } catch (error) {
        log.warn({ err: error }, "the checkpointer lost its subscription");
      }
      await pause(retryMs(failures), signal);
    }
  }

  #plan(): void {
    const { unsigned } = this.tree;
    if (unsigned === 0 || this.#signing !== undefined || this.#stop.signal.aborted) return;
    if (unsigned >= CHECKPOINT_EVENTS && this.#failures === 0) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#signSoon();
    } else {
      this.#timer ??= setTimeout(
        () => {
          this.#timer = undefined;
          this.#signSoon();
        },
        this.#failures === 0 ? CHECKPOINT_INTERVAL_MS : retryMs(this.#failures),
      ).unref();
    }
  }

  #signSoon(): void {
    this.#signing = this.#sign()
      .then(
        () => {
          if (this.#failures > 0) this.#deps.log.info("checkpoints are signed again");
          this.#failures = 0;
        },
        (error: unknown) => {
          if (this.#failures++ === 0) this.#deps.log.error({ err: error }, "a checkpoint could not be signed or recorded");
        },
      )
      .then(() => {
        this.#signing = undefined;
        this.#plan();
      });
  }

  async #sign(): Promise<void> {
    const { record, now } = this.#deps;
    const head = this.tree.head(this.#last?.treeSize ?? 0, now().toISOString());
    const signer = this.signer();
    if (head === undefined || signer === undefined) return;
    const { checkpoint, leaves } = head;
    const signature = await signer.sign(utf8(checkpointText(checkpoint)));
    const recorded = await record(CHECKPOINT_TYPE, checkpointData(checkpoint, leaves, signer.key, signature));
    const signed = recorded === undefined ? await this.#lastRecorded() : checkpointOf(nodePrimitives.sha256, recorded.data);
    if (signed === undefined) return;
    this.#last = signed;
    this.tree.covered(head);
    if (recorded !== undefined) this.#tellWitnesses(signed, checkpoint, recorded);
    this.tree.flush(); // last: a cache that cannot be written is no reason to tell witnesses nothing
  }

  #tellWitnesses(signed: SignedCheckpoint, checkpoint: Checkpoint, recorded: RecordedEvent): void {
    const witnessed = {
      record: { checkpoint: checkpointNote(signed), leaf: toBase64(hashOf(recorded)), position: String(recorded.position) },
      checkpoint,
      consistency: (old: number) => this.tree.prover.consistency(old, checkpoint.treeSize),
    };
    for (const queue of this.#queues) queue.push(witnessed);
  }

  /** To the end of the ledger, without waiting for more. */
  async #readOn(): Promise<void> {
    for await (const leaves of this.#deps.leaves.read(this.tree.lastPosition)) for (const leaf of leaves) this.tree.add(leaf);
  }

  #onCosigned(treeSize: number, lines: readonly string[]): void {
    if (treeSize > this.#cosigned.treeSize) this.#cosigned = { treeSize, lines: [...lines] };
    else if (treeSize === this.#cosigned.treeSize) this.#cosigned.lines.push(...lines);
  }

  #keyOf({ publicKey }: SigningKey): VerifierKey | undefined {
    const { origin } = this.tree;
    return origin === undefined ? undefined : verifierKey(nodePrimitives.sha256, origin, publicKey);
  }
}

const retryMs = (failures: number): number => Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** Math.min(failures, 20));

/** Resolves after `ms`, or at once when the signal aborts; keeps no process alive. */
const pause = (ms: number, signal: AbortSignal): Promise<void> => delay(ms, undefined, { signal, ref: false }).catch(() => undefined);
