import { hash } from "node:crypto";
import { CHECKPOINT_STREAM } from "@sallyport/proto/audit/checkpoint";
import { leafText } from "@sallyport/proto/audit/leaf";
import type { Hash } from "@sallyport/proto/audit/merkle";
import { HASH_BYTES } from "@sallyport/proto/audit/primitives";
import type { LogEntry, RecordedEvent } from "../ledger.ts";

/** What the tree needs of an event. */
export interface Leaf {
  readonly position: bigint;
  readonly hash: Hash;
  /** A checkpoint, or a change of its key: no reason for another checkpoint. */
  readonly isAboutLog: boolean;
}

/** Leaves as they cross threads: three arrays, since an object for each would cost the receiver much of what hashing does. */
export interface LeafBatch {
  readonly positions: BigUint64Array;
  readonly hashes: Uint8Array;
  readonly aboutLog: Uint8Array;
}

/** 21 KiB; adding them to the tree holds a thread for a millisecond or two. */
export const MAX_BATCH = 512;

/** RFC 6962's prefix of a leaf is a byte 0, which is U+0000 in UTF-8: hashed as text, the bytes are never copied together. */
export const hashOf = (event: RecordedEvent): Hash => hash("sha256", `\0${leafText(event)}`, "buffer");

/** What an event and what is left of one have in common. */
export const placeOf = (entry: LogEntry): Pick<RecordedEvent, "stream" | "position" | "revision"> => (entry.kind === "event" ? entry.event : entry.tombstone);

/** Of what was removed, the leaf is all that is left; a signed root tells whether it is the right one. */
export function pack(entries: readonly LogEntry[]): LeafBatch {
  const hashes = new Uint8Array(entries.length * HASH_BYTES);
  for (const [i, entry] of entries.entries()) hashes.set(entry.kind === "event" ? hashOf(entry.event) : entry.tombstone.leaf, i * HASH_BYTES);
  return {
    positions: BigUint64Array.from(entries, (entry) => placeOf(entry).position),
    hashes,
    aboutLog: Uint8Array.from(entries, (entry) => (placeOf(entry).stream === CHECKPOINT_STREAM ? 1 : 0)),
  };
}

export function unpack({ positions, hashes, aboutLog }: LeafBatch): Leaf[] {
  return Array.from(positions, (position, i) => ({
    position,
    hash: hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES),
    isAboutLog: aboutLog[i] === 1,
  }));
}
