import type { Obligations } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { MaskKeys } from "../../../masking/mask-value.ts";
import { CellMasker } from "../../../masking/cell-masker.ts";
import type { Caps } from "./result-caps.ts";

/** Obligations, compiled for one stretch of a session. */
export interface Duties {
  readonly masker: CellMasker;
  /** Columns have to be known: something is masked or scanned. */
  readonly columns: boolean;
  readonly caps: Caps;
  /** Of one command; 0: no limit. */
  readonly timeoutMillis: number;
}

export function compileDuties(obligations: Obligations, maskKeys: MaskKeys): Duties {
  const masker = new CellMasker(obligations, maskKeys);
  const columns = masker.hasColumnRules || masker.hasDetectors;
  const caps = { rowCap: Number(obligations.rowCap), byteCap: Number(obligations.byteCap ?? 0n) };
  return { masker, columns, caps, timeoutMillis: obligations.timeoutMillis ?? 0 };
}
