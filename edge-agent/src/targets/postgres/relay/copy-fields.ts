import type { CellMasker } from "../../../masking/cell-masker.ts";
import type { MaskKind } from "../../../masking/mask-value.ts";
import { ErasedCopy } from "./copy-erased.ts";
import { type CopyFormat, UNNAMED_COLUMN } from "./copy-format.ts";
import { type CopyLayout, TEXT_LAYOUT } from "./copy-layout.ts";
import { fieldSpelling, type FieldSpelling } from "./copy-spelling.ts";
import type { TypedMask } from "./typed-mask.ts";
import type { ResultTally } from "./result-tally.ts";

const NEWLINE = 0x0a;

export interface CopyField {
  readonly label: string;
  readonly mask: MaskKind | undefined;
  readonly hidesNull: boolean;
  /** Where the mask is one of its type. */
  readonly typed: TypedMask | undefined;
}

/**
 * Rows of a text or CSV COPY whose layout and columns are known: masked field by field. PostgreSQL sends each row, and the header, as
 * a message of its own. One that does not hold exactly one row of so many fields is not spelt as was thought: from there on every cell
 * is masked whole.
 */
export class FieldCopy implements CopyFormat {
  readonly #fields: readonly CopyField[];
  readonly #layout: CopyLayout;
  readonly #spelling: FieldSpelling;
  readonly #masker: CellMasker;
  readonly #tally: ResultTally;
  /** Nothing but NULL is spelt as NULL is: CSV puts such a value in quotes, text only doubles the backslash of its default. */
  readonly #nullIsPlain: boolean;
  /** Where the fields of the last row that was cut end. */
  readonly #ends: number[] = [];
  readonly #erased: ErasedCopy;
  #headerDue: boolean;
  #lost = false;

  constructor(fields: readonly CopyField[], layout: CopyLayout, masker: CellMasker, tally: ResultTally) {
    this.#fields = fields;
    this.#layout = layout;
    this.#spelling = fieldSpelling(layout);
    this.#masker = masker;
    this.#tally = tally;
    this.#erased = new ErasedCopy(fields.length, tally, layout.delimiter);
    this.#headerDue = layout.header;
    this.#nullIsPlain = layout.format === "csv" || layout.nullText.equals(TEXT_LAYOUT.nullText);
  }

  /** A message is a row, whatever is in it. */
  unitEnd(_bytes: Buffer, _from: number, to: number): number {
    return to;
  }

  isRow(bytes: Buffer, from: number, to: number): boolean {
    const header = this.#headerDue;
    this.#headerDue = false;
    this.#lost ||= !this.#cut(bytes, from, to);
    return this.#lost || !header;
  }

  mask(bytes: Buffer, from: number, to: number): Buffer | undefined {
    if (this.#lost) return this.#erased.mask();
    const parts: Buffer[] = [];
    let kept = from;
    let at = from;
    for (const [index, field] of this.#fields.entries()) {
      const end = this.#ends[index] ?? to;
      const masked = this.#maskField(field, bytes, at, end);
      if (masked !== undefined) {
        parts.push(bytes.subarray(kept, at), masked);
        kept = end;
      }
      at = end + 1;
    }
    if (parts.length === 0) return undefined;
    parts.push(bytes.subarray(kept, to));
    return Buffer.concat(parts);
  }

  /** Finds the end of each field; false when what is there is not exactly one row, its line break included. */
  #cut(bytes: Buffer, from: number, to: number): boolean {
    const last = this.#fields.length - 1;
    let at = from;
    for (let index = 0; index <= last; index++) {
      const end = this.#spelling.fieldEnd(bytes, at, to);
      if (end >= to || (bytes[end] === NEWLINE) !== (index === last)) return false;
      this.#ends[index] = end;
      at = end + 1;
    }
    return at === to;
  }

  #maskField({ label, mask, hidesNull, typed }: CopyField, bytes: Buffer, from: number, to: number): Buffer | undefined {
    if (mask === undefined) {
      if (this.#masker.scan(bytes, from, to) > 0) this.#tally.mask(label, 1);
      return undefined;
    }
    const spelt = bytes.subarray(from, to);
    if (!hidesNull && this.#spellsNull(spelt)) return undefined;
    this.#tally.mask(label === "" ? UNNAMED_COLUMN : label, 1);
    const value = this.#spelling.read(spelt);
    const masked = typed === undefined ? this.#masker.render(mask, value) : typed(value);
    return masked === null ? this.#layout.nullText : this.#spelling.write(masked);
  }

  /** Not where a value may be spelt alike: what a client chose as its NULL would tell it which values are equal to that. */
  #spellsNull(spelt: Buffer): boolean {
    return this.#nullIsPlain && spelt.equals(this.#layout.nullText);
  }
}
