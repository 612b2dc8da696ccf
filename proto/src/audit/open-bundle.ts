import { type BundleHeader, BUNDLE_FORMAT, type ForgottenSubject, headerLine, sealText } from "./bundle-format.ts";
import { fromBase64, textOf } from "./bytes.ts";
import { checkpointOf, type SignedCheckpoint } from "./checkpoint.ts";
import { KeyChain } from "./key-chain.ts";
import { isAmong } from "./log-verifier.ts";
import { CompactRange, type Hash, splitHashes, subtreesOf, type TreeHasher } from "./merkle.ts";
import { isSignedBy, type Note, noteText, parseNote, parseVerifierKey } from "./note.ts";
import type { Primitives } from "./primitives.ts";
import type { Finding, Trust } from "./verdict.ts";

/** What the first two lines say, once it is known that the log's key signed it. */
export interface OpenBundle {
  readonly header: BundleHeader;
  readonly digest: Hash;
  readonly chain: KeyChain;
  readonly checkpoint: SignedCheckpoint;
  readonly start: CompactRange;
  readonly consistency: readonly Hash[];
  /** Names of the given witnesses that signed. */
  readonly cosigned: readonly string[];
}

export type Opened = { readonly kind: "open"; readonly bundle: OpenBundle } | { readonly kind: "refused"; readonly finding: Finding };

const notABundle: Finding = { code: "bundle.malformed", message: "This is not a bundle of events, or its first line was altered.", line: 1 };

export async function openBundle(
  primitives: Primitives,
  hasher: TreeHasher,
  trust: Trust,
  headerBytes: Uint8Array | undefined,
  sealBytes: Uint8Array | undefined,
): Promise<Opened> {
  const header = headerBytes === undefined ? undefined : parseHeader(headerBytes);
  if (header === undefined || headerBytes === undefined) return refused(notABundle);
  const digest = primitives.sha256(headerBytes);
  const chain = await chainOf(primitives, header);
  const checkpoint = checkpointOf(primitives.sha256, header.checkpoint);
  const [frontier, consistency] = [hashes(header.frontier), hashes(header.consistency)];
  const fits = frontier !== undefined && consistency !== undefined && frontier.length === subtreesOf(header.from);
  if (chain?.current === undefined || checkpoint === undefined || !fits) return refused(notABundle);

  const seal = sealBytes === undefined ? undefined : noteIn(sealBytes, "seal");
  if (seal === undefined || !(await isSignedBy(primitives, seal, chain.current))) {
    return refused({ code: "bundle.altered", message: "The second line is not a seal by the key of the log.", line: 2 });
  }
  if (seal.text !== sealText(header.origin, digest)) {
    return refused({ code: "bundle.altered", message: "The first line is not the one that was sealed.", line: 1 });
  }
  const { keys } = trust;
  if (keys.length > 0 && !chain.keys.some((key) => isAmong(key, keys))) {
    const message = `The bundle is signed by ${chain.keys.map(({ id }) => id).join(", ")}; expected is ${keys.map(({ id }) => id).join(" or ")}.`;
    return refused({ code: "key.replaced", message, line: 1 });
  }
  const note = parseNote(noteText(checkpoint.text, [checkpoint.signatureLine, ...header.cosignatures]));
  if (note === undefined || checkpoint.origin !== header.origin || !chain.accepts(checkpoint.key) || !(await isSignedBy(primitives, note, checkpoint.key))) {
    return refused({ code: "checkpoint.forged", message: "The checkpoint of the bundle is not signed by a key of its log.", line: 1 });
  }
  const cosigned: string[] = [];
  for (const key of trust.witnessKeys ?? []) {
    if (!(await isSignedBy(primitives, note, key)))
      return refused({ code: "witness.differs", message: `The witness ${key.name} has not signed the checkpoint.`, line: 1 });
    cosigned.push(key.name);
  }
  const start = new CompactRange(hasher, header.from, frontier);
  return { kind: "open", bundle: { header, digest, chain, checkpoint, start, consistency, cosigned } };
}

/** A line that holds nothing but a note under this name. */
export function noteIn(line: Uint8Array, name: "seal" | "end"): Note | undefined {
  const text = textOf(line) ?? "";
  const value = objectIn(text)?.[name];
  return typeof value === "string" && text === JSON.stringify({ [name]: value }) ? parseNote(value) : undefined;
}

function parseHeader(line: Uint8Array): BundleHeader | undefined {
  const text = textOf(line) ?? "";
  const header = objectIn(text) as Partial<BundleHeader> | undefined;
  if (header?.format !== BUNDLE_FORMAT) return undefined;
  const { origin, scope, from, to, frontier, consistency, checkpoint, cosignatures, key, rotations, exportedAt, schemas } = header as Readonly<
    Record<keyof BundleHeader, unknown>
  >;
  const strings = [origin, frontier, consistency, key, exportedAt].every((value) => typeof value === "string");
  const objects = [scope, checkpoint, schemas].every((value) => typeof value === "object" && value !== null);
  const places = Number.isSafeInteger(from) && Number.isSafeInteger(to) && Number(from) >= 0 && Number(to) >= Number(from);
  const { forgotten = [] } = header;
  const lists =
    Array.isArray(forgotten) &&
    forgotten.every(isForgotten) &&
    Array.isArray(rotations) &&
    Array.isArray(cosignatures) &&
    cosignatures.every((each) => typeof each === "string");
  if (!strings || !objects || !places || !lists) return undefined;
  return isCanonical(header as BundleHeader, text) ? (header as BundleHeader) : undefined;
}

/** JSON can say what canonical JSON cannot: half a surrogate pair, a number out of range, a hundred brackets and more. */
function isCanonical(header: BundleHeader, text: string): boolean {
  try {
    return headerLine(header) === text;
  } catch {
    return false;
  }
}

function isForgotten(value: unknown): value is ForgottenSubject {
  if (typeof value !== "object" || value === null) return false;
  const { subject, erasureId, requestedBy, approvers, requestedAt } = value as Readonly<Record<keyof ForgottenSubject, unknown>>;
  const people: readonly unknown[] = Array.isArray(approvers) ? approvers : [undefined];
  return [subject, erasureId, requestedBy, requestedAt, ...people].every((each) => typeof each === "string");
}

async function chainOf(primitives: Primitives, { key: first, rotations, origin }: BundleHeader): Promise<KeyChain | undefined> {
  const key = parseVerifierKey(primitives.sha256, first);
  if (key?.name !== origin) return undefined;
  const chain = new KeyChain(primitives);
  chain.begin(key);
  for (const rotation of rotations as readonly unknown[])
    if (typeof rotation !== "object" || rotation === null || !(await chain.rotate(rotation))) return undefined;
  chain.seal();
  return chain;
}

function hashes(text: string): Hash[] | undefined {
  const bytes = fromBase64(text);
  return bytes === undefined ? undefined : splitHashes(bytes);
}

function objectIn(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}

const refused = (finding: Finding): Opened => ({ kind: "refused", finding });
