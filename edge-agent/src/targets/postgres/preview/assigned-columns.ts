import type { AssignedColumns, ResultColumn, ResultLineage } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { ChangedTable } from "./side-effects.ts";

const ANYTHING: ResultColumn = { plain: false, sources: [], opaque: true };
/** What the target names as its origin is all that it is made of. */
const ITSELF: ResultColumn = { plain: true, sources: [], opaque: false };
const ANY_COLUMN = "*";

/** Rows as they were: columns of tables only. Where the target names no origin, it may be anything. */
export const ofTables: ResultLineage = { columns: [], computed: ANYTHING, originsIncomplete: false, changesDefinitions: false };

/**
 * Rows as they became: each column holds its own values or what was put there, so that `set name = email` shows an address in `name`. What
 * goes into a column that the table does not have may be in any, and what is generated may be made of all that was put.
 */
export function ofAssigned(columns: ChangedTable["columns"], assigned: AssignedColumns | undefined): ResultLineage {
  const put = assigned?.columns.map(({ name, value = ANYTHING }) => ({ name, value })) ?? [{ name: ANY_COLUMN, value: ANYTHING }];
  const names = new Set(columns.map(({ name }) => name));
  return {
    ...ofTables,
    columns: columns.map(({ name, generated }) =>
      madeOf(put.filter((one) => generated || one.name === name || one.name === ANY_COLUMN || !names.has(one.name)).map(({ value }) => value)),
    ),
  };
}

function madeOf(values: readonly ResultColumn[]): ResultColumn {
  if (values.length === 0) return ITSELF;
  return { plain: false, sources: values.flatMap(({ sources }) => sources), opaque: values.some(({ opaque }) => opaque) };
}
