import { fromBase64, textOf, toBase64, utf8 } from "./bytes.ts";
import { canonicalJson } from "./canonical-json.ts";
import type { CheckpointData } from "./checkpoint.ts";
import type { RotationData } from "./key-chain.ts";
import { type CompactRange, type Hash, joinHashes, splitHashes } from "./merkle.ts";
import type { RemovedLine } from "./removed-line.ts";

/**
 * A bundle: lines of JSON, each ended by a newline, so that it is written and verified as a stream.
 *
 *   line 1       header: what was exported, the checkpoint that covers it, keys, proofs of the whole, schemas
 *   line 2       seal: a signed note over the header's digest
 *   then         when contents were removed, evidence, each with its proof: the decisions that name the streams, and the checkpoints
 *                that had covered them in time
 *   then         one line per event: its number in the bundle, its index in the log, its own proof when the bundle is a selection,
 *                the keys that open what is sealed in it (sealed.ts), and the event, in exactly the bytes that its leaf hash is made of;
 *                of one that was removed, its stream, its leaf hash, and a proof that it is among the leaves of the stream that the
 *                decision names
 *   last line    end: a signed note over the number of these lines, the Merkle root of their leaves, and that of the keys
 *
 * No byte is without a check: the header is under the seal, an event under the checkpoint's root, the rest under the end.
 */
export const BUNDLE_FORMAT = "sallyport-bundle/1";

/** The header holds the schemas and the key history; the rest of a line is one event, which a ledger bounds at 1 MiB. */
export const MAX_LINE_BYTES = 8 * 1_048_576;

export type BundleScope =
  /** Every event between two places of the log. */
  | { readonly kind: "range" }
  /** The streams of one session, or of every session of an identity or on a resource. */
  | { readonly kind: "session" | "identity" | "resource"; readonly value: string };

export interface BundleHeader {
  readonly format: typeof BUNDLE_FORMAT;
  readonly origin: string;
  readonly scope: BundleScope;
  /** Index in the log of the first event of a range, and of the one after its last; 0 and the checkpoint's size for a selection. */
  readonly from: number;
  readonly to: number;
  /** Perfect subtrees before the range; from its end to the checkpoint's size. Base64 of hashes, one after the other. */
  readonly frontier: string;
  readonly consistency: string;
  readonly checkpoint: CheckpointData;
  /** Signature lines of witnesses on the checkpoint. */
  readonly cosignatures: readonly string[];
  /** The first key of the log, and each change since. */
  readonly key: string;
  readonly rotations: readonly RotationData[];
  readonly exportedAt: string;
  /** Those whose personal data nobody can read any more, by the word of whoever exported; absent when there is nobody. */
  readonly forgotten?: readonly ForgottenSubject[];
  /** JSON Schema of the data of each event type. */
  readonly schemas: Readonly<Record<string, unknown>>;
}

export interface ForgottenSubject {
  readonly subject: string;
  /** The stream that has the decision: `erasure-<id>`. */
  readonly erasureId: string;
  readonly requestedBy: string;
  readonly approvers: readonly string[];
  readonly requestedAt: string;
}

export const headerLine = (header: BundleHeader): string => canonicalJson(header);

export const sealText = (origin: string, headerDigest: Hash): string => `sallyport-bundle-header/1\n${origin}\n${toBase64(headerDigest)}\n`;

export const endText = (origin: string, headerDigest: Hash, { events, selection, keys }: BundleTotals): string => {
  const opened = keys.size === 0 ? "" : `keys ${keys.size} ${toBase64(keys.root())}\n`;
  return `sallyport-bundle-end/1\n${origin}\n${toBase64(headerDigest)}\nevents ${events}\nselection ${toBase64(selection.root())}\n${opened}`;
};

/** What was written so far: the events, and the keys as they stand in the lines that have any. */
export interface BundleTotals {
  readonly events: number;
  readonly selection: CompactRange;
  readonly keys: CompactRange;
}

export const sealLine = (note: string): string => canonicalJson({ seal: note });
export const endLine = (note: string): string => canonicalJson({ end: note });

/** `event` is what the leaf hash is over. */
export function eventLine(n: number, index: number, event: string, proof?: readonly Hash[], keys?: string): string {
  const proven = proof === undefined ? "" : `,"proof":"${toBase64(joinHashes(proof))}"`;
  const opening = keys === undefined ? "" : `,"keys":${keys}`;
  return `{"n":${n},"index":${index}${proven}${opening},"event":${event}}`;
}

/** The event is removed: `removed` is canonical JSON. */
export function removedEventLine(n: number, index: number, removed: RemovedLine, proof?: readonly Hash[]): string {
  const proven = proof === undefined ? "" : `,"proof":"${toBase64(joinHashes(proof))}"`;
  return `{"n":${n},"index":${index}${proven},"removed":${canonicalJson(removed)}}`;
}

export const evidenceLine = (n: number, index: number, event: string, proof: readonly Hash[]): string =>
  `{"n":${n},"index":${index},"evidence":"${toBase64(joinHashes(proof))}","event":${event}}`;

export interface EventLine {
  readonly kind: "event" | "removed" | "evidence";
  readonly n: number;
  readonly index: number;
  readonly proof: readonly Hash[] | undefined;
  /** JSON: base64 of the key of the event for each subject. */
  readonly keys: Uint8Array | undefined;
  /** Of a removed event, what is said of it. */
  readonly event: Uint8Array;
}

const OPEN = utf8('{"n":');
const INDEX = utf8(',"index":');
const PROOF = utf8(',"proof":"');
const KEYS = utf8(',"keys":{');
const EVIDENCE = utf8(',"evidence":"');
const EVENT = utf8(',"event":{');
const REMOVED = utf8(',"removed":{');
const QUOTE = 0x22;
const BRACE = 0x7d;

/** Undefined unless the line is what `eventLine` writes. The event itself is not parsed: its hash says whether it is right. */
export function parseEventLine(line: Uint8Array): EventLine | undefined {
  if (!startsWith(line, OPEN, 0)) return undefined;
  const n = readNumber(line, OPEN.length);
  if (n === undefined || !startsWith(line, INDEX, n.end)) return undefined;
  const index = readNumber(line, n.end + INDEX.length);
  if (index === undefined) return undefined;
  let at = index.end;
  let proof: readonly Hash[] | undefined;
  const isEvidence = startsWith(line, EVIDENCE, at);
  if (isEvidence || startsWith(line, PROOF, at)) {
    const open = at + (isEvidence ? EVIDENCE : PROOF).length;
    const close = line.indexOf(QUOTE, open);
    if (close < 0) return undefined;
    const bytes = fromBase64(textOf(line.subarray(open, close)) ?? "?");
    proof = bytes === undefined ? undefined : splitHashes(bytes);
    if (proof === undefined) return undefined;
    at = close + 1;
  }
  let keys: Uint8Array | undefined;
  if (!isEvidence && startsWith(line, KEYS, at)) {
    const close = line.indexOf(BRACE, at + KEYS.length);
    if (close < 0) return undefined;
    keys = line.subarray(at + KEYS.length - 1, close + 1);
    at = close + 1;
  }
  if (line.at(-1) !== BRACE || line.at(-2) !== BRACE) return undefined;
  const isRemoved = !isEvidence && keys === undefined && startsWith(line, REMOVED, at);
  if (!isRemoved && !startsWith(line, EVENT, at)) return undefined;
  const kind = isEvidence ? "evidence" : isRemoved ? "removed" : "event";
  return { kind, n: n.value, index: index.value, proof, keys, event: line.subarray(at + (isRemoved ? REMOVED : EVENT).length - 1, -1) };
}

export function startsWith(bytes: Uint8Array, prefix: Uint8Array, at: number): boolean {
  for (let i = 0; i < prefix.length; i++) if (bytes[at + i] !== prefix[i]) return false;
  return true;
}

/** One way to write each number: no sign, no leading zero. */
function readNumber(bytes: Uint8Array, at: number): { readonly value: number; readonly end: number } | undefined {
  let end = at;
  let value = 0;
  for (;;) {
    const digit = (bytes[end] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
    end++;
  }
  if (end === at || (bytes[at] === 0x30 && end > at + 1) || !Number.isSafeInteger(value)) return undefined;
  return { value, end };
}
