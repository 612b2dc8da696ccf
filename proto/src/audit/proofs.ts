import type { Hash, TreeHasher } from "./merkle.ts";

/** Gives the root of the perfect subtree of 2^level leaves that begins at leaf `index * 2^level`. */
export type NodeAt = (level: number, index: number) => Hash;

/** RFC 6962, sections 2.1.1 and 2.1.2, over stored nodes: O(log n) reads per proof. */
export class Prover {
  readonly #hasher: TreeHasher;
  readonly #nodeAt: NodeAt;

  constructor(hasher: TreeHasher, nodeAt: NodeAt) {
    this.#hasher = hasher;
    this.#nodeAt = nodeAt;
  }

  root(size: number): Hash {
    return size === 0 ? this.#hasher.empty() : this.#range(0, size);
  }

  inclusion(index: number, size: number): Hash[] {
    if (index < 0 || index >= size) throw new RangeError(`A tree of ${size} leaves has no leaf ${index}.`);
    const proof: Hash[] = [];
    let [low, high] = [0, size];
    while (high - low > 1) {
      const middle = low + splitOf(high - low);
      if (index < middle) {
        proof.push(this.#range(middle, high));
        high = middle;
      } else {
        proof.push(this.#range(low, middle));
        low = middle;
      }
    }
    return proof.toReversed();
  }

  consistency(old: number, size: number): Hash[] {
    if (old < 0 || old > size) throw new RangeError(`A tree of ${size} leaves does not hold one of ${old}.`);
    return old === 0 ? [] : this.#subproof(old, 0, size, true);
  }

  /** What a compact range of the first `size` leaves is made of. */
  frontier(size: number): Hash[] {
    const nodes: Hash[] = [];
    for (let low = 0; low < size;) {
      const width = largestPower(size - low);
      nodes.push(this.#range(low, low + width));
      low += width;
    }
    return nodes;
  }

  #subproof(old: number, low: number, high: number, known: boolean): Hash[] {
    if (old === high) return known ? [] : [this.#range(low, high)];
    const middle = low + splitOf(high - low);
    if (old <= middle) return [...this.#subproof(old, low, middle, known), this.#range(middle, high)];
    return [...this.#subproof(old, middle, high, false), this.#range(low, middle)];
  }

  #range(low: number, high: number): Hash {
    const width = high - low;
    if (largestPower(width) === width) return this.#nodeAt(Math.round(Math.log2(width)), low / width);
    const middle = low + splitOf(width);
    return this.#hasher.node(this.#range(low, middle), this.#range(middle, high));
  }
}

/** The largest power of two that is not more than `n`. */
function largestPower(n: number): number {
  let power = 1;
  while (power * 2 <= n) power *= 2;
  return power;
}

/** The largest power of two that is less than `n`: where RFC 6962 splits a tree of n leaves. */
const splitOf = (n: number): number => largestPower(n - 1);
