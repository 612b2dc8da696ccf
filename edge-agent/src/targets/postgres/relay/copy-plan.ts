import { SallyportError } from "@sallyport/proto/errors";
import { FRAME_HEADER_BYTES } from "@sallyport/proto/wire/postgres/frames";
import type { CellMasker } from "../../../masking/cell-masker.ts";
import { BinaryCopy } from "./copy-binary.ts";
import { ErasedCopy } from "./copy-erased.ts";
import { type CopyField, FieldCopy } from "./copy-fields.ts";
import { type CopyFormat, UNNAMED_COLUMN } from "./copy-format.ts";
import type { CopyColumns, CopyLayout } from "./copy-layout.ts";
import { ScannedCopy } from "./copy-scanned.ts";
import { typedMask } from "./typed-mask.ts";
import type { ResultTally } from "./result-tally.ts";

/** What the gateway could find out about a COPY before it ran. */
export interface CopyKnowledge {
  readonly columns: CopyColumns;
  readonly layout: CopyLayout | undefined;
}

export const NOTHING_KNOWN: CopyKnowledge = { columns: "unknown", layout: undefined };

/**
 * CopyOutResponse
 *   byte1 'H'  int32 length  int8 format (1: binary)  int16 columns  int16 format of each
 *
 * It names neither columns nor delimiters. Where a mask may apply and they are not known, every cell is masked whole.
 */
export function planCopy(bytes: Buffer, from: number, to: number, known: CopyKnowledge, masker: CellMasker, tally: ResultTally): CopyFormat {
  const at = from + FRAME_HEADER_BYTES;
  if (at + 3 > to) throw new SallyportError("wire.malformed", "The target sent a COPY description that is malformed.");
  const binary = bytes[at] === 1;
  const count = bytes.readUInt16BE(at + 1);
  const fields = fieldsOf(known.columns, count, masker);
  if (binary)
    return new BinaryCopy(
      fields.map(({ label, mask }) => (mask === undefined ? undefined : label)),
      masker,
      tally,
    );
  if (fields.every(({ mask }) => mask === undefined)) return new ScannedCopy(masker, tally);
  if (known.layout === undefined) return new ErasedCopy(count, tally);
  return new FieldCopy(fields, known.layout, masker, tally);
}

function fieldsOf(columns: CopyColumns, count: number, masker: CellMasker): readonly CopyField[] {
  if (columns === "unknown" || columns.length !== count) {
    const mask = masker.hasColumnRules ? "full" : undefined;
    return Array.from({ length: count }, () => ({ label: UNNAMED_COLUMN, mask, hidesNull: mask !== undefined, typed: undefined }));
  }
  return columns.map((column) => {
    const mask = masker.kindOf(column);
    const hidesNull = masker.hidesNull(mask, column);
    return { label: column.label, mask, hidesNull, typed: mask === undefined ? undefined : typedMask(mask, column.typeOid, "text", masker) };
  });
}
