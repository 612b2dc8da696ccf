import { concat, equal } from "./bytes.ts";
import { HASH_BYTES, type Sha256 } from "./primitives.ts";

/** RFC 6962, section 2.1: the prefixes keep a leaf from ever being read as a node. */
const LEAF = 0x00;
const NODE = 0x01;

export type Hash = Uint8Array;

export interface TreeHasher {
  leaf(bytes: Uint8Array): Hash;
  node(left: Hash, right: Hash): Hash;
  empty(): Hash;
}

export function treeHasher(sha256: Sha256): TreeHasher {
  const pair = new Uint8Array(1 + 2 * HASH_BYTES);
  pair[0] = NODE;
  let scratch = new Uint8Array(4_096);
  return {
    leaf(bytes) {
      if (scratch.length < bytes.length + 1) scratch = new Uint8Array(2 * (bytes.length + 1));
      scratch[0] = LEAF;
      scratch.set(bytes, 1);
      return sha256(scratch.subarray(0, bytes.length + 1));
    },
    node(left, right) {
      pair.set(left, 1);
      pair.set(right, 1 + HASH_BYTES);
      return sha256(pair);
    },
    empty: () => sha256(new Uint8Array(0)),
  };
}

/** A perfect subtree that an append completed; level 0 are the leaves. */
export type OnNode = (level: number, index: number, hash: Hash) => void;

/** The tree over what was appended so far, as the roots of its perfect subtrees, largest first: one for each bit of the size. */
export class CompactRange {
  readonly #hasher: TreeHasher;
  readonly #nodes: Hash[];
  #size: number;

  constructor(hasher: TreeHasher, size = 0, nodes: readonly Hash[] = []) {
    if (nodes.length !== subtreesOf(size)) throw new RangeError(`A tree of ${size} leaves has ${subtreesOf(size)} perfect subtrees, not ${nodes.length}.`);
    this.#hasher = hasher;
    this.#size = size;
    this.#nodes = [...nodes];
  }

  get size(): number {
    return this.#size;
  }

  get nodes(): readonly Hash[] {
    return this.#nodes;
  }

  append(leaf: Hash, onNode?: OnNode): void {
    let index = this.#size;
    let hash = leaf;
    let level = 0;
    onNode?.(level, index, hash);
    for (; index % 2 === 1; level++) {
      const left = this.#nodes.pop() as Hash;
      hash = this.#hasher.node(left, hash);
      index = Math.floor(index / 2);
      onNode?.(level + 1, index, hash);
    }
    this.#nodes.push(hash);
    this.#size++;
  }

  root(): Hash {
    let root = this.#nodes.at(-1);
    if (root === undefined) return this.#hasher.empty();
    for (let i = this.#nodes.length - 2; i >= 0; i--) root = this.#hasher.node(this.#nodes[i] as Hash, root);
    return root;
  }

  clone(): CompactRange {
    return new CompactRange(this.#hasher, this.#size, this.#nodes);
  }
}

/** Bits that are set. */
export function subtreesOf(size: number): number {
  if (!Number.isSafeInteger(size) || size < 0) throw new RangeError(`Not a tree size: ${size}`);
  let bits = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) bits += rest % 2;
  return bits;
}

/** RFC 9162, section 2.1.3.2. */
export function verifyInclusion(hasher: TreeHasher, index: number, size: number, leaf: Hash, proof: readonly Hash[], root: Hash): boolean {
  if (index < 0 || index >= size) return false;
  let fn = index;
  let sn = size - 1;
  let hash = leaf;
  for (const other of proof) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      hash = hasher.node(other, hash);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
    } else {
      hash = hasher.node(hash, other);
    }
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  return sn === 0 && equal(hash, root);
}

/** RFC 9162, section 2.1.4.2; a tree is consistent with itself by an empty proof, and with the empty tree too. */
export function verifyConsistency(
  hasher: TreeHasher,
  old: { readonly size: number; readonly root: Hash },
  now: { readonly size: number; readonly root: Hash },
  proof: readonly Hash[],
): boolean {
  if (old.size > now.size) return false;
  if (old.size === now.size) return proof.length === 0 && equal(old.root, now.root);
  if (old.size === 0) return proof.length === 0 && equal(old.root, hasher.empty());
  const isPower = subtreesOf(old.size) === 1;
  const path = isPower ? [old.root, ...proof] : proof;
  let fn = old.size - 1;
  let sn = now.size - 1;
  while (fn % 2 === 1) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  const [first, ...rest] = path;
  if (first === undefined) return false;
  let fr = first;
  let sr = first;
  for (const hash of rest) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      fr = hasher.node(hash, fr);
      sr = hasher.node(hash, sr);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
    } else {
      sr = hasher.node(sr, hash);
    }
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  return sn === 0 && equal(fr, old.root) && equal(sr, now.root);
}

/** Cuts what was written one after the other into hashes; undefined when it is not a whole number of them. */
export function splitHashes(bytes: Uint8Array): Hash[] | undefined {
  if (bytes.length % HASH_BYTES !== 0) return undefined;
  return Array.from({ length: bytes.length / HASH_BYTES }, (_, i) => bytes.slice(i * HASH_BYTES, (i + 1) * HASH_BYTES));
}

export const joinHashes = (hashes: readonly Hash[]): Uint8Array => concat(...hashes);
