import type { Decision } from "../domain/decision.ts";

/** About 1 KiB each. More distinct commands than people and programs repeat within minutes. */
export const MAX_CACHED_DECISIONS = 16_384;

/** The decisions used last, of one policy version. */
export class DecisionCache {
  readonly #decisions = new Map<string, Decision>();

  get size(): number {
    return this.#decisions.size;
  }

  get(key: string): Decision | undefined {
    const decision = this.#decisions.get(key);
    if (decision === undefined) return undefined;
    // A Map keeps the order of insertion: the one used longest ago is first.
    this.#decisions.delete(key);
    this.#decisions.set(key, decision);
    return decision;
  }

  put(key: string, decision: Decision): void {
    if (this.#decisions.size >= MAX_CACHED_DECISIONS) {
      const [oldest] = this.#decisions.keys();
      if (oldest !== undefined) this.#decisions.delete(oldest);
    }
    this.#decisions.set(key, decision);
  }
}
