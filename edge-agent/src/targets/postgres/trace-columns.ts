import type { ColumnSource, Trace, Traced, TracedColumn } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { Lineage, Origin } from "../../masking/lineage.ts";
import { type Catalogue, nothingUnlearnt } from "./catalogue/catalogue.ts";

/** Columns of one question; the control plane asks for no more with one command. */
export const MAX_TRACED_COLUMNS = 400;
/** Of all names in one answer, which must fit into one frame of the tunnel: its columns that are over it may be made of anything. */
export const MAX_TRACED_BYTES = 96 * 1024;
/** What a name of a column takes besides its letters. */
const NAME_OVERHEAD_BYTES = 12;
/** A database with more schemas that have the name of a role has one for each of its users: a name may then be in any. */
export const MAX_USER_SCHEMAS = 100;
/** With names of 63 bytes their answer fits into one frame of the tunnel; of a database with more, any field may be one. */
export const MAX_ROW_FUNCTIONS = 1_000;
/** The catalogue may change while it is asked; after so many attempts the answer is that nothing is known. */
const MAX_LOOKUPS_PER_TRACE = 3;

/** Answers what columns are made of, for the control plane to decide with. Never fails: of what cannot be told it says so (I3). */
export async function traceColumns({ id, columns, maskedTables, userSchemas = false, rowFunctions = false }: Trace, catalogue: Catalogue): Promise<Traced> {
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
      const schemas = userSchemas ? catalogue.listed("user_schemas", unlearnt) : undefined;
      const functions = rowFunctions ? catalogue.listed("row_functions", unlearnt) : undefined;
      if (unlearnt.names.size + unlearnt.lists.size === 0) {
        const room = { bytes: MAX_TRACED_BYTES };
        const answer: Traced = { id, columns: columns.map((source, index) => traced(source, lineages[index], catalogue, room)) };
        return {
          ...answer,
          ...(schemas === undefined || schemas.length > MAX_USER_SCHEMAS ? {} : { userSchemas: { names: [...schemas] } }),
          ...(functions === undefined || functions.length > MAX_ROW_FUNCTIONS ? {} : { rowFunctions: { names: [...functions] } }),
        };
      }
      await catalogue.learn(unlearnt);
    }
  } catch {
    // Whoever asked decides without it; the next result of this target says why its catalogue cannot be read.
  }
  return unknown;
}

/** Bytes that are left for names. */
interface Room {
  bytes: number;
}

function traced({ table }: ColumnSource, lineage: Lineage | undefined, catalogue: Catalogue, room: Room): TracedColumn {
  if (catalogue.isAbsent(table)) return { shows: [], madeOf: [], opaque: false, absent: true };
  const [shows, madeOf] = [sourcesOf(lineage?.origins ?? [], room), sourcesOf(lineage?.madeOf ?? [], room)];
  return lineage === undefined || shows === undefined || madeOf === undefined
    ? { shows: [], madeOf: [], opaque: true, absent: false }
    : { shows, madeOf, opaque: lineage.opaque, absent: false };
}

/** Every name that policy may know them by; undefined when there is no room for them. */
function sourcesOf(origins: readonly Origin[], room: Room): ColumnSource[] | undefined {
  const found = new Map<string, ColumnSource>();
  let left = room.bytes;
  for (const { tables, columns } of origins) {
    for (const table of tables) {
      for (const column of columns) {
        const name = `${table}\0${column}`;
        if (found.has(name)) continue;
        left -= Buffer.byteLength(name) + NAME_OVERHEAD_BYTES;
        if (left < 0) return undefined;
        found.set(name, { table, column });
      }
    }
  }
  room.bytes = left;
  return [...found.values()];
}
