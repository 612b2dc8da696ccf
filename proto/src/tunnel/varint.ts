import { SallyportError } from "../errors.ts";

/** Base-128 varints of at most 32 bits, as protobuf writes them. */
export function varintLength(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  if (value < 0x1000_0000) return 4;
  return 5;
}

/** Answers the position behind what it wrote. */
export function writeVarint(out: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest >= 0x80) {
    out[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7; // unsigned: ids go up to 2^32 - 1
  }
  out[at++] = rest;
  return at;
}

const LAST_BYTE_BITS = 0x0f;

/** Reads within [at, end) and throws `wire.malformed` rather than look past it. */
export class VarintReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, at: number, end: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  get done(): boolean {
    return this.#at >= this.#end;
  }

  uint32(): number {
    let value = 0;
    let factor = 1;
    for (let index = 0; index < 5; index++) {
      const byte = this.#byte();
      if (index === 4 && byte > LAST_BYTE_BITS) break;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 0x80;
    }
    throw malformed("Number does not fit 32 bits.");
  }

  /** Steps over `length` bytes and answers where they begin. */
  take(length: number): number {
    const start = this.#at;
    if (length > this.#end - start) throw malformed("Field runs past its message.");
    this.#at = start + length;
    return start;
  }

  /** Steps over a field that this version does not know. */
  skip(tag: number): void {
    if (tag >>> 3 === 0) throw malformed("Field number 0.");
    switch (tag & 7) {
      case 0:
        this.#skipVarint();
        return;
      case 1:
        this.take(8);
        return;
      case 2:
        this.take(this.uint32());
        return;
      case 5:
        this.take(4);
        return;
      default:
        throw malformed("Wire type that is not in use.");
    }
  }

  #skipVarint(): void {
    for (let index = 0; index < 10; index++) if (this.#byte() < 0x80) return;
    throw malformed("Number does not fit 64 bits.");
  }

  #byte(): number {
    if (this.#at >= this.#end) throw malformed("Field runs past its message.");
    return this.#bytes[this.#at++] ?? 0;
  }
}

const malformed = (message: string): SallyportError => new SallyportError("wire.malformed", message);
