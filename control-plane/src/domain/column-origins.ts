import { type CommandFacts, nameParts, unknownColumns } from "./facts.ts";

/** What a column of a view, or one that the database computes, is made of; names as facts write them. */
export interface ColumnOrigins {
  /** It shows values of these as they are. */
  readonly shows: readonly string[];
  /** It is computed from these; `*.*`: from what cannot be told. */
  readonly madeOf: readonly string[];
}

/** Of a column that nobody could tell about (I3). */
export const OF_ANYTHING: ColumnOrigins = { shows: [], madeOf: unknownColumns };
/** Of a column that is what it is called. */
export const OF_ITSELF: ColumnOrigins = { shows: [], madeOf: [] };

/** Names that one command's facts may grow by: beyond, they say that it may be any column. An event must stay small. */
export const MAX_ADDED_NAMES = 500;

/** Columns that a policy's masks may be meant by, and whose origins only the target knows. */
export function columnsToTrace({ columnsFiltered, columnsCopied, relationsRead, relationsWritten }: CommandFacts): readonly string[] {
  if (columnsFiltered.length + columnsCopied.length === 0) return [];
  const relations = [...relationsRead, ...relationsWritten].map(nameParts);
  const isSystems = (column: string): boolean => {
    const [table = ""] = nameParts(column);
    const named = relations.filter((parts) => parts.at(-1) === table);
    return named.length > 0 && named.every(([schema = "", ...rest]) => rest.length > 0 && SYSTEM_SCHEMAS.has(schema)) && !SAMPLES.test(table);
  };
  return [...new Set([...columnsFiltered, ...columnsCopied])].filter((name) => name !== unknownColumns[0] && !isSystems(name));
}

const SYSTEM_SCHEMAS: ReadonlySet<string> = new Set(["pg_catalog", "information_schema"]);
/** Some of these show samples of every table's values. */
const SAMPLES = /^pg_stat/;

/**
 * The facts with what their columns are made of beside the columns themselves, so that the record holds what was decided on (I14).
 * The very same object where there is nothing to add. To compare what is computed from a column is to probe that column: it
 * tells more than whether one knows a value.
 */
export function withOrigins(facts: CommandFacts, originsOf: (column: string) => ColumnOrigins): CommandFacts {
  const { columnsFiltered, columnsMatched, columnsCopied } = facts;
  const onlyMatched = new Set(columnsMatched);
  const probed = new Set<string>();
  const matched = new Set<string>();
  for (const name of columnsFiltered) {
    const { shows, madeOf } = originsOf(name);
    const alike = onlyMatched.has(name) ? matched : probed;
    for (const column of [name, ...shows]) alike.add(column);
    for (const column of madeOf) probed.add(column);
  }
  const filtered = grown(columnsFiltered, new Set([...probed, ...matched]));
  const copied = grown(
    columnsCopied,
    new Set(
      columnsCopied.flatMap((name) => {
        const { shows, madeOf } = originsOf(name);
        return [name, ...shows, ...madeOf];
      }),
    ),
  );
  const stillMatched = filtered.filter((name) => matched.has(name) && !probed.has(name));
  if (filtered === columnsFiltered && copied === columnsCopied && stillMatched.length === columnsMatched.length) return facts;
  return { ...facts, columnsFiltered: filtered, columnsMatched: stillMatched, columnsCopied: copied };
}

/** The same list where nothing came to it. */
function grown(names: readonly string[], all: ReadonlySet<string>): readonly string[] {
  const before = new Set(names);
  if (all.size === before.size) return names;
  if (all.size - before.size > MAX_ADDED_NAMES) return [...new Set([...names, ...unknownColumns])].toSorted();
  return [...all].toSorted();
}
