import { createHmac } from "node:crypto";
import { AT, DOT, isLetter, STAR } from "./byte-classes.ts";
import { MAX_TOKEN_BYTES, tokenOf } from "./token.ts";

/** From the one that reveals nothing to the one that reveals most. */
export const MASK_KINDS = ["null", "full", "hash", "token", "partial", "round"] as const;
export type MaskKind = (typeof MASK_KINDS)[number];

/** Of one length for every value, so that not even the length shows. */
export const FULL_MASK = Buffer.from("****");
/** A partial mask reveals at most this many characters, and at most a quarter of the value. */
const MAX_REVEALED = 4;
/** 64 bits: two of a million values share a hash with odds of 1 in 37 million. */
const HASH_HEX_DIGITS = 16;

export interface MaskKeys {
  /** Of one session: its hashes are useless in any other. */
  readonly hash: Buffer;
  /** Of one resource, for as long as the agent keeps its identity: the same value has the same token in every session. */
  readonly token: Buffer;
}

/**
 * What stands in the place of a text value; null is SQL NULL, or its like.
 * The same value and key give the same hash or token, whatever the column, so that results can still be joined and grouped.
 */
export function maskValue(kind: MaskKind, value: Buffer, keys: MaskKeys): Buffer | null {
  switch (kind) {
    case "null":
      return null;
    // Text has no rounding.
    case "round":
    case "full":
      return FULL_MASK;
    case "token":
      return value.length > MAX_TOKEN_BYTES ? FULL_MASK : tokenOf(value, keys.token);
    case "hash":
      return Buffer.from(createHmac("sha256", keys.hash).update(value).digest("hex").slice(0, HASH_HEX_DIGITS));
    case "partial":
      return partial(value);
  }
}

/** One `*` per character. An e-mail address keeps its first letter and a short top-level domain, anything else its end. */
function partial(value: Buffer): Buffer {
  let characters = 0;
  for (const byte of value) if (startsCharacter(byte)) characters++;
  const budget = Math.min(MAX_REVEALED, Math.floor(characters / 4));
  const at = value.indexOf(AT);
  if (at > 0) return partialEmail(value, at, characters, budget);
  let kept = value.length;
  for (let left = budget; left > 0; left--)
    do kept--;
    while (!startsCharacter(value[kept] ?? 0));
  return Buffer.concat([Buffer.alloc(characters - budget, STAR), value.subarray(kept)]);
}

/** Every byte of UTF-8 but the continuations. */
const startsCharacter = (byte: number): boolean => (byte & 0xc0) !== 0x80;

/** `@`, and the dot before what is kept of the domain, are structure and count as nothing revealed. */
function partialEmail(value: Buffer, at: number, characters: number, budget: number): Buffer {
  const masked = Buffer.alloc(characters, STAR);
  const first = value[0] ?? 0;
  if (budget > 0 && isLetter(first)) masked[0] = first;
  if (characters !== value.length) return masked;
  masked[at] = AT;
  const dot = value.lastIndexOf(DOT);
  if (dot > at && value.length - dot - 1 <= budget - 1) value.copy(masked, dot, dot);
  return masked;
}
