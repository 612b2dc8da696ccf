import type { MaskColumn } from "./decision.ts";
import { type ColumnFacts, nameParts } from "./facts.ts";

/** What a command does with columns that its own decision masks. A mask hides what is shown; these go round it. */
export interface MaskedUse {
  /** Picks, orders, groups or joins rows by one, so that values can be found out without being shown. */
  readonly probesMasked: boolean;
  /** Compares one with values that it holds itself: that tells only those who know them. */
  readonly matchesMasked: boolean;
  /** Puts values of one where they may have another name. */
  readonly copiesMasked: boolean;
}

export const noMaskedUse: MaskedUse = { probesMasked: false, matchesMasked: false, copiesMasked: false };

export function maskedUse(masks: readonly MaskColumn[], { columnsFiltered, columnsMatched, columnsCopied }: ColumnFacts): MaskedUse {
  if (masks.length === 0) return noMaskedUse;
  const matched = new Set(columnsMatched);
  const masked = (name: string): boolean => masks.some((mask) => hides(mask, name));
  return {
    probesMasked: columnsFiltered.some((name) => !matched.has(name) && masked(name)),
    matchesMasked: columnsMatched.some(masked),
    copiesMasked: columnsCopied.some(masked),
  };
}

/**
 * Whatever the case, as the agent that masks goes by it. `table.*` may be any of its columns, so that any mask on the table, or on all
 * tables, may be meant. Not so for the catalogue, which a bare name that begins with `pg_` means first, and of which nobody masks
 * columns without saying the table.
 */
function hides(written: MaskColumn, name: string): boolean {
  const mask = { table: written.table.toLowerCase(), column: written.column.toLowerCase() };
  const [table = "", column = ""] = nameParts(name.toLowerCase());
  if (column === "*" && table.startsWith("pg_")) return mask.table === table;
  return (mask.table === "" || mask.table === table || table === "*") && (mask.column === "*" || mask.column === column || column === "*");
}
