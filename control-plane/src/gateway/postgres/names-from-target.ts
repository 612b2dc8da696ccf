/** Somebody may make such a name without our knowledge; what was asked counts for so long. */
export const NAMES_FRESH_MS = 30_000;
/** From this age on it is asked again while it still counts, so that nobody waits for it. */
export const NAMES_REFRESH_MS = 15_000;

/** Undefined: it cannot be told. Never rejects. */
export type AskNames = () => Promise<readonly string[] | undefined>;

/**
 * A list of names in one resource's catalogue, for all of its sessions.
 *
 * N1. What is answered was true at most `NAMES_FRESH_MS` ago, and since `forget` was called last. That it could not be told counts as long.
 * N2. It is asked once at a time.
 */
export class NamesFromTarget {
  readonly #now: () => number;
  #known: { readonly names: readonly string[] | undefined; readonly at: number } | undefined;
  #asking: Promise<readonly string[] | undefined> | undefined;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** A promise only when the agent must be asked. */
  get(ask: AskNames): readonly string[] | undefined | Promise<readonly string[] | undefined> {
    const age = this.#now() - (this.#known?.at ?? -Infinity);
    if (age > NAMES_FRESH_MS) return this.#ask(ask);
    if (age > NAMES_REFRESH_MS) void this.#ask(ask);
    return this.#known?.names;
  }

  /** They may have changed. */
  forget(): void {
    this.#known = undefined;
    this.#asking = undefined;
  }

  #ask(ask: AskNames): Promise<readonly string[] | undefined> {
    if (this.#asking !== undefined) return this.#asking;
    const at = this.#now();
    const asking = ask().then((names) => {
      // Forgotten meanwhile: it holds for whoever asked before that, and for nobody else.
      if (this.#asking !== asking) return names;
      this.#asking = undefined;
      // The session that asked has ended, perhaps: what was told before still counts.
      const isKnown = this.#known !== undefined && this.#now() - this.#known.at <= NAMES_FRESH_MS;
      if (names !== undefined || !isKnown) this.#known = { names, at };
      return this.#known?.names;
    });
    this.#asking = asking;
    return asking;
  }
}
