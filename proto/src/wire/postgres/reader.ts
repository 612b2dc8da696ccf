import { SallyportError } from "../../errors.ts";

/** Reads the fields of one payload in wire order; running past its end is `wire.malformed`. */
export class PayloadReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get rest(): number {
    return this.#bytes.length - this.#at;
  }

  byte(): number {
    return this.#bytes[this.#pass(1)] ?? 0;
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#pass(2));
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#pass(4));
  }

  uint32(): number {
    return this.#bytes.readUInt32BE(this.#pass(4));
  }

  bytes(length: number): Buffer {
    if (length < 0) throw new SallyportError("wire.malformed", "A field declares a negative length.");
    const at = this.#pass(length);
    return this.#bytes.subarray(at, this.#at);
  }

  /** Up to the NUL, which is consumed and left out. */
  cstring(): Buffer {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end < 0) throw new SallyportError("wire.malformed", "A string does not end in NUL.");
    const text = this.#bytes.subarray(this.#at, end);
    this.#at = end + 1;
    return text;
  }

  end(): void {
    if (this.rest !== 0) throw new SallyportError("wire.malformed", "A message has bytes after its last field.");
  }

  /** Where the next so many bytes begin, which are then behind. */
  #pass(length: number): number {
    if (this.rest < length) throw new SallyportError("wire.malformed", "A message ends before its last field.");
    const at = this.#at;
    this.#at += length;
    return at;
  }
}
