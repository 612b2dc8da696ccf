import { type MaskColumn, type MaskKind, noObligations, type Obligations } from "./decision.ts";

/** From the mask that shows most to the one that shows least. */
const strictness: readonly MaskKind[] = ["partial", "hash", "full", "null"];

/** All of several at once: every mask, the strictest kind of each, the smallest row cap. Order does not matter. */
export function strictest(all: readonly Obligations[]): Obligations {
  const [first, ...rest] = all;
  if (first === undefined) return noObligations;
  return rest.every((other) => other === first) ? first : rest.reduce(merge, first);
}

function merge(a: Obligations, b: Obligations): Obligations {
  const masks = new Map<string, MaskColumn>();
  for (const mask of [...a.maskColumns, ...b.maskColumns]) {
    const key = JSON.stringify([mask.table, mask.column]);
    const known = masks.get(key);
    if (known === undefined || strictness.indexOf(mask.kind) > strictness.indexOf(known.kind)) masks.set(key, mask);
  }
  const caps = [a.rowCap, b.rowCap].filter((cap) => cap > 0);
  return { maskColumns: [...masks.values()], detectors: [...new Set([...a.detectors, ...b.detectors])], rowCap: caps.length === 0 ? 0 : Math.min(...caps) };
}
