import { SallyportError } from "@sallyport/proto/errors";

/** Below this a session's share is not counted: every session may hold it. */
const FREE_BYTES = 1_048_576;

/** Client messages that are being collected, over all sessions: many large ones at once must not exhaust memory (I10). */
export class LargeMessageBudget {
  readonly #limit: number;
  readonly #held = new Map<object, number>();
  #total = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** What `owner` holds now. Fails with `session.limit` when that is too much together with everybody else's. */
  hold(owner: object, bytes: number): void {
    const before = this.#held.get(owner) ?? 0;
    const now = bytes > FREE_BYTES ? bytes : 0;
    if (now === before) return;
    this.#total += now - before;
    if (now === 0) this.#held.delete(owner);
    else this.#held.set(owner, now);
    if (now > before && this.#total > this.#limit) throw new SallyportError("session.limit", "Too many large messages are being received at once.");
  }
}
