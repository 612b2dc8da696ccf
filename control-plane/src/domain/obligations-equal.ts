import type { Obligations } from "./decision.ts";

const keys = new WeakMap<Obligations, string>();

/** By value; the key of each object is made once, since decisions are cached and compared for every command. */
export const sameObligations = (a: Obligations, b: Obligations): boolean => a === b || keyOf(a) === keyOf(b);

function keyOf(obligations: Obligations): string {
  let key = keys.get(obligations);
  if (key === undefined) {
    const { maskColumns, detectors, rowCap } = obligations;
    key = JSON.stringify([maskColumns.map(({ column, table, kind }) => `${table}.${column}:${kind}`).toSorted(), detectors.toSorted(), rowCap]);
    keys.set(obligations, key);
  }
  return key;
}
