import { SallyportError } from "@sallyport/proto/errors";
import { FRAME_HEADER_BYTES } from "@sallyport/proto/wire/postgres/frames";
import type { CellFormat } from "./column-types.ts";

/** What a RowDescription says about a column. */
export interface ResultColumn {
  readonly label: string;
  /** 0 when it is computed. */
  readonly tableOid: number;
  /** 0 for the whole row of the table. */
  readonly attribute: number;
  readonly typeOid: number;
  readonly format: CellFormat;
}

/** Table OID, attribute, type OID, type length, type modifier, format. */
const FIELD_BYTES = 18;

/**
 * RowDescription
 *   byte1 'T'  int32 length  int16 columns
 *   each: string name, int32 table, int16 attribute, int32 type, int16 size, int32 modifier, int16 format
 */
export function readResultColumns(bytes: Buffer, from: number, to: number): readonly ResultColumn[] {
  const columns: ResultColumn[] = [];
  let at = from + FRAME_HEADER_BYTES + 2;
  const count = at <= to ? bytes.readUInt16BE(at - 2) : 0;
  while (columns.length < count) {
    const end = bytes.indexOf(0, at);
    if (end < 0 || end + 1 + FIELD_BYTES > to) throw malformed();
    const label = bytes.toString("utf8", at, end);
    at = end + 1;
    columns.push({
      label,
      tableOid: bytes.readUInt32BE(at),
      attribute: bytes.readInt16BE(at + 4),
      typeOid: bytes.readUInt32BE(at + 6),
      format: bytes.readInt16BE(at + 16) === 0 ? "text" : "binary",
    });
    at += FIELD_BYTES;
  }
  if (at !== to) throw malformed();
  return columns;
}

const malformed = (): SallyportError => new SallyportError("wire.malformed", "The target sent a row description that is malformed.");
