import { type MaskColumn, type MaskKind, noObligations, type Obligations } from "../domain/decision.ts";

/**
 * From least to most hidden: `partial` shows some of the value, `hash` shows which values are equal (and can be guessed for
 * values that are few), `full` shows that there is a value, `null` not even that.
 */
export const maskKinds = ["partial", "hash", "full", "null"] as const satisfies readonly MaskKind[];

const strictest = (a: MaskKind, b: MaskKind): MaskKind => (maskKinds.indexOf(a) >= maskKinds.indexOf(b) ? a : b);

/** Order of UTF-16 units: the same everywhere, whatever the locale. */
const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const nameOf = (column: MaskColumn): string => `${column.table}.${column.column}`;

/**
 * The strictest of each: every mask, with the most hidden kind where two name the same column; every detector; the smallest
 * cap that is not 0. Sorted, so that neither the order of policies nor their number shows.
 */
export function mergeObligations(all: readonly Obligations[]): Obligations {
  if (all.length === 0) return noObligations;
  const columns = new Map<string, MaskColumn>();
  for (const column of all.flatMap((one) => one.maskColumns)) {
    const same = columns.get(nameOf(column));
    columns.set(nameOf(column), same === undefined ? column : { ...column, kind: strictest(same.kind, column.kind) });
  }
  const caps = all.map((one) => one.rowCap).filter((cap) => cap > 0);
  return {
    maskColumns: [...columns.values()].toSorted((a, b) => order(nameOf(a), nameOf(b))),
    detectors: [...new Set(all.flatMap((one) => one.detectors))].toSorted(order),
    rowCap: caps.length === 0 ? 0 : Math.min(...caps),
  };
}
