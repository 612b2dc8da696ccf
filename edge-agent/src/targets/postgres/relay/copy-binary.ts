import { SallyportError } from "@sallyport/proto/errors";
import type { CellMasker } from "../../../masking/cell-masker.ts";
import { type CopyFormat, UNNAMED_COLUMN } from "./copy-format.ts";
import type { ResultTally } from "./result-tally.ts";

/** Signature, flags, length of the extension. */
const HEADER_BYTES = 19;
const NULL_FIELD = Buffer.from([0xff, 0xff, 0xff, 0xff]);

/**
 * COPY … (FORMAT binary)
 *   header   "PGCOPY\n\377\r\n\0"  int32 flags  int32 extension length, extension
 *   tuple    int16 fields  each: int32 length (-1: NULL), bytes
 *   trailer  int16 -1
 *
 * The types of the fields are not in it: a masked column becomes NULL, which every type has.
 */
export class BinaryCopy implements CopyFormat {
  readonly #labels: readonly (string | undefined)[];
  readonly #masker: CellMasker;
  readonly #tally: ResultTally;
  #headerSeen = false;
  #row = false;

  /** `labels` has the names that masked cells are counted under; undefined for a column that is only scanned. */
  constructor(labels: readonly (string | undefined)[], masker: CellMasker, tally: ResultTally) {
    this.#labels = labels;
    this.#masker = masker;
    this.#tally = tally;
  }

  unitEnd(bytes: Buffer, from: number, to: number): number {
    this.#row = false;
    if (!this.#headerSeen) {
      if (to - from < HEADER_BYTES) return -1;
      const end = from + HEADER_BYTES + bytes.readUInt32BE(from + HEADER_BYTES - 4);
      this.#headerSeen = end <= to;
      return this.#headerSeen ? end : -1;
    }
    if (to - from < 2) return -1;
    const fields = bytes.readInt16BE(from);
    let at = from + 2;
    if (fields === -1) return at;
    if (fields !== this.#labels.length) throw new SallyportError("wire.malformed", "The target sent a COPY row that does not fit its description.");
    for (let i = 0; i < fields; i++) {
      if (at + 4 > to) return -1;
      const length = bytes.readInt32BE(at);
      if (length < -1) throw new SallyportError("wire.malformed", "The target sent a COPY field of negative length.");
      at += 4 + Math.max(length, 0);
    }
    this.#row = at <= to;
    return this.#row ? at : -1;
  }

  isRow(): boolean {
    return this.#row;
  }

  mask(bytes: Buffer, from: number, to: number): Buffer | undefined {
    const parts: Buffer[] = [];
    let kept = from;
    let at = from + 2;
    for (const label of this.#labels) {
      const length = bytes.readInt32BE(at);
      const end = at + 4 + Math.max(length, 0);
      if (label !== undefined && length >= 0) {
        parts.push(bytes.subarray(kept, at), NULL_FIELD);
        this.#tally.mask(label, 1);
        kept = end;
      } else if (length > 0 && this.#masker.scan(bytes, at + 4, end) > 0) this.#tally.mask(UNNAMED_COLUMN, 1);
      at = end;
    }
    if (parts.length === 0) return undefined;
    parts.push(bytes.subarray(kept, to));
    return Buffer.concat(parts);
  }
}
