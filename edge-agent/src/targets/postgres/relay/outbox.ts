/** What is rewritten is gathered in pieces of this size: the same as a read from a socket. */
const SCRATCH_BYTES = 64 * 1024;

/**
 * Gathers what goes to one side and hands it over in as few buffers as it can: runs of an untouched chunk stay slices of
 * it, and rewritten messages share scratch memory that is never written again once it was handed over.
 */
export class Outbox {
  readonly #sink: (bytes: Buffer) => void;
  readonly #parts: Buffer[] = [];
  #source: Buffer | undefined;
  #from = 0;
  #to = 0;
  #scratch = Buffer.alloc(0);
  #used = 0;

  constructor(sink: (bytes: Buffer) => void) {
    this.#sink = sink;
  }

  add(source: Buffer, from: number, to: number): void {
    if (source === this.#source && from === this.#to) {
      this.#to = to;
      return;
    }
    this.#cut();
    this.#source = source;
    this.#from = from;
    this.#to = to;
  }

  /** `size` bytes to be written in full, at once, at `at` of `bytes`, and then added. */
  room(size: number): { readonly bytes: Buffer; readonly at: number } {
    if (this.#scratch.length - this.#used < size) {
      this.#scratch = Buffer.allocUnsafeSlow(Math.max(size, SCRATCH_BYTES));
      this.#used = 0;
    }
    const at = this.#used;
    this.#used += size;
    return { bytes: this.#scratch, at };
  }

  flush(): void {
    this.#cut();
    const [first] = this.#parts;
    if (first === undefined) return;
    const whole = this.#parts.length === 1 ? first : Buffer.concat(this.#parts);
    this.#parts.length = 0;
    this.#sink(whole);
  }

  #cut(): void {
    if (this.#source !== undefined && this.#to > this.#from) {
      const whole = this.#from === 0 && this.#to === this.#source.length;
      this.#parts.push(whole ? this.#source : this.#source.subarray(this.#from, this.#to));
    }
    this.#source = undefined;
  }
}
