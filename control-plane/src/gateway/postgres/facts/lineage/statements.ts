import type { CopyStmt, Node, RangeVar } from "@pgsql/types";
import { strings } from "../names.ts";
import { isRunning } from "../statements-session.ts";
import { traceDelete, traceInsert, traceMerge, traceUpdate } from "./changes.ts";
import { tableEntry } from "./from.ts";
import { traceSelect } from "./queries.ts";
import { columnOf, emptyScope, type Item, type Scope, wholeItems } from "./scope.ts";
import { type TraitsOf, Tracer } from "./tracer.ts";
import { ANY_COLUMN, anything, column, computed, nothing, type Value } from "./values.ts";
import { valueOf } from "./values-of.ts";

/** What a statement's result has, or that nobody can tell. */
export type Result = readonly Item[] | "unknown";

export const newTracer = (traitsOf: TraitsOf): Tracer => new Tracer(traitsOf, traceQuery);

function traceQuery(tracer: Tracer, query: Node, scope: Scope): readonly Item[] {
  if ("SelectStmt" in query) {
    const items = traceSelect(tracer, query.SelectStmt, scope);
    const { intoClause } = query.SelectStmt;
    if (intoClause !== undefined) tracer.write(intoClause.rel, ANY_COLUMN, wholeItems(items));
    return intoClause === undefined ? items : [];
  }
  if ("InsertStmt" in query) return traceInsert(tracer, query.InsertStmt, scope);
  if ("UpdateStmt" in query) return traceUpdate(tracer, query.UpdateStmt, scope);
  if ("DeleteStmt" in query) return traceDelete(tracer, query.DeleteStmt, scope);
  if ("MergeStmt" in query) return traceMerge(tracer, query.MergeStmt, scope);
  return [{ kind: "column", name: undefined, value: anything }];
}

/** In whatever form: who writes NONE writes it for nothing. */
const isSerializing = (options: readonly Node[] = []): boolean =>
  options.some((option) => "DefElem" in option && option.DefElem.defname?.toLowerCase() === "serialize");

/** A letter that the encoding does not have makes it fail. */
const converts = ({ options = [] }: CopyStmt): boolean => options.some((option) => "DefElem" in option && option.DefElem.defname?.toLowerCase() === "encoding");

export function traceStatement(tracer: Tracer, statement: Node): Result {
  const scope = emptyScope(undefined, undefined);
  const traced = (query: Node | undefined): readonly Item[] => (query === undefined ? [] : tracer.query(query, scope).items);
  if ("SelectStmt" in statement || "InsertStmt" in statement || "UpdateStmt" in statement || "DeleteStmt" in statement || "MergeStmt" in statement) {
    return traced(statement);
  }
  if ("CopyStmt" in statement && converts(statement.CopyStmt)) tracer.measured = "made";
  if ("CopyStmt" in statement) return copied(tracer, statement.CopyStmt, traced(statement.CopyStmt.query));
  if ("ExplainStmt" in statement) {
    const { query, options } = statement.ExplainStmt;
    if (isRunning(options)) tracer.measured = isSerializing(options) ? "all" : "made";
    const inner = query === undefined ? "unknown" : traceStatement(tracer, query);
    if (!isRunning(options)) tracer.onlyPlanned();
    // A plan: names and estimates, but values only of what it folds, which a function of which nothing is known may be.
    const { opaque } = inner === "unknown" ? anything : wholeItems(inner);
    return [{ kind: "column", name: undefined, value: { ...nothing, opaque } }];
  }
  if ("CreateTableAsStmt" in statement) {
    const { query, into } = statement.CreateTableAsStmt;
    const items = query !== undefined && "ExecuteStmt" in query ? [] : traced(query);
    tracer.write(into?.rel, ANY_COLUMN, wholeItems(items));
    return [];
  }
  if ("ViewStmt" in statement) {
    tracer.write(statement.ViewStmt.view, ANY_COLUMN, wholeItems(traced(statement.ViewStmt.query)));
    return [];
  }
  if ("PrepareStmt" in statement) {
    traceStatement(tracer, statement.PrepareStmt.query ?? { A_Star: {} });
    return [];
  }
  if ("DeclareCursorStmt" in statement) {
    traced(statement.DeclareCursorStmt.query);
    return [];
  }
  if ("VariableShowStmt" in statement) {
    // A setting with a dot is a variable, into which anything may have been put.
    return [{ kind: "column", name: undefined, value: (statement.VariableShowStmt.name ?? "").includes(".") ? anything : nothing }];
  }
  if ("CallStmt" in statement) tracer.copied.add(valueOf(tracer, statement.CallStmt.funccall?.args, scope));
  if ("CallStmt" in statement || "ExecuteStmt" in statement || "FetchStmt" in statement) return "unknown";
  noteLookedAt(tracer, statement);
  return [];
}

/** Expressions of a definition are tried on the rows that are there: a CHECK or an index tells of any column of them. */
function noteLookedAt(tracer: Tracer, statement: Node): void {
  const look = (relation: RangeVar | undefined): void => {
    const value: Value = computed(column(relation?.relname ?? "", ANY_COLUMN));
    tracer.read.add(value);
    tracer.filter(value);
  };
  if ("IndexStmt" in statement) look(statement.IndexStmt.relation);
  if ("AlterTableStmt" in statement) {
    const defines = /^AT_(?:AddColumn|ColumnDefault|AddConstraint|ValidateConstraint|AlterColumnType|SetExpression|AttachPartition)$/;
    const { cmds = [], relation } = statement.AlterTableStmt;
    if (cmds.some((cmd) => "AlterTableCmd" in cmd && defines.test(cmd.AlterTableCmd.subtype ?? ""))) look(relation);
  }
  if ("RuleStmt" in statement) look(statement.RuleStmt.relation);
  if ("CreateTrigStmt" in statement) look(statement.CreateTrigStmt.relation);
  if ("CreatePolicyStmt" in statement) look(statement.CreatePolicyStmt.table);
  if ("AlterPolicyStmt" in statement) look(statement.AlterPolicyStmt.table);
}

function copied(tracer: Tracer, { relation, attlist, is_from, query, filename, is_program }: CopyStmt, found: readonly Item[]): Result {
  const table = relation?.relname ?? "";
  const names = attlist === undefined ? [ANY_COLUMN] : strings(attlist);
  if (is_from === true) {
    for (const name of names) tracer.write(relation, name, nothing);
    return [];
  }
  const entry = tableEntry(table, "");
  const star: Item = { kind: "star", entries: [entry], merged: false };
  const listed = names.map((name): Item => ({ kind: "column", name, value: columnOf(entry, name)?.value ?? anything }));
  const items = query === undefined ? (attlist === undefined ? [star] : listed) : found;
  tracer.read.add(wholeItems(items));
  if (filename !== undefined || is_program === true) tracer.copied.add(wholeItems(items));
  return items;
}
