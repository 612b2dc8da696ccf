/**
 * A map that forgets what was used longest ago when its entries cost more than a bound. An entry that would take more than its share of
 * the bound is not kept at all. Each costs 1 unless `costOf` says otherwise.
 */
export class LruMap<V extends object | string | number> {
  /** In order of use: a Map keeps the order of insertion. */
  readonly #entries = new Map<string, V>();
  readonly #maxCost: number;
  readonly #maxEntryCost: number;
  readonly #costOf: (key: string) => number;
  #cost = 0;

  constructor(maxCost: number, costOf: (key: string) => number = () => 1, maxEntryCost = maxCost) {
    this.#maxCost = maxCost;
    this.#maxEntryCost = maxEntryCost;
    this.#costOf = costOf;
  }

  /** Of all entries together. */
  get cost(): number {
    return this.#cost;
  }

  get(key: string): V | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  set(key: string, value: V): void {
    const cost = this.#costOf(key);
    if (cost > this.#maxEntryCost) return;
    if (!this.#entries.delete(key)) this.#cost += cost;
    this.#entries.set(key, value);
    for (const oldest of this.#entries.keys()) {
      if (this.#cost <= this.#maxCost) return;
      this.#entries.delete(oldest);
      this.#cost -= this.#costOf(oldest);
    }
  }
}
