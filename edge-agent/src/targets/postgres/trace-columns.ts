import type { ColumnSource, Trace, Traced, TracedColumn } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { Lineage, Origin } from "../../masking/lineage.ts";
import { type Catalogue, nothingUnlearnt } from "./catalogue/catalogue.ts";

/** Columns of one question; the control plane asks for no more. */
export const MAX_TRACED_COLUMNS = 400;
/** Origins of one answer: with names of 63 bytes they fit into one frame of the tunnel. What has more may be made of anything. */
export const MAX_TRACED_ORIGINS = 800;
/** A database with more schemas that have the name of a role has one for each of its users: a name may then be in any. */
export const MAX_USER_SCHEMAS = 100;
/** The catalogue may change while it is asked; after so many attempts the answer is that nothing is known. */
const MAX_LOOKUPS_PER_TRACE = 3;

/** Answers what columns are made of, for the control plane to decide with. Never fails: what cannot be told is left out (I3). */
export async function traceColumns({ id, columns, maskedTables, userSchemas = false }: Trace, catalogue: Catalogue): Promise<Traced> {
  const unknown: Traced = { id, columns: [] };
  if (columns.length > MAX_TRACED_COLUMNS) return unknown;
  catalogue.heed(maskedTables);
  try {
    for (let lookups = 0; lookups <= MAX_LOOKUPS_PER_TRACE; lookups++) {
      const unlearnt = nothingUnlearnt();
      const lineages = columns.map(({ table, column }) => catalogue.named(table, column, unlearnt));
      // What was not there when somebody last looked may have been made since.
      const absent = lookups === 0 ? columns.filter(({ table }) => catalogue.isAbsent(table)) : [];
      for (const { table } of absent) unlearnt.names.add(table);
      const schemas = userSchemas ? catalogue.userSchemas(unlearnt) : undefined;
      if (unlearnt.names.size === 0 && !unlearnt.userSchemas) {
        const answer: Traced = { id, columns: columns.map((source, index) => traced(source, lineages[index], catalogue)) };
        return schemas === undefined || schemas.length > MAX_USER_SCHEMAS ? answer : { ...answer, userSchemas: { names: [...schemas] } };
      }
      await catalogue.learn(unlearnt);
    }
  } catch {
    // Whoever asked decides without it; the next result of this target says why its catalogue cannot be read.
  }
  return unknown;
}

function traced({ table }: ColumnSource, lineage: Lineage | undefined, catalogue: Catalogue): TracedColumn {
  if (catalogue.isAbsent(table)) return { shows: [], madeOf: [], opaque: false, absent: true };
  const shows = (lineage?.origins ?? []).flatMap(named);
  const madeOf = (lineage?.madeOf ?? []).flatMap(named);
  return lineage === undefined || shows.length + madeOf.length > MAX_TRACED_ORIGINS
    ? { shows: [], madeOf: [], opaque: true, absent: false }
    : { shows: distinct(shows), madeOf: distinct(madeOf), opaque: lineage.opaque, absent: false };
}

/** Every name that policy may know it by. */
const named = ({ tables, columns }: Origin): readonly ColumnSource[] => [...tables].flatMap((table) => [...columns].map((column) => ({ table, column })));

const distinct = (sources: readonly ColumnSource[]): ColumnSource[] => [
  ...new Map(sources.map((source) => [`${source.table}\0${source.column}`, source])).values(),
];
