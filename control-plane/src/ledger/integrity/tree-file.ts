import { closeSync, ftruncateSync, fstatSync, mkdirSync, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Hash } from "@sallyport/proto/audit/merkle";
import { HASH_BYTES } from "@sallyport/proto/audit/primitives";

/** A 64-bit number. */
const POSITION_BYTES = 8;

/** What waits to be written is at most this many leaves, while the disk takes them; 40 KiB, one write. */
export const MAX_UNWRITTEN = 512;

/** While the disk does not take them: some 40 MB, and minutes of a busy ledger. Then leaves wait in the ledger, where they are anyway. */
export const MAX_HELD = 65_536;

/**
 * Every node of the Merkle tree, and the ledger position of every leaf, in two files beside the ledger, so that a proof is a few
 * reads and a start is not a full re-hash. A cache: it may be thrown away, and is never believed without a signed root.
 *
 * A node follows its children, so both files only ever grow; whatever a crash, or a disk that was full, leaves behind is cut back to
 * whole leaves. What could not be written stays in memory, is read there, and is tried again with the next.
 */
export class TreeFile {
  readonly #nodes: number;
  readonly #positions: number;
  #size: number;
  #written: number;
  #newNodes: Hash[] = [];
  #newPositions: bigint[] = [];

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#nodes = openSync(join(folder, "tree"), "a+", 0o600);
    this.#positions = openSync(join(folder, "positions"), "a+", 0o600);
    const nodes = Math.floor(fstatSync(this.#nodes).size / HASH_BYTES);
    let size = Math.floor(fstatSync(this.#positions).size / POSITION_BYTES);
    while (nodeCount(size) > nodes) size--;
    this.#size = this.#written = size;
    this.#cut();
  }

  /** Leaves. */
  get size(): number {
    return this.#size;
  }

  /** Fails while too much waits for the disk: before a leaf is added, so that it can come again. */
  requireRoom(): void {
    if (this.#newPositions.length >= MAX_HELD) this.flush();
  }

  /** `completed` are the leaf and the nodes that it completes, from the leaf up. */
  append(position: bigint, completed: readonly Hash[]): void {
    this.#newNodes.push(...completed);
    this.#newPositions.push(position);
    this.#size++;
    if (this.#newPositions.length % MAX_UNWRITTEN === 0) this.flush();
  }

  nodeAt(level: number, index: number): Hash {
    const at = nodeIndex(level, index);
    const written = nodeCount(this.#written);
    if (at >= written) return this.#newNodes[at - written] ?? outside();
    return read(this.#nodes, at * HASH_BYTES, HASH_BYTES);
  }

  positionOf(leaf: number): bigint {
    if (leaf < 0 || leaf >= this.#size) return outside();
    if (leaf >= this.#written) return this.#newPositions[leaf - this.#written] ?? outside();
    return read(this.#positions, leaf * POSITION_BYTES, POSITION_BYTES).readBigUInt64BE();
  }

  /** The first leaf at this position or after it; the size when there is none. */
  leafFrom(position: bigint): number {
    let [low, high] = [0, this.#size];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.positionOf(middle) < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  flush(): void {
    while (this.#newPositions.length > 0) this.#write(Math.min(this.#newPositions.length, MAX_UNWRITTEN));
  }

  clear(): void {
    this.#newNodes = [];
    this.#newPositions = [];
    this.#size = this.#written = 0;
    this.#cut();
  }

  close(): void {
    try {
      this.flush();
    } catch {
      // The disk is full, as whoever flushed before was told. The next start hashes those leaves again.
    }
    closeSync(this.#nodes);
    closeSync(this.#positions);
  }

  /** The first so many that wait: a disk that takes nothing is asked for little, however much waits. */
  #write(leaves: number): void {
    const nodes = nodeCount(this.#written + leaves) - nodeCount(this.#written);
    const positions = Buffer.alloc(leaves * POSITION_BYTES);
    for (const [i, position] of this.#newPositions.slice(0, leaves).entries()) positions.writeBigUInt64BE(position, i * POSITION_BYTES);
    try {
      writeWhole(this.#nodes, Buffer.concat(this.#newNodes.slice(0, nodes)));
      writeWhole(this.#positions, positions);
    } catch (error) {
      this.#cut(); // the next write goes to the end of the file, which must be where the last whole one ended
      throw error;
    }
    this.#written += leaves;
    this.#newNodes.splice(0, nodes);
    this.#newPositions.splice(0, leaves);
  }

  #cut(): void {
    ftruncateSync(this.#nodes, nodeCount(this.#written) * HASH_BYTES);
    ftruncateSync(this.#positions, this.#written * POSITION_BYTES);
  }
}

/** Nodes of all perfect subtrees of a tree of so many leaves: with each leaf come those that it completes. */
export function nodeCount(leaves: number): number {
  let count = 0;
  for (let rest = leaves; rest > 0; rest = Math.floor(rest / 2)) count += rest;
  return count;
}

/** A node is written when its last leaf is: after all nodes of the leaves before, and after its own children. */
export function nodeIndex(level: number, index: number): number {
  const lastLeaf = (index + 1) * 2 ** level - 1;
  return nodeCount(lastLeaf) + level;
}

function read(file: number, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  if (readSync(file, bytes, 0, length, at) !== length) return outside();
  return bytes;
}

/** A file that is opened for appending writes at its end, wherever that is. */
function writeWhole(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
}

function outside(): never {
  throw new RangeError("Not in the stored tree.");
}
