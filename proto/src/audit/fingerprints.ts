import { HASH_BYTES } from "./primitives.ts";

/**
 * A checkpoint's root says that something is wrong among the leaves that it covers, not where. So each one also carries the first
 * four bytes of every leaf since the one before: 5 bytes of base64 per event name the exact leaf.
 */
export const FINGERPRINT_BYTES = 4;

/** Over this many (a first checkpoint over a long history) none are given, so that the event stays small; then a range is named. */
export const MAX_FINGERPRINTS = 4_096;

/** A growing row of leaf hashes from a certain index on. */
export class LeafWindow {
  #hashes = new Uint8Array(1_024 * HASH_BYTES);
  #positions: string[] = [];
  #start: number;
  #count = 0;

  constructor(start: number) {
    this.#start = start;
  }

  get start(): number {
    return this.#start;
  }

  get end(): number {
    return this.#start + this.#count;
  }

  push(hash: Uint8Array, position: string): void {
    const at = this.#count * HASH_BYTES;
    if (at === this.#hashes.length) {
      const larger = new Uint8Array(2 * this.#hashes.length);
      larger.set(this.#hashes);
      this.#hashes = larger;
    }
    this.#hashes.set(hash, at);
    this.#positions.push(position);
    this.#count++;
  }

  /** A view, good until the next call of anything else. */
  at(index: number): Uint8Array {
    const at = (index - this.#start) * HASH_BYTES;
    return this.#hashes.subarray(at, at + HASH_BYTES);
  }

  /** Empty when none is known. */
  positionOf(index: number): string {
    return this.#positions[index - this.#start] ?? "";
  }

  indexOf(position: string): number | undefined {
    const at = this.#positions.lastIndexOf(position);
    return at < 0 ? undefined : this.#start + at;
  }

  fingerprint(index: number): number {
    const at = (index - this.#start) * HASH_BYTES;
    return readFingerprint(this.#hashes, at);
  }

  /** Of the leaves [from, to); none when there are too many of them, or some are gone. */
  fingerprints(from: number, to: number): Uint8Array {
    if (to - from > MAX_FINGERPRINTS || from < this.#start) return new Uint8Array(0);
    const out = new Uint8Array((to - from) * FINGERPRINT_BYTES);
    for (let i = from; i < to; i++) out.set(this.at(i).subarray(0, FINGERPRINT_BYTES), (i - from) * FINGERPRINT_BYTES);
    return out;
  }

  dropBefore(index: number): void {
    const dropped = index - this.#start;
    this.#hashes.copyWithin(0, dropped * HASH_BYTES, this.#count * HASH_BYTES);
    this.#positions = this.#positions.slice(dropped);
    this.#start = index;
    this.#count -= dropped;
  }
}

export function readFingerprint(bytes: Uint8Array, at: number): number {
  return (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0;
}

export interface Difference {
  readonly index: number;
  readonly kind: "altered" | "missing" | "inserted" | "reordered";
}

/** The first leaf before `until` that is not the one that was signed, and what may have been done. `signed` covers the leaves up to `end`. */
export function firstDifference(window: LeafWindow, signed: Uint8Array, end: number, until = end): Difference | undefined {
  const count = signed.length / FINGERPRINT_BYTES;
  const from = end - count;
  const expected = (index: number): number => readFingerprint(signed, (index - from) * FINGERPRINT_BYTES);
  const first = Math.max(from, window.start);
  for (let index = first; index < until; index++) {
    if (index < window.end && window.fingerprint(index) === expected(index)) continue;
    if (index >= window.end) return { index, kind: "missing" };
    const [found, wanted] = [window.fingerprint(index), expected(index)];
    const laterHere = someIn(index + 1, Math.min(window.end, end + count), (i) => window.fingerprint(i) === wanted);
    const laterSigned = someIn(index + 1, end, (i) => expected(i) === found);
    if (laterHere) return { index, kind: laterSigned ? "reordered" : "inserted" };
    return { index, kind: laterSigned ? "missing" : "altered" };
  }
  return undefined;
}

function someIn(from: number, to: number, matches: (index: number) => boolean): boolean {
  for (let index = from; index < to; index++) if (matches(index)) return true;
  return false;
}
