import type { ResultLineage } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { type Lineage, OF_ANYTHING, OF_NO_COLUMN } from "../../../masking/lineage.ts";
import type { ColumnCatalogue } from "./column-lineage.ts";

/** What a gateway says of statements whose computed columns are made of nothing. */
export const OF_NOTHING: ResultLineage = {
  columns: [],
  computed: { plain: false, sources: [], opaque: false },
  originsIncomplete: false,
  changesDefinitions: false,
};

export const ofColumn = (table: string, column: string): Lineage => ({
  origins: [{ tables: new Set([table]), columns: new Set([column]) }],
  madeOf: [],
  opaque: false,
});

/** Knows these columns, under `oid.attribute` and under `table.column`, and of all others that they are nobody's. */
export const catalogueOf = (columns: Readonly<Record<string, Lineage>>): ColumnCatalogue => ({
  column: (oid, attribute) => columns[`${oid}.${attribute}`] ?? OF_NO_COLUMN,
  named: (table, column) => columns[`${table}.${column}`] ?? OF_ANYTHING,
});

/** For a relay whose catalogue knows everything. */
export const knowsAll = { learn: (): void => {}, definitionsChanged: (): void => {} };
