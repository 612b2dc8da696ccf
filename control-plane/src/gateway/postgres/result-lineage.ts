import type { AssignedColumns, ColumnSource, ResultColumn, ResultLineage } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { ANY_RELATION, type CommandFacts } from "../../domain/facts.ts";
import { mayChangeDefinitions } from "./column-tracer.ts";
import type { OutputColumn, StatementAnalysis, StatementOutputs } from "./facts/analysis.ts";

/**
 * What the agent is told of the results of a unit, so that it masks what is computed from a masked column. Where several results may
 * come it is one answer for all of them: which row description belongs to which statement is the target's to decide.
 */

/** One frame of the tunnel holds them with names of 63 bytes each, and no select list that people write has so many. */
export const MAX_STATED_SOURCES = 800;
/** Of what a dry run is told, beside a statement that fills most of the frame. */
export const MAX_ASSIGNED_SOURCES = 200;
/** Longer names are no names of PostgreSQL's. */
const MAX_NAME_BYTES = 63;

const ANYTHING: ResultColumn = { plain: false, sources: [], opaque: true };
const NOTHING: ResultColumn = { plain: false, sources: [], opaque: false };

/** Before anything was read, and of what cannot be. */
const UNKNOWN: ResultLineage = { columns: [], computed: ANYTHING, originsIncomplete: true, changesDefinitions: true };

/** Of the analyses of what a unit executes; undefined for what the gateway does not know. */
export function resultLineage(analyses: readonly (StatementAnalysis | undefined)[]): ResultLineage {
  const [only = UNKNOWN, ...more] = distinct(analyses).map(ofAnalysis);
  return more.length === 0 ? only : together([only, ...more]);
}

export const sameLineage = (a: ResultLineage, b: ResultLineage | undefined): boolean => a === b || (b !== undefined && keyOf(a) === keyOf(b));

/** Analyses are cached by text, and so is what follows from them. */
const known = new WeakMap<StatementAnalysis, ResultLineage>();
const keys = new WeakMap<ResultLineage, string>();

function keyOf(lineage: ResultLineage): string {
  let key = keys.get(lineage);
  if (key === undefined) {
    key = JSON.stringify(lineage);
    keys.set(lineage, key);
  }
  return key;
}

function ofAnalysis(analysis: StatementAnalysis | undefined): ResultLineage {
  if (analysis === undefined) return UNKNOWN;
  let lineage = known.get(analysis);
  if (lineage === undefined) {
    lineage = bounded(read(analysis));
    known.set(analysis, lineage);
  }
  return lineage;
}

function read({ outputs, facts }: StatementAnalysis): ResultLineage {
  const changesDefinitions = mayChangeDefinitions(facts);
  // A text that was not read has no outputs; one that is empty has no result either.
  if (outputs.length === 0) return { ...UNKNOWN, ...(facts.statementCount === 0 ? { computed: NOTHING, originsIncomplete: false } : {}), changesDefinitions };
  const relations = relationsOf(facts);
  const [only, ...more] = outputs;
  if (only !== undefined && more.length === 0) return { ...ofStatement(only, relations), changesDefinitions };
  const results = outputs.filter(({ columns }) => columns?.length !== 0);
  const evaluatesNothing = outputs.every((one) => one.evaluatesNothing) ? true : undefined;
  return { ...together(results.map((one) => ({ ...ofStatement(one, relations), changesDefinitions }))), changesDefinitions, evaluatesNothing };
}

function ofStatement(
  { columns, computed, originsTell, evaluatesNothing }: StatementOutputs,
  relations: readonly string[],
): Omit<ResultLineage, "changesDefinitions"> {
  return {
    columns: (columns ?? []).map((column) => toWire(column, relations)),
    // A result where none was foreseen is a rule's, and may show anything.
    computed: columns?.length === 0 ? ANYTHING : toWire(computed, relations),
    originsIncomplete: !originsTell,
    evaluatesNothing: evaluatesNothing ? true : undefined,
  };
}

/** What a dry run is told of the rows that a change makes; undefined: they may hold anything. */
export function assignedColumns({ outputs, facts }: StatementAnalysis): AssignedColumns | undefined {
  const [only, ...more] = outputs;
  if (only?.assigned === undefined || more.length > 0) return undefined;
  const relations = relationsOf(facts);
  const columns = only.assigned.map(({ name, value }) => ({ name, value: toWire(value, relations) }));
  const sources = columns.reduce((sum, { value }) => sum + value.sources.length, 0);
  return sources > MAX_ASSIGNED_SOURCES ? undefined : { columns };
}

/** A column whose table the text does not tell may be of any of the statement's relations. */
function toWire({ plain, sources, opaque }: OutputColumn, relations: readonly string[]): ResultColumn {
  const told = sources.flatMap((source): ColumnSource[] => (source.table === "" ? relations.map((table) => ({ table, column: source.column })) : [source]));
  const nameless = sources.some(({ table }) => table === "") && relations.length === 0;
  const tooLong = told.some(({ table, column }) => Buffer.byteLength(table) > MAX_NAME_BYTES || Buffer.byteLength(column) > MAX_NAME_BYTES);
  return opaque || nameless || tooLong ? { plain, sources: [], opaque: true } : { plain, sources: told, opaque: false };
}

/** Without their schemas: the agent goes by the name alone. What a CASCADE reaches is in no result. */
function relationsOf({ relationsRead, relationsWritten }: CommandFacts): readonly string[] {
  const names = [...relationsRead, ...relationsWritten].filter((name) => name !== ANY_RELATION).map((name) => name.slice(name.indexOf(".") + 1));
  return [...new Set(names)];
}

/** One answer that holds for each of them. */
function together(lineages: readonly ResultLineage[]): ResultLineage {
  const sources = new Map<string, ColumnSource>();
  for (const { computed } of lineages) for (const source of computed?.sources ?? []) sources.set(`${source.table}\0${source.column}`, source);
  return bounded({
    columns: [],
    computed: { plain: false, sources: [...sources.values()], opaque: lineages.some(({ computed }) => computed?.opaque === true) },
    originsIncomplete: lineages.some(({ originsIncomplete }) => originsIncomplete),
    changesDefinitions: lineages.some(({ changesDefinitions }) => changesDefinitions),
    evaluatesNothing: lineages.every(({ evaluatesNothing }) => evaluatesNothing === true) ? true : undefined,
  });
}

function bounded(lineage: ResultLineage): ResultLineage {
  const sources = lineage.columns.reduce((sum, column) => sum + column.sources.length, lineage.computed?.sources.length ?? 0);
  return sources <= MAX_STATED_SOURCES ? lineage : { ...lineage, columns: [], computed: ANYTHING };
}

/** A batch executes one statement over and over. */
const distinct = <T>(values: readonly T[]): readonly T[] => (values.length < 2 ? values : [...new Set(values)]);
