import { equal, toBase64, utf8 } from "./bytes.ts";
import { checkpointNote, checkpointOf, ROTATION_TYPE, CHECKPOINT_TYPE, type SignedCheckpoint } from "./checkpoint.ts";
import { firstDifference, LeafWindow } from "./fingerprints.ts";
import { KeyChain } from "./key-chain.ts";
import type { CompactRange, Hash } from "./merkle.ts";
import type { VerifierKey } from "./note.ts";
import type { Primitives } from "./primitives.ts";
import type { Finding, Trust } from "./verdict.ts";
import { WitnessCursor } from "./witness-record.ts";

/** Leaves that are kept until a checkpoint covers them: 32 MiB. A checkpoint that comes later than that is passed over; a later one covers its leaves. */
export const MAX_WINDOW = 1 << 20;

/**
 * Follows a log leaf by leaf, and compares it with each checkpoint in it.
 *
 * V1. `#base` is the tree up to where the window begins: the last checkpoint that was right, or later when none came in time.
 * V2. Leaves wait in the window until a checkpoint covers them, at most MAX_WINDOW of them.
 * V3. The first finding is the answer: nothing is verified after it.
 */
export class LogVerifier {
  readonly #primitives: Primitives;
  readonly #trust: Trust;
  readonly #witness: WitnessCursor | undefined;
  readonly #window: LeafWindow;
  readonly #maxWindow: number;
  readonly chain: KeyChain;
  #base: CompactRange;
  #signedSize: number;
  #last: SignedCheckpoint | undefined;
  #vouchedTail = -1;
  /** Told at the end, when the key that was given has not come. */
  #untrusted: Finding | undefined;

  constructor(primitives: Primitives, trust: Trust, start: CompactRange, chain = new KeyChain(primitives), maxWindow = MAX_WINDOW) {
    this.#maxWindow = maxWindow;
    this.#primitives = primitives;
    this.#trust = trust;
    this.#witness = trust.witness === undefined ? undefined : new WitnessCursor(trust.witness);
    this.#base = start.clone();
    this.#signedSize = start.size;
    this.#window = new LeafWindow(start.size);
    this.chain = chain;
  }

  /** Index of the next leaf. */
  get size(): number {
    return this.#window.end;
  }

  get last(): SignedCheckpoint | undefined {
    return this.#last;
  }

  get witnessed(): number {
    return this.#witness?.compared ?? 0;
  }

  /** Leaves that nothing vouches for yet. */
  get unsigned(): number {
    const after = this.size - this.#signedSize;
    return this.#vouchedTail >= this.#signedSize ? after - 1 : after;
  }

  leaf(hash: Hash, position = ""): void {
    this.#window.push(hash, position);
    if (this.#window.end - this.#window.start <= this.#maxWindow) return;
    // By half, so that it is not done again for the next leaf.
    this.#advance(this.#window.end - Math.floor(this.#maxWindow / 2));
  }

  /** For each event of the checkpoint stream, before its own leaf is given. */
  async control(type: string, data: object, leaf: Hash, position = ""): Promise<Finding | undefined> {
    const here = { index: this.size, ...(position === "" ? {} : { position }) };
    if (type === ROTATION_TYPE) {
      if (await this.chain.rotate(data)) return undefined;
      return { code: "key.replaced", message: "A signing key was replaced without the signature of the one before it.", ...here };
    }
    if (type !== CHECKPOINT_TYPE) return undefined;
    const checkpoint = checkpointOf(this.#primitives.sha256, data);
    if (checkpoint === undefined) return { code: "checkpoint.forged", message: "A checkpoint does not hold what a checkpoint holds.", ...here };
    const bySignature = await this.#checkSignature(checkpoint);
    if (bySignature !== undefined) return (await this.#lostHandOver(checkpoint)) ?? { ...bySignature, ...here };
    // Looked for first: a root that is right lets go of the leaves it covers.
    const unrecorded = await this.#unrecorded(checkpoint);
    return this.#checkRoot(checkpoint, position) ?? unrecorded ?? (await this.#checkWitness(checkpoint, leaf, here));
  }

  /** When the last leaf was given. `root` compares the whole with a checkpoint that is not in the log itself. */
  async end(): Promise<Finding | undefined> {
    const beyond = await this.#witness?.peek();
    if (beyond !== undefined) {
      const { record, checkpoint } = beyond;
      const index = this.#window.indexOf(record.position);
      if (index !== undefined) {
        return { code: "event.altered", message: "A witness was told of a checkpoint that stood here.", index, position: record.position };
      }
      const message = `The log ends after ${this.size} events; the event of the checkpoint over ${checkpoint.treeSize}, that a witness holds, came later.`;
      return { code: "tail.cut", index: this.size, message };
    }
    return this.chain.keys.some((key) => isAmong(key, this.#trust.keys)) ? undefined : this.#untrusted;
  }

  root(): Hash {
    const whole = this.#base.clone();
    for (let i = this.#window.start; i < this.#window.end; i++) whole.append(this.#window.at(i).slice());
    return whole.root();
  }

  /** Leaves up to here were compared with a signed root. */
  get signedSize(): number {
    return this.#signedSize;
  }

  /**
   * Whether one of the leaves that wait is not what `checkpoint` says, when the log itself cannot be followed up to it. Nothing
   * is known of those that are not there yet.
   */
  async earlier(checkpoint: SignedCheckpoint): Promise<Finding | undefined> {
    if ((await this.#checkSignature(checkpoint)) !== undefined) return undefined;
    return this.locate(checkpoint, Math.min(checkpoint.treeSize, this.size));
  }

  /** The first leaf before `until` that a checkpoint's fingerprints contradict. */
  locate({ leaves, treeSize }: SignedCheckpoint, until: number): Finding | undefined {
    const difference = firstDifference(this.#window, leaves, treeSize, until);
    if (difference === undefined) return undefined;
    const { index, kind } = difference;
    const position = this.#window.positionOf(index);
    return { code: `event.${kind}`, message: messages[kind], index, ...(position === "" ? {} : { position }) };
  }

  async #checkSignature(checkpoint: SignedCheckpoint): Promise<Pick<Finding, "code" | "message"> | undefined> {
    const { key, signature } = checkpoint;
    if (this.chain.current === undefined) {
      if (!(await this.#isTrusted(key))) {
        const message = `The log is signed by ${key.id}; expected is ${this.#trust.keys.map(({ id }) => id).join(" or ")}.`;
        const finding = { code: "key.replaced", message } as const;
        // Unless a witness was told the very same: then the change to the expected key may have been cut off with the tail.
        if ((await this.#witness?.peek())?.record.checkpoint !== checkpointNote(checkpoint)) return finding;
        this.#untrusted = { ...finding, index: this.size };
      }
      this.chain.begin(key);
    }
    if (!this.chain.accepts(key)) {
      return { code: "key.replaced", message: `A checkpoint is signed by ${key.id}, and the key of the log is ${this.chain.current?.id ?? "none"}.` };
    }
    if (await this.#primitives.verifyEd25519(key.publicKey, utf8(checkpoint.text), signature)) return undefined;
    return { code: "checkpoint.forged", message: "The signature of a checkpoint is not over what the checkpoint says." };
  }

  #checkRoot(checkpoint: SignedCheckpoint, here: string): Finding | undefined {
    const { treeSize, root, position } = checkpoint;
    if (treeSize < this.#base.size) return undefined;
    const covered = treeSize <= this.size ? this.#treeOf(treeSize) : undefined;
    if (covered !== undefined && equal(covered.root(), root)) {
      const stored = treeSize > this.#window.start ? this.#window.positionOf(treeSize - 1) : "";
      if (stored !== "" && stored !== position) {
        return { code: "event.altered", message: `It was at position ${position} when it was signed.`, index: treeSize - 1, position: stored };
      }
      this.#base = covered;
      this.#signedSize = treeSize;
      this.#window.dropBefore(treeSize);
      this.#last = checkpoint;
      return undefined;
    }
    const located = this.locate(checkpoint, Math.min(treeSize, this.size));
    if (located !== undefined) return located;
    if (treeSize > this.size) {
      return {
        code: "event.missing",
        message: `A checkpoint over ${treeSize} events stands here, after ${this.size}.`,
        index: this.size,
        ...(here === "" ? {} : { position: here }),
      };
    }
    const message = `Somewhere between ${this.#base.size} and ${treeSize} the log is not what was signed at ${checkpoint.time}.`;
    return { code: "event.altered", message, index: this.#base.size, end: treeSize };
  }

  /** A checkpoint before this one that a witness was told of, and whose event is none any more. */
  async #unrecorded(checkpoint: SignedCheckpoint): Promise<Finding | undefined> {
    const next = await this.#witness?.peek();
    if (next === undefined || next.checkpoint.treeSize >= checkpoint.treeSize) return undefined;
    const { position } = next.record;
    const { treeSize } = next.checkpoint;
    const message = `A witness holds a checkpoint over ${treeSize} events that is not in the log before this one.`;
    const index = this.#window.indexOf(position);
    return index === undefined ? { code: "event.missing", message, index: treeSize, end: this.size } : { code: "event.missing", message, index, position };
  }

  async #checkWitness(checkpoint: SignedCheckpoint, leaf: Hash, here: { readonly index: number; readonly position?: string }): Promise<Finding | undefined> {
    const next = await this.#witness?.peek();
    if (next === undefined || next.checkpoint.treeSize > checkpoint.treeSize) return undefined;
    const { record, checkpoint: seen } = next;
    if (seen.origin !== checkpoint.origin || !equal(seen.root, checkpoint.root)) {
      return { code: "witness.differs", message: `A witness was given another history of the first ${seen.treeSize} events.`, ...here };
    }
    if (record.leaf !== toBase64(leaf)) return { code: "event.altered", message: "A witness was given this checkpoint in another event.", ...here };
    this.#witness?.take();
    this.#vouchedTail = this.size;
    return undefined;
  }

  /** The first key is one that was given, or handed over, step by step, to one that was. */
  async #isTrusted(first: VerifierKey): Promise<boolean> {
    const { keys, rotations = [] } = this.#trust;
    if (keys.length === 0 || isAmong(first, keys)) return true;
    const chain = new KeyChain(this.#primitives);
    chain.begin(first);
    for (const rotation of rotations) if ((await chain.rotate(rotation)) && chain.current !== undefined && isAmong(chain.current, keys)) return true;
    return false;
  }

  /** The key is good and its hand-over is not where it was: the event that is wrong is that one, or one before it. */
  async #lostHandOver(checkpoint: SignedCheckpoint): Promise<Finding | undefined> {
    const { keys, rotations = [] } = this.#trust;
    const { key, signature, text, treeSize } = checkpoint;
    if (this.chain.accepts(key)) return undefined;
    let isGood = isAmong(key, keys);
    for (const rotation of rotations) isGood ||= (rotation as { readonly newKey?: unknown }).newKey === key.text && (await this.#isTrusted(key));
    if (!isGood || !(await this.#primitives.verifyEd25519(key.publicKey, utf8(text), signature))) return undefined;
    return this.locate(checkpoint, Math.min(treeSize, this.size));
  }

  #treeOf(size: number): CompactRange {
    const tree = this.#base.clone();
    for (let i = this.#base.size; i < size; i++) tree.append(this.#window.at(i).slice());
    return tree;
  }

  #advance(size: number): void {
    this.#base = this.#treeOf(size);
    this.#window.dropBefore(size);
  }
}

const messages = {
  altered: "This event is not what was signed.",
  missing: "The event that was signed at this place is not there.",
  inserted: "This event was not there when the log was signed.",
  reordered: "This event was at another place when the log was signed.",
} as const;

export const isAmong = (key: VerifierKey, keys: readonly VerifierKey[]): boolean => keys.some(({ text }) => text === key.text);
