import { fromBase64, textOf, toBase64 } from "./bytes.ts";
import { canonicalJson } from "./canonical-json.ts";
import { type Hash, joinHashes, splitHashes } from "./merkle.ts";
import { HASH_BYTES } from "./primitives.ts";

/** A removed event as a bundle has it. */
export interface RemovedLine {
  readonly stream: string;
  readonly revision: number;
  /** Base64, as is what follows. */
  readonly leaf: string;
  /** That it is among the leaves of its stream, as the decision to remove the stream has them. */
  readonly member: string;
}

export const removedLine = (stream: string, revision: number, leaf: Hash, member: readonly Hash[]): RemovedLine => ({
  stream,
  revision,
  leaf: toBase64(leaf),
  member: toBase64(joinHashes(member)),
});

export interface RemovedEvent {
  readonly stream: string;
  readonly revision: number;
  readonly leaf: Hash;
  readonly member: readonly Hash[];
}

/** Undefined unless it is the one way to write it. */
export function parseRemoved(bytes: Uint8Array): RemovedEvent | undefined {
  const text = textOf(bytes) ?? "";
  try {
    const value = JSON.parse(text) as Readonly<Record<keyof RemovedLine, unknown>>;
    const { stream, revision, leaf: leaf64, member: member64 } = value;
    if (typeof stream !== "string" || typeof revision !== "number" || !Number.isSafeInteger(revision) || revision < 0) return undefined;
    if (typeof leaf64 !== "string" || typeof member64 !== "string") return undefined;
    const [leaf, path] = [fromBase64(leaf64), fromBase64(member64)];
    const member = path === undefined ? undefined : splitHashes(path);
    if (leaf?.length !== HASH_BYTES || member === undefined) return undefined;
    return canonicalJson({ stream, revision, leaf: leaf64, member: member64 }) === text ? { stream, revision, leaf, member } : undefined;
  } catch {
    return undefined;
  }
}
