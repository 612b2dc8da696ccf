import type { CellMasker } from "../../../masking/cell-masker.ts";
import { type CopyFormat, UNNAMED_COLUMN } from "./copy-format.ts";
import type { ResultTally } from "./result-tally.ts";

const NEWLINE = 0x0a;
const NULL_MARK = Buffer.from("\\N");
const SEPARATOR = /[\t\n\r,;|]/;

/** Rows of a text or CSV COPY whose fields are not known: a detector scan, or nothing left but separators. */
export class OpaqueTextCopy implements CopyFormat {
  readonly #obliterate: boolean;
  readonly #columns: number;
  readonly #masker: CellMasker;
  readonly #tally: ResultTally;

  constructor(obliterate: boolean, columns: number, masker: CellMasker, tally: ResultTally) {
    this.#obliterate = obliterate;
    this.#columns = columns;
    this.#masker = masker;
    this.#tally = tally;
  }

  /** A line break in a CSV value ends a unit too early; that costs a count, and masks no less. */
  unitEnd(bytes: Buffer, from: number, to: number): number {
    const end = bytes.subarray(from, to).indexOf(NEWLINE);
    return end < 0 ? -1 : from + end + 1;
  }

  isRow(): boolean {
    return true;
  }

  mask(bytes: Buffer, from: number, to: number): undefined {
    if (this.#obliterate) {
      this.#eraseAll(bytes, from, to);
      this.#tally.mask(UNNAMED_COLUMN, this.#columns);
    } else if (this.#masker.scan(bytes, from, to) > 0) this.#tally.mask(UNNAMED_COLUMN, 1);
  }

  /** `\N` alone in its field stays, so that a NULL reads as one. */
  #eraseAll(bytes: Buffer, from: number, to: number): void {
    let at = from;
    for (;;) {
      const mark = bytes.subarray(at, to).indexOf(NULL_MARK);
      if (mark < 0) break;
      const start = at + mark;
      const end = start + NULL_MARK.length;
      const alone = (start === from || isSeparator(bytes[start - 1])) && (end >= to || isSeparator(bytes[end]));
      this.#masker.obliterate(bytes, at, alone ? start : end);
      at = end;
    }
    this.#masker.obliterate(bytes, at, to);
  }
}

const isSeparator = (byte: number | undefined): boolean => SEPARATOR.test(String.fromCharCode(byte ?? 0));
