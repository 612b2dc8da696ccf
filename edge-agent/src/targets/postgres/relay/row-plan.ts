import { SallyportError } from "@sallyport/proto/errors";
import type { CellMasker } from "../../../masking/cell-masker.ts";
import type { ColumnOrigin } from "../../../masking/column-rules.ts";
import type { MaskKind } from "../../../masking/mask-value.ts";
import { isJson, isScanned, type Spelling, spellingOf } from "./column-types.ts";

/** Where a result column comes from; undefined when it is computed or its table is not known. */
export interface ColumnCatalogue {
  lookup(tableOid: number, attribute: number): ColumnOrigin | undefined;
}

export type CellAction =
  | { readonly kind: "keep" }
  | { readonly kind: "scan"; readonly json: boolean }
  | { readonly kind: "erase" }
  | { readonly kind: "mask"; readonly mask: MaskKind; readonly spelling: Spelling };

export interface PlannedColumn {
  readonly label: string;
  readonly action: CellAction;
}

/** What happens to each cell of the rows that follow a RowDescription. */
export interface RowPlan {
  readonly columns: readonly PlannedColumn[];
  /** Nothing to do: rows may pass unread. */
  readonly clean: boolean;
  /** Masked cells of each column so far: counted here, as a look-up by name for each cell would cost more than the mask. */
  readonly masked: number[];
}

const KEEP: CellAction = { kind: "keep" };
const ERASE: CellAction = { kind: "erase" };
const SCAN_TEXT: CellAction = { kind: "scan", json: false };
const SCAN_JSON: CellAction = { kind: "scan", json: true };
/** Table OID, attribute, type OID, type length, type modifier, format. */
const FIELD_BYTES = 18;

/**
 * RowDescription
 *   byte1 'T'  int32 length  int16 columns
 *   each: string name, int32 table, int16 attribute, int32 type, int16 size, int32 modifier, int16 format
 */
export function planRows(bytes: Buffer, from: number, to: number, masker: CellMasker, catalogue: ColumnCatalogue): RowPlan {
  const columns: PlannedColumn[] = [];
  let at = from + 7;
  const count = at <= to ? bytes.readUInt16BE(at - 2) : 0;
  while (columns.length < count) {
    const end = bytes.indexOf(0, at);
    if (end < 0 || end + 1 + FIELD_BYTES > to) throw malformed();
    const label = bytes.toString("utf8", at, end);
    at = end + 1;
    const tableOid = bytes.readUInt32BE(at);
    const origin = tableOid === 0 ? undefined : catalogue.lookup(tableOid, bytes.readInt16BE(at + 4));
    const action = actionOf(masker, { label, origin }, bytes.readUInt32BE(at + 6), bytes.readInt16BE(at + 16) === 0 ? "text" : "binary");
    columns.push({ label, action });
    at += FIELD_BYTES;
  }
  if (at !== to) throw malformed();
  return { columns, clean: columns.every(({ action }) => action.kind === "keep"), masked: columns.map(() => 0) };
}

function actionOf(masker: CellMasker, column: { label: string; origin: ColumnOrigin | undefined }, typeOid: number, format: "text" | "binary"): CellAction {
  const mask = masker.kindOf(column);
  if (mask !== undefined) {
    const spelling = mask === "null" ? undefined : spellingOf(typeOid, format);
    return spelling === undefined ? ERASE : { kind: "mask", mask, spelling };
  }
  if (!masker.hasDetectors || !isScanned(typeOid)) return KEEP;
  return isJson(typeOid) ? SCAN_JSON : SCAN_TEXT;
}

const malformed = (): SallyportError => new SallyportError("wire.malformed", "The target sent a row description that is malformed.");
