import { CompactRange, type Hash, treeHasher } from "@sallyport/proto/audit/merkle";
import { nodePrimitives } from "@sallyport/proto/audit/node-primitives";
import { Prover } from "@sallyport/proto/audit/proofs";
import type { RemovableLedger } from "../ledger.ts";
import { hashOf } from "./leaf-batch.ts";

/** Leaves of streams that are held at once, with the nodes above them: about 30 MB. Removed streams stand in the log beside each other. */
export const MAX_HELD_LEAVES = 1 << 18;

interface StreamTree {
  readonly size: number;
  readonly prover: Prover;
}

/** The Merkle trees over the leaves of single streams, for proofs that a removed event was one of its stream's. */
export class StreamLeaves {
  readonly #ledger: RemovableLedger;
  readonly #trees = new Map<string, StreamTree>();
  readonly #hasher = treeHasher(nodePrimitives.sha256);
  #held = 0;

  constructor(ledger: RemovableLedger) {
    this.#ledger = ledger;
  }

  async inclusion(stream: string, revision: number): Promise<readonly Hash[]> {
    let tree = this.#trees.get(stream);
    if (tree === undefined) {
      tree = await this.#treeOf(stream);
      for (const [name, { size }] of this.#trees) {
        if (this.#held + tree.size <= MAX_HELD_LEAVES) break;
        this.#trees.delete(name);
        this.#held -= size;
      }
      this.#trees.set(stream, tree);
      this.#held += tree.size;
    }
    return tree.prover.inclusion(revision, tree.size);
  }

  /** Its tombstones, and what a removal that was cut short has left of it. */
  async #treeOf(stream: string): Promise<StreamTree> {
    const leaves: Hash[] = [];
    // Tombstones second: what becomes one meanwhile is met twice, and not missed.
    for await (const event of this.#ledger.readStream(stream)) leaves[Number(event.revision)] = hashOf(event);
    for await (const { leaf, revision } of this.#ledger.tombstones(stream)) leaves[Number(revision)] = leaf;
    const range = new CompactRange(this.#hasher);
    const nodes = new Map<string, Hash>();
    for (const leaf of leaves) range.append(leaf, (level, index, hash) => nodes.set(`${level}/${index}`, hash));
    const nodeAt = (level: number, index: number): Hash => {
      const node = nodes.get(`${level}/${index}`);
      if (node === undefined) throw new RangeError(`No node ${index} at level ${level}.`);
      return node;
    };
    return { size: range.size, prover: new Prover(this.#hasher, nodeAt) };
  }
}
