import type { Obligations as WireObligations } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { Obligations } from "../../domain/decision.ts";

/** What of the obligations an agent sees to. */
export const wireObligations = ({ maskColumns, detectors, rowCap, byteCap, timeoutMillis, readOnly, computed }: Obligations): WireObligations => ({
  maskColumns: [...maskColumns],
  detectors: [...detectors],
  rowCap: BigInt(rowCap),
  byteCap: byteCap === undefined ? undefined : BigInt(byteCap),
  timeoutMillis,
  readOnly,
  showComputed: computed === "show" ? true : undefined,
});
