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
    return this.#take(1)[0] ?? 0;
  }

  int16(): number {
    return this.#take(2).readInt16BE();
  }

  int32(): number {
    return this.#take(4).readInt32BE();
  }

  uint32(): number {
    return this.#take(4).readUInt32BE();
  }

  bytes(length: number): Buffer {
    if (length < 0) throw new SallyportError("wire.malformed", "A field declares a negative length.");
    return this.#take(length);
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

  #take(length: number): Buffer {
    if (this.rest < length) throw new SallyportError("wire.malformed", "A message ends before its last field.");
    const bytes = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return bytes;
  }
}
