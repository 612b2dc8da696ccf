/**
 * Owns the clock of the command that runs at the target: idle → running → stopping → idle.
 *
 * T1. The time of a command starts when it, or what prepares it, goes to the target, or when the one before it ends. While a text of several
 *     statements is answered it goes on. What we ask the target about a COPY has the time of a command for itself.
 * T2. When it is over the target is asked to cancel, once; the session waits for its answer no longer than the grace.
 * T3. While nobody reads the target, because the client takes nothing, the grace is no sign that it ignores us.
 */
export class CommandTimer {
  readonly #events: CommandTimerEvents;
  #millis = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor(events: CommandTimerEvents) {
    this.#events = events;
  }

  /** Of the commands that follow; 0 is no limit. */
  limit(millis: number): void {
    this.#millis = millis;
  }

  started(): void {
    if (this.#millis > 0 && this.#timer === undefined) this.#timer = setTimeout(() => this.#over(), this.#millis);
  }

  /** `more`: the target goes on with another one. */
  ended(more: boolean): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#stopping = false;
    if (more) this.started();
  }

  #over(): void {
    if (this.#stopping && !this.#events.unread()) return this.#events.giveUp(this.#millis);
    this.#timer = setTimeout(() => this.#over(), STOP_GRACE_MS);
    if (this.#stopping) return;
    this.#stopping = true;
    this.#events.stop(this.#millis);
  }
}

export interface CommandTimerEvents {
  /** Make the target cancel what runs. */
  stop(millis: number): void;
  /** It did not. */
  giveUp(millis: number): void;
  /** What the target says is not read at the moment. */
  unread(): boolean;
}

/** Servers cancel within milliseconds, but for code that catches the cancellation or does not look for it. */
export const STOP_GRACE_MS = 5_000;
