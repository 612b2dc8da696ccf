/** Somebody may make such a name without our knowledge; what was asked counts for so long. */
export const NAMES_FRESH_MS = 30_000;
/** From this age on it is asked again while it still counts, so that nobody waits for it. */
export const NAMES_REFRESH_MS = 15_000;

type Names = readonly string[] | undefined;

/** Undefined: it cannot be told. `ended`: the session that asked is over, which tells nothing of it. Never rejects. */
export type AskNames = () => Promise<Names | "ended">;

/**
 * A list of names in one resource's catalogue, for all of its sessions.
 *
 * N1. What is answered was true at most `NAMES_FRESH_MS` ago, and since `forget` was called last. That it could not be told counts as long.
 * N2. It is asked once at a time. Where the session that asked ends first, one of those that wait asks itself.
 */
export class NamesFromTarget {
  readonly #now: () => number;
  #known: { readonly names: Names; readonly at: number } | undefined;
  #asking: Promise<Names | "ended"> | undefined;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** A promise only when the agent must be asked. */
  get(ask: AskNames): Names | Promise<Names> {
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

  async #ask(ask: AskNames): Promise<Names> {
    for (let other = this.#asking; other !== undefined; other = this.#asking) {
      const told = await other;
      if (told !== "ended") return told;
    }
    const told = await this.#askFirst(ask);
    return told === "ended" ? undefined : told;
  }

  #askFirst(ask: AskNames): Promise<Names | "ended"> {
    const at = this.#now();
    const asking = ask().then((names) => {
      // Forgotten meanwhile: it holds for whoever asked before that, and for nobody else.
      if (this.#asking !== asking) return names;
      this.#asking = undefined;
      if (names === "ended") return names;
      // What was told before still counts.
      const isKnown = this.#known !== undefined && this.#now() - this.#known.at <= NAMES_FRESH_MS;
      if (names !== undefined || !isKnown) this.#known = { names, at };
      return this.#known?.names;
    });
    this.#asking = asking;
    return asking;
  }
}
