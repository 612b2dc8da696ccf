/** Names beyond this many are forgotten, oldest first; what is forgotten is unclassified when it runs. */
const MAX_NAMES = 10_000;

/**
 * What the target's prepared statements, or portals, hold.
 *
 * N1. A name maps to a value only when the target has confirmed it: a redefinition that the target refuses changes nothing.
 * N2. A name that is not here has no facts: the caller must treat it as unclassified (I11).
 */
export class NamedObjects<T> {
  readonly #known = new Map<string, T>();

  get(name: string): T | undefined {
    return this.#known.get(name);
  }

  set(name: string, value: T): void {
    this.#known.delete(name);
    this.#known.set(name, value);
    if (this.#known.size <= MAX_NAMES) return;
    const oldest = this.#known.keys().next();
    if (oldest.done !== true) this.#known.delete(oldest.value);
  }

  delete(name: string): void {
    this.#known.delete(name);
  }

  clear(): void {
    this.#known.clear();
  }
}
