import { createCipheriv, generateKeyPairSync, randomUUID, sign as signWith } from "node:crypto";
import { BUNDLE_FORMAT, type BundleHeader, type BundleScope } from "./bundle-format.ts";
import { concat, toBase64, utf8 } from "./bytes.ts";
import {
  type Checkpoint,
  CHECKPOINT_STREAM,
  CHECKPOINT_TYPE,
  checkpointData,
  type CheckpointData,
  checkpointNote,
  checkpointOf,
  checkpointText,
  originOf,
  ROTATION_TYPE,
} from "./checkpoint.ts";
import { LeafWindow } from "./fingerprints.ts";
import { type RotationData, rotationText } from "./key-chain.ts";
import { leafBytes, leafText, type LoggedEvent } from "./leaf.ts";
import { CompactRange, type Hash, joinHashes, treeHasher } from "./merkle.ts";
import { nodePrimitives, rawEd25519Key } from "./node-primitives.ts";
import { verifierKey } from "./note.ts";
import { Prover } from "./proofs.ts";
import { additionalData, cipherKeyInfo, NONCE_BYTES, nonceKeyInfo, plainBytes, sealedJson } from "./sealed.ts";
import type { WitnessRecord } from "./verdict.ts";
import { type BundledEvent, type NoteSigner, writeBundle } from "./write-bundle.ts";

/** A log in memory, signed as the control plane signs its own: for tests and benchmarks. */
export class TestingLog {
  readonly events: LoggedEvent[] = [];
  readonly leaves: Hash[] = [];
  /** What opens the sealed values of an event, by the event's id. */
  readonly keys = new Map<string, ReadonlyMap<string, Uint8Array>>();
  readonly witness: WitnessRecord[] = [];
  readonly checkpoints: CheckpointData[] = [];
  readonly rotations: RotationData[] = [];
  readonly #hasher = treeHasher(nodePrimitives.sha256);
  readonly #nodes = new Map<string, Hash>();
  readonly #tree = new CompactRange(this.#hasher);
  readonly #window = new LeafWindow(0);
  #revision = 0;
  #signer: NoteSigner | undefined;
  #firstKey = "";

  get signer(): NoteSigner {
    this.#signer ??= testingSigner(this.origin);
    if (this.#firstKey === "") this.#firstKey = this.#signer.key.text;
    return this.#signer;
  }

  get origin(): string {
    const [first] = this.leaves;
    if (first === undefined) throw new Error("An empty log has no name.");
    return originOf(first);
  }

  get prover(): Prover {
    return new Prover(this.#hasher, (level, index) => {
      const node = this.#nodes.get(`${level}/${index}`);
      if (node === undefined) throw new RangeError(`No node ${index} at level ${level}.`);
      return node;
    });
  }

  add(event: LoggedEvent): Hash {
    const leaf = this.#hasher.leaf(leafBytes(event));
    this.events.push(event);
    this.leaves.push(leaf);
    this.#tree.append(leaf, (level, index, hash) => this.#nodes.set(`${level}/${index}`, hash));
    this.#window.push(leaf, "");
    return leaf;
  }

  async checkpoint(): Promise<void> {
    const { signer } = this;
    const treeSize = this.#tree.size;
    const leaves = this.#window.fingerprints(this.#window.start, treeSize);
    const checkpoint: Checkpoint = {
      origin: this.origin,
      treeSize,
      root: this.#tree.root(),
      time: new Date(1_800_000_000_000 + treeSize).toISOString(),
      position: String(treeSize),
      leavesDigest: nodePrimitives.sha256(leaves),
    };
    const data = checkpointData(checkpoint, leaves, signer.key, await signer.sign(utf8(checkpointText(checkpoint))));
    this.#window.dropBefore(treeSize);
    const leaf = this.add(this.#control(CHECKPOINT_TYPE, data));
    this.checkpoints.push(data);
    const signed = checkpointOf(nodePrimitives.sha256, data);
    if (signed !== undefined) this.witness.push({ checkpoint: checkpointNote(signed), leaf: toBase64(leaf), position: String(this.events.length) });
  }

  async rotate(): Promise<void> {
    const [old, next] = [this.signer, testingSigner(this.origin)];
    const time = new Date(1_800_000_000_000).toISOString();
    const text = utf8(rotationText(old.key.text, next.key.text, time));
    const data: RotationData = {
      oldKey: old.key.text,
      newKey: next.key.text,
      time,
      oldSignature: toBase64(await old.sign(text)),
      newSignature: toBase64(await next.sign(text)),
    };
    this.add(this.#control(ROTATION_TYPE, data));
    this.rotations.push(data);
    this.#signer = next;
  }

  /** A range of the log, or the streams that begin so. */
  async bundle(scope: BundleScope = { kind: "range" }, from = 0, to = this.checkpoints.at(-1)?.treeSize ?? 0): Promise<string> {
    const isRange = scope.kind === "range";
    const checkpoint = this.checkpoints.find(({ treeSize }) => treeSize >= to);
    if (checkpoint === undefined) throw new Error("No checkpoint covers that.");
    const { prover } = this;
    const header: BundleHeader = {
      format: BUNDLE_FORMAT,
      origin: this.origin,
      scope,
      from: isRange ? from : 0,
      to: isRange ? to : checkpoint.treeSize,
      frontier: toBase64(joinHashes(isRange ? prover.frontier(from) : [])),
      consistency: toBase64(joinHashes(isRange ? prover.consistency(to, checkpoint.treeSize) : [])),
      checkpoint,
      cosignatures: [],
      key: this.#firstKey,
      rotations: this.rotations,
      exportedAt: "2026-11-22T10:00:00.000Z",
      schemas: { CommandAuthorized: { type: "object" } },
    };
    const bundled = (event: LoggedEvent, index: number): BundledEvent => ({
      index,
      text: leafText(event),
      keys: this.keys.get(event.id) ?? new Map<string, Uint8Array>(),
      ...(isRange ? {} : { proof: prover.inclusion(index, checkpoint.treeSize) }),
    });
    const events = this.events
      .slice(0, checkpoint.treeSize)
      .map(bundled)
      .filter(({ index }) => (isRange ? index >= from && index < to : this.events[index]?.stream.startsWith(scope.value) === true));
    let text = "";
    for await (const line of writeBundle(nodePrimitives.sha256, header, events, this.signer)) text += line;
    return text;
  }

  #control(type: string, data: object): LoggedEvent {
    return { stream: CHECKPOINT_STREAM, revision: this.#revision++, id: randomUUID(), type, metadata: { schemaVersion: 1 }, data };
  }
}

/** An approval by somebody whose name and comment are sealed, and the key that opens both. */
export function sealedEvent(n: number, comment: unknown = "fine by me"): { readonly event: LoggedEvent; readonly keys: ReadonlyMap<string, Uint8Array> } {
  const subject = "3f0c6c0e-6a0e-4a54-9c5b-1d8e1c5f0a01";
  const key = nodePrimitives.sha256(utf8(`key of event ${n}`));
  const place = { stream: "approval-00000001", id: `00000000-0000-5000-9000-${String(n).padStart(12, "0")}` };
  const seal = (path: string, value: unknown): unknown => {
    const [aad, plain] = [additionalData({ ...place, path }), plainBytes(value)];
    const nonce = nodePrimitives.hmacSha256(nodePrimitives.hmacSha256(key, nonceKeyInfo), concat(aad, plain)).subarray(0, NONCE_BYTES);
    const cipher = createCipheriv("aes-256-gcm", nodePrimitives.hmacSha256(key, cipherKeyInfo), nonce).setAAD(aad);
    const box = concat(cipher.update(plain), cipher.final(), cipher.getAuthTag());
    return sealedJson({ subject, nonce, box }, typeof value === "object");
  };
  const data = { approvalId: "00000001", by: seal("by", "bo"), comment: seal("comment", comment) };
  const event = { ...place, revision: n, type: "ApprovalGiven", metadata: { schemaVersion: 1 }, data };
  return { event, keys: new Map([[subject, key]]) };
}

export function testingSigner(origin: string): NoteSigner {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = rawEd25519Key(publicKey.export({ type: "spki", format: "der" }));
  if (raw === undefined) throw new Error("Not an Ed25519 key.");
  return { key: verifierKey(nodePrimitives.sha256, origin, raw), sign: async (message) => signWith(null, message, privateKey) };
}

/** Like one of a session: about 700 bytes. */
export const testingEvent = (n: number, sessions = 7): LoggedEvent => ({
  stream: `session-${String(n % sessions).padStart(8, "0")}`,
  revision: Math.floor(n / sessions),
  id: `00000000-0000-5000-8000-${String(n).padStart(12, "0")}`,
  type: "CommandAuthorized",
  metadata: { $correlationId: "0f6f1f0e-3a55-4c0e-9f5e-0d6a9b1f7a01", actor: { kind: "human", id: "ana" }, schemaVersion: 1, at: "2026-11-22T10:00:00.000Z" },
  data: {
    commandId: n + 1,
    via: "simple",
    statement: `select id, total from orders where customer = '${n}' and note <> 'häßlich'`,
    facts: { verbs: ["select"], riskClass: "read", relationsRead: ["public.orders"], fingerprint: "50fde20626009aba", statementCount: 1 },
    decision: { policyVersion: "p0123456789ab", rules: ["engineers-read"], reason: "Engineers may read." },
  },
});
