import type { CellMasker } from "../../../masking/cell-masker.ts";
import { type CopyFormat, UNNAMED_COLUMN } from "./copy-format.ts";
import type { ResultTally } from "./result-tally.ts";

const NEWLINE = 0x0a;

/** Rows of a text or CSV COPY of which no column is masked: detectors run over them. */
export class ScannedCopy implements CopyFormat {
  readonly #masker: CellMasker;
  readonly #tally: ResultTally;

  constructor(masker: CellMasker, tally: ResultTally) {
    this.#masker = masker;
    this.#tally = tally;
  }

  /** A line break in a CSV value ends a unit too early; that costs a count, and finds no less. */
  unitEnd(bytes: Buffer, from: number, to: number): number {
    const end = bytes.subarray(from, to).indexOf(NEWLINE);
    return end < 0 ? -1 : from + end + 1;
  }

  isRow(): boolean {
    return true;
  }

  mask(bytes: Buffer, from: number, to: number): undefined {
    if (this.#masker.scan(bytes, from, to) > 0) this.#tally.mask(UNNAMED_COLUMN, 1);
  }
}
