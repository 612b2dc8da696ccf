import type { LedgerFilter } from "../ledger.ts";
import { matchesPrefix } from "./event-row.ts";
import type { EncodedAppend } from "./writer-messages.ts";

/** An append that is durable, and the position of its last event; its events stand next to each other. */
export interface Committed {
  readonly append: Pick<EncodedAppend, "stream"> & { readonly events: readonly { readonly type: string }[] };
  readonly position: number;
}

export interface Wait {
  /** Wakes on the first event past this one that the filter lets through. */
  readonly after: number;
  readonly filter: LedgerFilter | undefined;
  /** Wakes also when the log has come this far. */
  readonly atLatest: number;
  readonly signal: AbortSignal;
}

interface Waiter {
  readonly wait: Wait;
  /** Nothing up to here is for this waiter. */
  at: number;
  readonly wake: () => void;
}

/**
 * The last position that was acknowledged, and a way to wait for the next that matters. Holds one record per waiting subscription.
 *
 * C1. What no filter of a waiter matches costs it a comparison of prefixes: it is not woken, and nothing is read or parsed.
 * C2. A waiter passes over positions only when every event at them is known. When a commit does not continue where the one before
 *     ended (what was reported as failed may have been stored after all), everybody is woken and reads for themselves.
 */
export class CommitSignal {
  #position: number;
  #closed = false;
  readonly #waiters = new Set<Waiter>();

  constructor(position: number) {
    this.#position = position;
  }

  get position(): number {
    return this.#position;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** `committed`: what led up to `position`, in the order of the positions. */
  advance(position: number, committed: readonly Committed[]): void {
    if (position <= this.#position) return;
    const known = continues(this.#position, position, committed);
    this.#position = position;
    for (const waiter of this.#waiters) {
      const { after, filter, atLatest } = waiter.wait;
      if (position <= after) continue;
      const passes = known && position < atLatest && !committed.some(({ append }) => concerns(append, filter));
      if (passes) waiter.at = position;
      else waiter.wake();
    }
  }

  /** No commit will come; nobody waits any more. */
  close(): void {
    this.#closed = true;
    for (const waiter of this.#waiters) waiter.wake();
  }

  /**
   * Resolves when there is something past `after` to look at, when `signal` aborts, or when there will be nothing any more.
   * Answers the position up to which nothing is to be looked at.
   */
  past(wait: Wait): Promise<number> {
    const { after, signal } = wait;
    if (this.#position > after || this.#closed || signal.aborted) return Promise.resolve(after);
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiters.delete(waiter);
        signal.removeEventListener("abort", wake);
        resolve(waiter.at);
      };
      const waiter: Waiter = { wait, at: after, wake };
      this.#waiters.add(waiter);
      signal.addEventListener("abort", wake);
    });
  }
}

function continues(before: number, position: number, committed: readonly Committed[]): boolean {
  let reached = before;
  for (const { append, position: last } of committed) {
    if (last <= before) continue; // a retry of what was told before
    if (last - append.events.length !== reached) return false;
    reached = last;
  }
  return reached === position;
}

function concerns({ stream, events }: Committed["append"], filter: LedgerFilter | undefined): boolean {
  if (filter === undefined) return true;
  return filter.by === "stream" ? matchesPrefix(stream, filter) : events.some(({ type }) => matchesPrefix(type, filter));
}
