/** Beyond these, names are forgotten, oldest first; what is forgotten is unclassified when it runs. */
export const MAX_NAMES = 10_000;
export const MAX_BYTES = 16 * 1_048_576;

const ASCII = /^[^\u0080-\uffff]*$/;

/** One that is not may come in other bytes when the encoding changes. */
export const isAsciiName = (name: string): boolean => ASCII.test(name);

/**
 * What the target's prepared statements, or portals, hold.
 *
 * N1. A name maps to a value only when the target has confirmed it: a redefinition that the target refuses changes nothing.
 * N2. A name that is not here has no facts: the caller must treat it as unclassified (I11).
 * N3. What is kept is bounded in number and bytes. A name that is not ASCII is never kept: the target converts names from the
 *     client's encoding, so that the same name can come in other bytes.
 */
export class NamedObjects<T> {
  readonly #known = new Map<string, { readonly value: T; readonly bytes: number }>();
  #bytes = 0;

  get(name: string): T | undefined {
    return this.#known.get(name)?.value;
  }

  /** A copy: the caller may change what is here. */
  all(): readonly (readonly [name: string, value: T])[] {
    return Array.from(this.#known, ([name, { value }]) => [name, value] as const);
  }

  /** `bytes`: what keeping it costs. */
  set(name: string, value: T, bytes: number): void {
    this.delete(name);
    if (!isAsciiName(name)) return;
    this.#known.set(name, { value, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_NAMES && this.#bytes <= MAX_BYTES) return;
      this.delete(oldest);
    }
  }

  delete(name: string): void {
    this.#bytes -= this.#known.get(name)?.bytes ?? 0;
    this.#known.delete(name);
  }

  clear(except?: string): void {
    const kept = except === undefined ? undefined : this.#known.get(except);
    this.#known.clear();
    this.#bytes = 0;
    if (except !== undefined && kept !== undefined) this.set(except, kept.value, kept.bytes);
  }
}
