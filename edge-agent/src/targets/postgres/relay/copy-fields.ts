import { SallyportError } from "@sallyport/proto/errors";
import type { CellMasker } from "../../../masking/cell-masker.ts";
import type { MaskKind } from "../../../masking/mask-value.ts";
import { type CopyFormat, UNNAMED_COLUMN } from "./copy-format.ts";
import type { CopyLayout } from "./copy-layout.ts";
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

/** Rows of a text or CSV COPY whose layout and columns are known: masked field by field. */
export class FieldCopy implements CopyFormat {
  readonly #fields: readonly CopyField[];
  readonly #layout: CopyLayout;
  readonly #spelling: FieldSpelling;
  readonly #masker: CellMasker;
  readonly #tally: ResultTally;
  #headerDue: boolean;

  constructor(fields: readonly CopyField[], layout: CopyLayout, masker: CellMasker, tally: ResultTally) {
    this.#fields = fields;
    this.#layout = layout;
    this.#spelling = fieldSpelling(layout);
    this.#masker = masker;
    this.#tally = tally;
    this.#headerDue = layout.header;
  }

  unitEnd(bytes: Buffer, from: number, to: number): number {
    let at = from;
    for (;;) {
      at = this.#spelling.fieldEnd(bytes, at, to);
      if (at >= to) return -1;
      if (bytes[at] === NEWLINE) return at + 1;
      at++;
    }
  }

  isRow(): boolean {
    const header = this.#headerDue;
    this.#headerDue = false;
    return !header;
  }

  mask(bytes: Buffer, from: number, to: number): Buffer | undefined {
    const parts: Buffer[] = [];
    let kept = from;
    let at = from;
    for (const [index, field] of this.#fields.entries()) {
      const end = this.#spelling.fieldEnd(bytes, at, to);
      const last = index === this.#fields.length - 1;
      // The last line of a cut stream may lack its line break.
      if (last ? end < to && bytes[end] !== NEWLINE : end >= to || bytes[end] === NEWLINE) throw misfit();
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

  #maskField({ label, mask, hidesNull, typed }: CopyField, bytes: Buffer, from: number, to: number): Buffer | undefined {
    if (mask === undefined) {
      if (this.#masker.scan(bytes, from, to) > 0) this.#tally.mask(label, 1);
      return undefined;
    }
    const spelt = bytes.subarray(from, to);
    if (!hidesNull && spelt.equals(this.#layout.nullText)) return undefined;
    this.#tally.mask(label === "" ? UNNAMED_COLUMN : label, 1);
    const value = this.#spelling.read(spelt);
    const masked = typed === undefined ? this.#masker.render(mask, value) : typed(value);
    return masked === null ? this.#layout.nullText : this.#spelling.write(masked);
  }
}

const misfit = (): SallyportError => new SallyportError("wire.malformed", "The target sent a COPY line that does not have the columns it announced.");
