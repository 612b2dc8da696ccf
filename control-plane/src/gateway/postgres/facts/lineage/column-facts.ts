import { type ColumnFacts, unknownColumns } from "../../../../domain/facts.ts";
import { qualifiedName } from "../names.ts";
import { MAX_EXACT_VALUES, type Tracer } from "./tracer.ts";
import { ANY_COLUMN, Gathered, sourceKey, sourceOf, type Value } from "./values.ts";

/** A command that names more columns is not something a person decides on. */
export const MAX_COLUMN_NAMES = 1_000;
/** Of all lists together: an event must stay small. Half a thousand columns of ordinary length, in each list. */
export const MAX_COLUMN_CHARS = 32 << 10;

/** What the statements of a text read, look at, write and copy; undefined: too much to tell, or to list. */
export function columnFacts(tracers: readonly (Tracer | undefined)[]): ColumnFacts | undefined {
  const read = new Gathered();
  const probed = new Gathered();
  const matched = new Gathered();
  const written = new Set<string>();
  const copied = new Gathered();
  const exact = new Map<string, Set<string>>();
  for (const tracer of tracers) {
    if (tracer === undefined) return undefined;
    const { filters } = tracer;
    read.add(tracer.read.value);
    probed.add(filters.probed);
    matched.add(filters.matched);
    copied.add(tracer.copied.value);
    for (const column of tracer.written) written.add(column);
    for (const [source, values] of tracer.exactValues) exact.set(source, new Set([...values, ...(exact.get(source) ?? [])]));
  }
  const searched = [...exact].flatMap(([source, { size }]) => (size > MAX_EXACT_VALUES ? [source] : []));
  const probes = new Set([...keysOf(probed.value), ...searched]);
  const facts: ColumnFacts = {
    columnsRead: named(keysOf(read.value)),
    columnsFiltered: named(new Set([...probes, ...keysOf(matched.value)])),
    columnsMatched: named(new Set([...keysOf(matched.value)].filter((key) => !probes.has(key)))),
    columnsWritten: named(written),
    columnsCopied: named(keysOf(copied.value)),
  };
  const lists = Object.values(facts) as (readonly string[])[];
  const chars = lists.reduce((sum, list) => list.reduce((all, name) => all + name.length, sum), 0);
  return chars > MAX_COLUMN_CHARS || lists.some((list) => list.length > MAX_COLUMN_NAMES) ? undefined : facts;
}

/** Columns of which something in a target list is made. */
export function columnsMade(tracers: readonly (Tracer | undefined)[]): readonly string[] {
  const made = new Gathered();
  for (const tracer of tracers) {
    if (tracer === undefined) return unknownColumns;
    made.add(tracer.made.value);
  }
  const names = named(keysOf(made.value));
  return names.length > MAX_COLUMN_NAMES ? unknownColumns : names;
}

const anyColumn = sourceKey("*", ANY_COLUMN);

const keysOf = ({ sources, opaque }: Value): ReadonlySet<string> => (opaque ? new Set([...sources, anyColumn]) : sources);

const named = (keys: ReadonlySet<string>): string[] =>
  Array.from(keys, (key) => {
    if (key === anyColumn) return unknownColumns[0];
    const { table, column } = sourceOf(key);
    return qualifiedName([table, column]);
  }).toSorted();
