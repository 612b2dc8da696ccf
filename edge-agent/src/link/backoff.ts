/** The first wait is up to this. */
export const BACKOFF_BASE_MS = 500;
/** No agent stays away longer, once the control plane is back. */
export const BACKOFF_CAP_MS = 30_000;
/** A link that dies sooner has proved nothing: a control plane that accepts and fails must not be hammered. */
export const HELD_LONG_ENOUGH_MS = 30_000;

/** Exponential, with full jitter: a thousand agents that lost one control plane do not come back in one second. */
export class Backoff {
  readonly #random: () => number;
  #failures = 0;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** How long to wait before the next attempt, after a link that held so long. */
  next(heldMs: number): number {
    if (heldMs >= HELD_LONG_ENOUGH_MS) this.#failures = 0;
    const ceiling = Math.min(BACKOFF_BASE_MS * 2 ** this.#failures, BACKOFF_CAP_MS);
    if (ceiling < BACKOFF_CAP_MS) this.#failures++;
    return Math.floor(this.#random() * ceiling);
  }
}
