import { fromBase64, toBase64 } from "./bytes.ts";
import type { Hash } from "./merkle.ts";
import { noteText, parseVerifierKey, signatureLine, type VerifierKey } from "./note.ts";
import { ED25519_SIGNATURE_BYTES, HASH_BYTES, type Sha256 } from "./primitives.ts";

/** The stream of checkpoints and of key changes, and the types of its events. Data at rest. */
export const CHECKPOINT_STREAM = "log-checkpoints";
export const CHECKPOINT_TYPE = "CheckpointSigned";
export const ROTATION_TYPE = "SigningKeyRotated";

/** A signed tree head: c2sp.org/tlog-checkpoint, with three extension lines of ours. */
export interface Checkpoint {
  /** Names the log; also the name of its keys. */
  readonly origin: string;
  readonly treeSize: number;
  readonly root: Hash;
  /** UTC, ISO 8601 with milliseconds. */
  readonly time: string;
  /** Where the ledger has the last leaf. */
  readonly position: string;
  /** SHA-256 of the fingerprints in the event: what tells which leaf is wrong is itself signed. */
  readonly leavesDigest: Hash;
}

/** The data of CheckpointSigned, which holds all that the note holds. */
export interface CheckpointData {
  readonly treeSize: number;
  readonly root: string;
  readonly time: string;
  readonly position: string;
  readonly leaves: string;
  readonly key: string;
  readonly signature: string;
}

const DECIMAL = /^(0|[1-9][0-9]{0,19})$/u;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/u;

/** What is signed. */
export const checkpointText = ({ origin, treeSize, root, time, position, leavesDigest }: Checkpoint): string =>
  `${origin}\n${treeSize}\n${toBase64(root)}\ntime ${time}\nposition ${position}\nleaves ${toBase64(leavesDigest)}\n`;

/** Undefined when it is not the text of a checkpoint of ours. */
export function parseCheckpointText(text: string): Checkpoint | undefined {
  const [origin, size, root64, time, position, leaves, end, ...more] = text.split("\n");
  if (origin === undefined || origin === "" || end !== "" || more.length > 0) return undefined;
  const treeSize = decimal(size);
  const root = hashOf(root64);
  const leavesDigest = hashOf(after("leaves ", leaves));
  const [at, where] = [after("time ", time), after("position ", position)];
  if (treeSize === undefined || root === undefined || leavesDigest === undefined || at === undefined || where === undefined) return undefined;
  if (!INSTANT.test(at) || !DECIMAL.test(where)) return undefined;
  return { origin, treeSize, root, time: at, position: where, leavesDigest };
}

export interface SignedCheckpoint extends Checkpoint {
  readonly key: VerifierKey;
  readonly signature: Uint8Array;
  /** Of the leaves since the checkpoint before. */
  readonly leaves: Uint8Array;
  /** What the signature is over. */
  readonly text: string;
  readonly signatureLine: string;
}

/** From the data of an event; undefined when it is not what a checkpoint holds. Verifies nothing. */
export function checkpointOf(sha256: Sha256, data: object): SignedCheckpoint | undefined {
  const {
    treeSize,
    root: root64,
    time,
    position,
    leaves: leaves64,
    key: keyText,
    signature: signature64,
  } = data as Partial<Record<keyof CheckpointData, unknown>>;
  if (typeof treeSize !== "number" || !Number.isSafeInteger(treeSize) || treeSize < 1) return undefined;
  if (typeof root64 !== "string" || typeof time !== "string" || typeof position !== "string") return undefined;
  if (typeof leaves64 !== "string" || typeof keyText !== "string" || typeof signature64 !== "string") return undefined;
  const [root, leaves, signature, key] = [hashOf(root64), fromBase64(leaves64), fromBase64(signature64), parseVerifierKey(sha256, keyText)];
  if (root === undefined || leaves === undefined || signature?.length !== ED25519_SIGNATURE_BYTES || key === undefined) return undefined;
  if (!INSTANT.test(time) || !DECIMAL.test(position)) return undefined;
  const checkpoint = { origin: key.name, treeSize, root, time, position, leavesDigest: sha256(leaves) };
  return { ...checkpoint, key, signature, leaves, text: checkpointText(checkpoint), signatureLine: signatureLine(key, signature) };
}

export const checkpointData = (
  { treeSize, root, time, position }: Checkpoint,
  leaves: Uint8Array,
  key: VerifierKey,
  signature: Uint8Array,
): CheckpointData => ({
  treeSize,
  root: toBase64(root),
  time,
  position,
  leaves: toBase64(leaves),
  key: key.text,
  signature: toBase64(signature),
});

/** The note as witnesses are given it. */
export const checkpointNote = ({ text, signatureLine: line }: Pick<SignedCheckpoint, "text" | "signatureLine">, more: readonly string[] = []): string =>
  noteText(text, [line, ...more]);

/** The log is named by its first leaf, so that no two logs share a name and nobody has to invent one. */
export const originOf = (firstLeaf: Hash): string =>
  `sallyport.log/${Array.from(firstLeaf.subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;

function decimal(text: string | undefined): number | undefined {
  const value = text !== undefined && DECIMAL.test(text) ? Number(text) : undefined;
  return value !== undefined && Number.isSafeInteger(value) ? value : undefined;
}

function hashOf(text: string | undefined): Hash | undefined {
  const bytes = text === undefined ? undefined : fromBase64(text);
  return bytes?.length === HASH_BYTES ? bytes : undefined;
}

const after = (prefix: string, line: string | undefined): string | undefined => (line?.startsWith(prefix) === true ? line.slice(prefix.length) : undefined);
