import type { Obligations } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { CellMasker } from "../../../masking/cell-masker.ts";

/** Obligations, compiled for one stretch of a session. */
export interface Duties {
  readonly masker: CellMasker;
  /** Columns have to be known: something is masked or scanned. */
  readonly columns: boolean;
  /** 0: no cap. */
  readonly rowCap: number;
}

export function compileDuties(obligations: Obligations, maskKey: Buffer): Duties {
  const masker = new CellMasker(obligations, maskKey);
  const columns = masker.hasColumnRules || masker.hasDetectors;
  return { masker, columns, rowCap: Number(obligations.rowCap) };
}
