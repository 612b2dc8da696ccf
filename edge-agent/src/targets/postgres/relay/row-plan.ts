import type { CellMasker } from "../../../masking/cell-masker.ts";
import type { Lineage } from "../../../masking/lineage.ts";
import type { MaskKind } from "../../../masking/mask-value.ts";
import { isJson, isScanned, type Spelling, spellingOf } from "./column-types.ts";
import { type TypedMask, typedMask } from "./typed-mask.ts";
import type { ResultColumn } from "./result-columns.ts";

export type CellAction =
  | { readonly kind: "keep" }
  | { readonly kind: "scan"; readonly json: boolean }
  | { readonly kind: "erase" }
  | { readonly kind: "typed"; readonly mask: TypedMask }
  | { readonly kind: "mask"; readonly mask: MaskKind; readonly spelling: Spelling; readonly hidesNull: boolean };

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

/** `lineages`: of each column, where any is masked. */
export function planRows(result: readonly ResultColumn[], lineages: readonly Lineage[], masker: CellMasker): RowPlan {
  const columns = result.map((column, index) => ({ label: column.label, action: actionOf(masker, column, lineages[index]) }));
  return { columns, clean: columns.every(({ action }) => action.kind === "keep"), masked: columns.map(() => 0) };
}

function actionOf(masker: CellMasker, { label, typeOid, format }: ResultColumn, lineage: Lineage | undefined): CellAction {
  const mask = masker.kindOf({ label, lineage });
  if (mask !== undefined) {
    const typed = typedMask(mask, typeOid, format, masker);
    if (typed !== undefined) return { kind: "typed", mask: typed };
    const spelling = mask === "null" ? undefined : spellingOf(typeOid, format);
    return spelling === undefined ? ERASE : { kind: "mask", mask, spelling, hidesNull: masker.hidesNull(mask, { label, lineage }) };
  }
  if (!masker.hasDetectors || !isScanned(typeOid)) return KEEP;
  return isJson(typeOid) ? SCAN_JSON : SCAN_TEXT;
}
