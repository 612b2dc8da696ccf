import type { GroupingSet, Node } from "@pgsql/types";

/**
 * The lists of keys that GROUP BY groups by, one after the other, as far as they matter to what a group tells: of the sets that only
 * repeat a smaller one with more keys, one stands for all.
 */
export function groupingSets(clause: readonly Node[] = []): readonly (readonly Node[])[] {
  const common = clause.flatMap((node) => ("GroupingSet" in node ? [] : rowOf(node)));
  const sets = clause.flatMap((node) => ("GroupingSet" in node ? setsOf(node.GroupingSet) : []));
  return sets.length === 0 ? [common] : sets.map((set) => [...common, ...set]);
}

function setsOf({ kind, content = [] }: GroupingSet): readonly (readonly Node[])[] {
  if (kind === "GROUPING_SET_SETS") return content.flatMap((node) => ("GroupingSet" in node ? setsOf(node.GroupingSet) : [rowOf(node)]));
  const rows = content.map(rowOf);
  // Also the empty set, which leaves what stands beside it.
  if (kind === "GROUPING_SET_ROLLUP") return [[], rows[0] ?? [], rows.flat()];
  return kind === "GROUPING_SET_CUBE" ? [[], ...rows, rows.flat()] : [[]];
}

/** `(a, b)` is two keys, `ROW(a, b)` one. */
const rowOf = (node: Node): readonly Node[] => ("RowExpr" in node && node.RowExpr.row_format === "COERCE_IMPLICIT_CAST" ? (node.RowExpr.args ?? []) : [node]);
