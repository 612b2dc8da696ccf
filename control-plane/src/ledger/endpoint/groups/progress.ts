/**
 * How far a sequence of places is done, when what is between is done in any order.
 *
 * P1. Everything up to `done` is finished; nothing of it is ever begun again.
 * P2. It holds what is begun and not finished, which is bounded by whoever begins.
 */
export class Progress {
  /** What is unfinished, in order, each with the place before it. */
  readonly #before = new Map<bigint, bigint | undefined>();
  #last: bigint | undefined;

  constructor(done: bigint | undefined) {
    this.#last = done;
  }

  begin(place: bigint): void {
    this.#before.set(place, this.#last);
    this.#last = place;
  }

  finish(place: bigint): void {
    this.#before.delete(place);
  }

  /** There was nothing to do at this place. */
  pass(place: bigint): void {
    if (this.#last === undefined || place > this.#last) this.#last = place;
  }

  /** Undefined before the first. */
  get done(): bigint | undefined {
    const [first] = this.#before.values();
    return this.#before.size === 0 ? this.#last : first;
  }

  get unfinished(): number {
    return this.#before.size;
  }
}
