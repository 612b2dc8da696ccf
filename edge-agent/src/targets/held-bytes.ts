import { SallyportError } from "@sallyport/proto/errors";

/** What a session holds below this is not counted: every one may. */
export const FREE_HELD_BYTES = 1_048_576;

/** The parts of a session that hold results: a message that has to be seen whole, a row of a COPY in pieces, what the client has not taken. */
export type HoldingPart = "message" | "copy" | "queue";

/** Says how many bytes a part holds now. Fails with `session.limit` when it has grown and that is too much. */
export type HoldBytes = (part: HoldingPart, bytes: number) => void;

/**
 * Results that sessions hold, over all sessions of this agent: each may hold a row of 128 MiB, and a client can ask for one with ten bytes.
 *
 * H1. Only growth fails, and it fails the session that grows. What goes down is always taken note of.
 * H2. A session that is over holds nothing.
 */
export class HeldBytes {
  readonly #limit: number;
  #total = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** For one session; `close` when it is over. */
  open(): { readonly hold: HoldBytes; readonly close: () => void } {
    const parts: Record<HoldingPart, number> = { message: 0, copy: 0, queue: 0 };
    let counted = 0;
    let open = true;
    const count = (bytes: number): void => {
      const grown = bytes > counted;
      this.#total += bytes - counted;
      counted = bytes;
      if (grown && this.#total > this.#limit) throw new SallyportError("session.limit", "The agent holds too many large results at once.");
    };
    return {
      hold: (part, bytes) => {
        if (!open || parts[part] === bytes) return;
        parts[part] = bytes;
        const sum = parts.message + parts.copy + parts.queue;
        count(sum > FREE_HELD_BYTES ? sum : 0);
      },
      close: () => {
        open = false;
        count(0);
      },
    };
  }
}
