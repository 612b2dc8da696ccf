/** Somebody may make such a schema without our knowledge; what was asked counts for so long. */
export const USER_SCHEMAS_FRESH_MS = 30_000;
/** From this age on it is asked again while it still counts, so that nobody waits for it. */
export const USER_SCHEMAS_REFRESH_MS = 15_000;

/** Undefined: it cannot be told. Never rejects. */
export type AskUserSchemas = () => Promise<readonly string[] | undefined>;

/**
 * The schemas of one resource that have the name of a role: what `$user` in a search path may mean, whichever of its roles a session has taken.
 *
 * U1. What is answered was true at most `USER_SCHEMAS_FRESH_MS` ago. That it could not be told counts as long.
 * U2. It is asked once at a time, for all sessions of the resource.
 */
export class UserSchemas {
  readonly #now: () => number;
  #known: { readonly names: readonly string[] | undefined; readonly at: number } | undefined;
  #asking: Promise<readonly string[] | undefined> | undefined;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** A promise only when the agent must be asked. */
  get(ask: AskUserSchemas): readonly string[] | undefined | Promise<readonly string[] | undefined> {
    const age = this.#now() - (this.#known?.at ?? -Infinity);
    if (age > USER_SCHEMAS_FRESH_MS) return this.#ask(ask);
    if (age > USER_SCHEMAS_REFRESH_MS) void this.#ask(ask);
    return this.#known?.names;
  }

  #ask(ask: AskUserSchemas): Promise<readonly string[] | undefined> {
    const at = this.#now();
    this.#asking ??= ask().then((names) => {
      this.#asking = undefined;
      // The session that asked has ended, perhaps: what was told before still counts.
      const isKnown = this.#known !== undefined && this.#now() - this.#known.at <= USER_SCHEMAS_FRESH_MS;
      if (names !== undefined || !isKnown) this.#known = { names, at };
      return this.#known?.names;
    });
    return this.#asking;
  }
}
