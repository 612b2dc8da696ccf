/** The last position that was acknowledged, and a way to wait for the next. Holds one callback per waiting subscription. */
export class CommitSignal {
  #position: number;
  #closed = false;
  readonly #waiters = new Set<() => void>();

  constructor(position: number) {
    this.#position = position;
  }

  get position(): number {
    return this.#position;
  }

  get closed(): boolean {
    return this.#closed;
  }

  advance(position: number): void {
    if (position <= this.#position) return;
    this.#position = position;
    this.#wake();
  }

  /** No commit will come; nobody waits any more. */
  close(): void {
    this.#closed = true;
    this.#wake();
  }

  /** Resolves when there is a position past `position`, when `signal` aborts, or when there will be none. */
  past(position: number, signal: AbortSignal): Promise<void> {
    if (this.#position > position || this.#closed || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiters.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#waiters.add(done);
      signal.addEventListener("abort", done);
    });
  }

  #wake(): void {
    for (const waiter of this.#waiters) waiter();
  }
}
