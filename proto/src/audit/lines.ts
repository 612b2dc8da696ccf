import { concat } from "./bytes.ts";

const NEWLINE = 0x0a;
const NONE: readonly Uint8Array[] = [];

/**
 * The lines in what arrives. `buffered` gives those that are there without a promise each; `next` waits for more. A line over
 * `maxBytes` ends the reading, cut off: no line that is looked for is that long. Holds one chunk, and one line at most.
 */
export class LineReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #maxBytes: number;
  #lines = NONE;
  #at = 0;
  #pieces: Uint8Array[] = [];
  #held = 0;
  /** Whether the last line had no newline: the bytes ended in it, or it is too long. */
  cut = false;

  constructor(chunks: AsyncIterable<Uint8Array>, maxBytes: number) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#maxBytes = maxBytes;
  }

  buffered(): Uint8Array | undefined {
    return this.#at < this.#lines.length ? this.#lines[this.#at++] : undefined;
  }

  /** Undefined at the end; what has no newline is the last line, and `cut`. */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const line = this.buffered();
      if (line !== undefined || this.cut) return line;
      const more = this.#held > this.#maxBytes ? undefined : await this.#chunks.next();
      if (more === undefined || more.done === true) {
        if (this.#held === 0) return undefined;
        this.cut = true;
        return this.#joined(new Uint8Array(0));
      }
      this.#split(more.value);
    }
  }

  /** Lets go of the source before its end. */
  async stop(): Promise<void> {
    await this.#chunks.return?.();
  }

  #split(chunk: Uint8Array): void {
    const lines: Uint8Array[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      const piece = chunk.subarray(start, end);
      lines.push(this.#held === 0 ? piece : this.#joined(piece));
      start = end + 1;
    }
    if (start < chunk.length) {
      this.#pieces.push(chunk.subarray(start));
      this.#held += chunk.length - start;
    }
    this.#lines = lines;
    this.#at = 0;
  }

  #joined(last: Uint8Array): Uint8Array {
    const line = concat(...this.#pieces, last);
    this.#pieces = [];
    this.#held = 0;
    return line;
  }
}
