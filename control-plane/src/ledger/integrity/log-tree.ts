import { type Checkpoint, originOf } from "@sallyport/proto/audit/checkpoint";
import { LeafWindow, MAX_FINGERPRINTS } from "@sallyport/proto/audit/fingerprints";
import { CompactRange, type Hash, treeHasher } from "@sallyport/proto/audit/merkle";
import { nodePrimitives } from "@sallyport/proto/audit/node-primitives";
import { Prover } from "@sallyport/proto/audit/proofs";
import type { Leaf } from "./leaf-batch.ts";
import { TreeFile } from "./tree-file.ts";

export interface TreeHead {
  readonly checkpoint: Checkpoint;
  readonly leaves: Uint8Array;
  /** How many were counted when it was taken. */
  readonly events: number;
}

/**
 * The Merkle tree over the ledger, as far as it was read. Each event is added once, in the order of positions.
 *
 * T1. `size` leaves are in the tree; the window holds those after the last checkpoint, for its fingerprints.
 * T2. `unsigned` counts events after the last checkpoint that are not about the log itself: an idle ledger stays idle.
 */
export class LogTree {
  readonly #hasher = treeHasher(nodePrimitives.sha256);
  readonly #file: TreeFile;
  readonly prover: Prover;
  #range: CompactRange;
  #window: LeafWindow;
  #events = 0;
  #covered = 0;
  #lastPosition: bigint | undefined;

  constructor(folder: string) {
    this.#file = new TreeFile(folder);
    this.prover = new Prover(this.#hasher, (level, index) => this.#file.nodeAt(level, index));
    this.#range = new CompactRange(this.#hasher, this.#file.size, this.prover.frontier(this.#file.size));
    this.#window = new LeafWindow(this.#file.size);
    this.#lastPosition = this.size === 0 ? undefined : this.positionOf(this.size - 1);
  }

  get size(): number {
    return this.#range.size;
  }

  get unsigned(): number {
    return this.#events - this.#covered;
  }

  get origin(): string | undefined {
    return this.size === 0 ? undefined : originOf(this.leafAt(0));
  }

  leafAt(index: number): Hash {
    return this.#file.nodeAt(0, index);
  }

  positionOf(index: number): bigint {
    return this.#file.positionOf(index);
  }

  /** The first leaf at this position or after it. */
  leafFrom(position: bigint): number {
    return this.#file.leafFrom(position);
  }

  /** Where reading goes on: after the last leaf. */
  get lastPosition(): bigint | undefined {
    return this.#lastPosition;
  }

  add({ position, hash, isAboutLog }: Leaf): void {
    this.#file.requireRoom();
    this.#lastPosition = position;
    const completed: Hash[] = [];
    this.#window.push(hash, "");
    this.#range.append(hash, (_level, _index, node) => completed.push(node));
    if (!isAboutLog) this.#events++;
    this.#file.append(position, completed); // the last thing that may fail: the leaf is in the tree then, and comes no second time
    // Far behind a checkpoint nothing is named one by one.
    if (this.size - this.#window.start > 4 * MAX_FINGERPRINTS) this.#window.dropBefore(this.size - 2 * MAX_FINGERPRINTS);
  }

  /** The tree as it is now, to be signed, with the fingerprints of the leaves since `since`. */
  head(since: number, time: string): TreeHead | undefined {
    const { origin, lastPosition } = this;
    if (origin === undefined || lastPosition === undefined) return undefined;
    const leaves = this.#window.fingerprints(since, this.size);
    const leavesDigest = nodePrimitives.sha256(leaves);
    const checkpoint = { origin, treeSize: this.size, root: this.#range.root(), time, position: String(lastPosition), leavesDigest };
    return { checkpoint, leaves, events: this.#events };
  }

  /** A checkpoint over this head is recorded. */
  covered({ checkpoint: { treeSize }, events }: TreeHead): void {
    this.#covered = events;
    if (treeSize > this.#window.start) this.#window.dropBefore(treeSize);
  }

  /** After a start: the leaves since the last checkpoint come back into the window. */
  resume(treeSize: number): void {
    if (this.size - treeSize > MAX_FINGERPRINTS) return;
    this.#window = new LeafWindow(treeSize);
    for (let i = treeSize; i < this.size; i++) this.#window.push(this.leafAt(i), "");
  }

  flush(): void {
    this.#file.flush();
  }

  clear(): void {
    this.#file.clear();
    this.#range = new CompactRange(this.#hasher);
    this.#window = new LeafWindow(0);
    this.#events = this.#covered = 0;
    this.#lastPosition = undefined;
  }

  close(): void {
    this.#file.close();
  }
}
