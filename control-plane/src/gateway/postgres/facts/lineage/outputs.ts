import type { Node } from "@pgsql/types";
import type { StatementOutputs } from "../analysis.ts";
import { strings } from "../names.ts";
import { traceDelete, traceInsert, traceMerge, traceUpdate } from "./changes.ts";
import { tableEntry } from "./from.ts";
import { traceSelect } from "./queries.ts";
import { columnOf, emptyScope, type Entry, type Item, type Query, type Scope, wholeItems, wholeRow } from "./scope.ts";
import { TooIntricate, Tracer } from "./tracer.ts";
import { anything, Gathered, isNothing, nothing, outputOf, type Value } from "./values.ts";

/** The columns of each statement's result, and where their values come from. */

/** The most that a select list can hold. */
const MAX_COLUMNS = 1_664;
/** Sources of one text's outputs, all told: they are kept in the cache with the text. */
export const MAX_OUTPUT_SOURCES = 2_000;

const noResult: StatementOutputs = { columns: [], computed: outputOf(nothing), originsTell: true };
const unknownResult: StatementOutputs = { columns: undefined, computed: outputOf(anything), originsTell: false };

export function outputsOf(statements: readonly (Node | undefined)[], isTransparent: Tracer["isTransparent"]): readonly StatementOutputs[] {
  let left = MAX_OUTPUT_SOURCES;
  return statements.map((statement) => {
    try {
      const found = statement === undefined ? noResult : resultOf(new Tracer(isTransparent, traceQuery), statement);
      left -= sourcesOf(found);
      return left < 0 ? unknownResult : found;
    } catch (error) {
      if (error instanceof TooIntricate) return unknownResult;
      throw error;
    }
  });
}

function traceQuery(tracer: Tracer, query: Node, scope: Scope): Query {
  return { items: itemsOf(tracer, query, scope), filtered: nothing };
}

/** What EXPLAIN's statement runs. */
function planned(query: Node): Node {
  if ("CreateTableAsStmt" in query) return query.CreateTableAsStmt.query ?? query;
  if ("DeclareCursorStmt" in query) return query.DeclareCursorStmt.query ?? query;
  return query;
}

function itemsOf(tracer: Tracer, query: Node, scope: Scope): readonly Item[] {
  if ("SelectStmt" in query) return traceSelect(tracer, query.SelectStmt, scope);
  if ("InsertStmt" in query) return traceInsert(tracer, query.InsertStmt, scope);
  if ("UpdateStmt" in query) return traceUpdate(tracer, query.UpdateStmt, scope);
  if ("DeleteStmt" in query) return traceDelete(tracer, query.DeleteStmt, scope);
  if ("MergeStmt" in query) return traceMerge(tracer, query.MergeStmt, scope);
  return [{ kind: "column", name: undefined, value: anything }];
}

function resultOf(tracer: Tracer, statement: Node): StatementOutputs {
  const scope = emptyScope(undefined, undefined);
  const traced = (query: Node): readonly Item[] => tracer.query(query, scope).items;
  if ("SelectStmt" in statement) {
    const items = traced(statement);
    return statement.SelectStmt.intoClause === undefined ? outputs(tracer, items) : noResult;
  }
  if ("InsertStmt" in statement || "UpdateStmt" in statement || "DeleteStmt" in statement || "MergeStmt" in statement)
    return outputs(tracer, traced(statement));
  if ("CopyStmt" in statement) {
    const { query, relation, attlist, is_from } = statement.CopyStmt;
    if (is_from === true) return noResult;
    if (query !== undefined) return outputs(tracer, traced(query));
    const entry = tableEntry(relation?.relname ?? "", "");
    const star: Item = { kind: "star", entries: [entry], merged: false };
    return outputs(tracer, attlist === undefined ? [star] : strings(attlist).map((name): Item => ({ kind: "column", name, value: stored(entry, name) })));
  }
  // A plan: names and estimates, but values only of what it folds, which a function of which nothing is known may be.
  if ("ExplainStmt" in statement) {
    const { query } = statement.ExplainStmt;
    const { opaque } = query === undefined ? anything : wholeItems(traced(planned(query)));
    return { columns: [outputOf({ ...nothing, opaque })], computed: outputOf({ ...nothing, opaque }), originsTell: true };
  }
  if ("VariableShowStmt" in statement) {
    // A setting with a dot is a variable, into which anything may have been put.
    const value = (statement.VariableShowStmt.name ?? "").includes(".") ? anything : nothing;
    return outputs(tracer, [{ kind: "column", name: undefined, value }]);
  }
  if ("ExecuteStmt" in statement || "FetchStmt" in statement || "CallStmt" in statement) return unknownResult;
  return noResult;
}

function outputs(tracer: Tracer, items: readonly Item[]): StatementOutputs {
  const columns = counted(tracer, items);
  const made = new Made();
  made.items(items);
  return { columns: columns?.map(outputOf), computed: outputOf(made.computed.value), originsTell: made.originsTell };
}

/** Undefined where a star stands for columns that the text does not tell. */
function counted(tracer: Tracer, items: readonly Item[]): readonly Value[] | undefined {
  const columns: Value[] = [];
  const stack = items.toReversed();
  for (let item = stack.pop(); item !== undefined; item = stack.pop()) {
    tracer.spend(1);
    if (item.kind === "column") columns.push(item.value);
    else if (item.merged || columns.length > MAX_COLUMNS) return undefined;
    else {
      const inside: Item[] = [];
      for (const entry of item.entries) {
        if (entry.kind !== "rows") return undefined;
        for (const each of entry.items) inside.push(each);
      }
      for (const each of inside.toReversed()) stack.push(each);
    }
  }
  return columns.length > MAX_COLUMNS ? undefined : columns;
}

/** Gathers what is not plain, wherever a star hides it. */
class Made {
  readonly computed = new Gathered();
  originsTell = true;
  readonly #seen = new Set<unknown>();

  items(items: readonly Item[]): void {
    if (this.#seen.has(items)) return;
    this.#seen.add(items);
    for (const item of items) {
      if (item.kind === "star") for (const entry of item.entries) this.#entry(entry);
      else if (!item.value.plain) this.computed.add(item.value);
    }
  }

  #entry(entry: Entry): void {
    if (entry.kind === "rows") return this.items(entry.items);
    if (entry.kind === "uniform") return this.computed.add(entry.value);
    if (isNothing(entry.everywhere) && entry.assigned.size === 0) return;
    this.originsTell = false;
    this.computed.add(wholeRow(entry));
  }
}

const stored = (entry: Entry, name: string): Value => columnOf(entry, name)?.value ?? anything;

function sourcesOf({ columns = [], computed: all }: StatementOutputs): number {
  return columns.reduce((sum, { sources }) => sum + sources.length, all.sources.length);
}
