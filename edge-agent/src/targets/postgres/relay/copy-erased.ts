import { FULL_MASK } from "../../../masking/mask-value.ts";
import { type CopyFormat, UNNAMED_COLUMN } from "./copy-format.ts";
import { TEXT_LAYOUT } from "./copy-layout.ts";
import type { ResultTally } from "./result-tally.ts";

/** Rows of a text or CSV COPY whose fields cannot be told apart while some are masked: of each message, a row of masked cells is left. */
export class ErasedCopy implements CopyFormat {
  readonly #columns: number;
  readonly #tally: ResultTally;
  readonly #row: Buffer;

  constructor(columns: number, tally: ResultTally, delimiter: number = TEXT_LAYOUT.delimiter) {
    this.#columns = columns;
    this.#tally = tally;
    this.#row = Buffer.from(`${Array.from({ length: columns }, () => FULL_MASK.toString()).join(String.fromCharCode(delimiter))}\n`);
  }

  /** A message is a row, whatever is in it. */
  unitEnd(_bytes: Buffer, _from: number, to: number): number {
    return to;
  }

  isRow(): boolean {
    return true;
  }

  mask(): Buffer {
    this.#tally.mask(UNNAMED_COLUMN, this.#columns);
    return this.#row;
  }
}
