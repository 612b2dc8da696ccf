import type { ColumnSource, ResultColumn as StatedColumn, ResultLineage } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { computedFrom, joined, type Lineage, OF_ANYTHING } from "../../../masking/lineage.ts";
import type { Unlearnt } from "../catalogue/explore.ts";
import { FIRST_USER_OID } from "../catalogue/relations.ts";
import type { ResultColumn } from "./result-columns.ts";

/** What the target's catalogue says. What it has to look up first it adds to `unlearnt`, and what it answers then does not count. */
export interface ColumnCatalogue {
  column(oid: number, attribute: number, unlearnt: Unlearnt): Lineage;
  /** By names, in whatever schema; `*` is any column. */
  named(table: string, column: string, unlearnt: Unlearnt): Lineage;
}

/** What the gateway read in the text of the command whose results come. */
export type StatedLineage = ResultLineage | "unknown";

/**
 * Where each column of a result comes from: by the origin that the target names, by what the text of the statement says that the
 * column is made of, or both. `unsettled`: the session's transaction has changed definitions that nobody else can see yet; a table may
 * have got a rule, a descendant or another name by it, so that nothing is known of any but the system's own.
 */
export function columnLineages(
  columns: readonly ResultColumn[],
  stated: StatedLineage,
  catalogue: ColumnCatalogue,
  unsettled: boolean,
  unlearnt: Unlearnt,
): readonly Lineage[] {
  const positions = stated !== "unknown" && stated.columns.length === columns.length ? stated.columns : undefined;
  // A result that has columns where none were foreseen is not of what was read.
  const computed = stated === "unknown" ? undefined : stated.computed;
  const named = ({ table, column }: ColumnSource): Lineage => (unsettled ? OF_ANYTHING : catalogue.named(table, column, unlearnt));
  const ofStated = (column: StatedColumn | undefined, functionOfRow: boolean): Lineage => {
    if (column === undefined || column.opaque) return OF_ANYTHING;
    return computedFrom(joined(column.sources.flatMap((source) => (functionOfRow ? [named(source), named({ ...source, column: "*" })] : [named(source)]))));
  };
  const incomplete = stated === "unknown" || stated.originsIncomplete ? ofStated(computed, false) : undefined;
  return columns.map(({ tableOid, attribute }, index) => {
    const position = positions?.[index];
    if (tableOid === 0) return ofStated(position ?? computed, position?.plain === true);
    const own = unsettled && tableOid >= FIRST_USER_OID ? OF_ANYTHING : catalogue.column(tableOid, attribute, unlearnt);
    if (incomplete !== undefined) return joined([own, incomplete]);
    return position === undefined || position.plain ? own : joined([own, ofStated(position, false)]);
  });
}
