import type { DeleteStmt, InsertStmt, MergeStmt, Node, RangeVar, ReturningClause, UpdateStmt, WithClause } from "@pgsql/types";
import { strings } from "../names.ts";
import { isValue, noteCondition } from "./conditions.ts";
import { withCtes } from "./ctes.ts";
import { fromEntries, tableEntry } from "./from.ts";
import { targets } from "./queries.ts";
import { emptyScope, type Entry, type Item, type Scope, wholeItems } from "./scope.ts";
import type { Tracer } from "./tracer.ts";
import { noteInserted, noteWritten, type Tried, triedByInsert } from "./tried-values.ts";
import { ANY_COLUMN, computed, nothing, sourceKey, union, type Value } from "./values.ts";
import { valueOf } from "./values-of.ts";

/**
 * INSERT, UPDATE, DELETE and MERGE: what their RETURNING gives back. A column that the statement writes holds what it wrote, so
 * `INSERT INTO notes (text) SELECT email FROM customers RETURNING text` returns an address.
 */

/** What goes into the columns of the target. */
class Assigned {
  readonly columns = new Map<string, Value>();
  /** Into columns of which the text does not say the names. */
  anywhere: Value = nothing;

  readonly #tracer: Tracer;
  readonly #relation: RangeVar | undefined;

  constructor(tracer: Tracer, relation: RangeVar | undefined) {
    this.#tracer = tracer;
    this.#relation = relation;
  }

  /** One of several columns that are assigned together: which value goes into which is not looked at. */
  together(name: string | undefined, value: Value): void {
    this.#tracer.written.add(sourceKey(this.#relation?.relname ?? "", name ?? ANY_COLUMN));
    this.#tracer.copied.add(value);
    this.#hold(undefined, value);
  }

  put(name: string | undefined, value: Value): void {
    this.#tracer.write(this.#relation, name ?? ANY_COLUMN, value);
    this.#hold(name, value);
  }

  #hold(name: string | undefined, value: Value): void {
    if (value.sources.size === 0 && !value.opaque) return;
    this.#tracer.assign(name ?? ANY_COLUMN, value);
    if (name === undefined) this.anywhere = computed(union([this.anywhere, value]));
    else this.columns.set(name, computed(union([this.columns.get(name) ?? nothing, value])));
  }
}

export function traceInsert(tracer: Tracer, insert: InsertStmt, outer: Scope): readonly Item[] {
  const scope = emptyScope(outer, withCtes(tracer, insert.withClause, outer));
  const assigned = new Assigned(tracer, insert.relation);
  const names = columnNames(insert.cols);
  const items = insert.selectStmt === undefined ? [] : tracer.query(insert.selectStmt, scope).items;
  if (insert.selectStmt === undefined) assigned.put(undefined, nothing);
  else assignRows(assigned, names, items);
  const tried = triedByInsert(tracer, insert, items);
  noteInserted(tracer, insert.relation, insert.onConflictClause, tried);
  upsert(tracer, insert, scope, assigned, tried);
  return returned(tracer, insert.relation, insert.returningClause, scope, assigned);
}

function upsert(tracer: Tracer, { relation, onConflictClause: clause }: InsertStmt, scope: Scope, assigned: Assigned, tried: ReadonlyMap<string, Tried>): void {
  if (clause === undefined) return;
  const excluded: Entry = { kind: "table", alias: "excluded", table: relation?.relname ?? "", everywhere: assigned.anywhere, assigned: assigned.columns };
  const reach = { ...scope, entries: [target(relation), excluded] };
  for (const condition of [clause.whereClause, clause.infer?.whereClause]) noteCondition(tracer, condition, reach);
  valueOf(tracer, clause.infer?.indexElems, reach);
  assign(tracer, assigned, clause.targetList, reach, { relation, inserted: tried });
}

export function traceUpdate(tracer: Tracer, update: UpdateStmt, outer: Scope): readonly Item[] {
  const scope = reachOf(tracer, update.relation, update.withClause, outer);
  const merged = fromEntries(tracer, update.fromClause, scope);
  const assigned = new Assigned(tracer, update.relation);
  noteCondition(tracer, update.whereClause, scope);
  assign(tracer, assigned, update.targetList, scope, update);
  return returned(tracer, update.relation, update.returningClause, scope, assigned, merged);
}

export function traceDelete(tracer: Tracer, { relation, withClause, usingClause, whereClause, returningClause }: DeleteStmt, outer: Scope): readonly Item[] {
  const scope = reachOf(tracer, relation, withClause, outer);
  const merged = fromEntries(tracer, usingClause, scope);
  noteCondition(tracer, whereClause, scope);
  return returned(tracer, relation, returningClause, scope, undefined, merged);
}

export function traceMerge(tracer: Tracer, merge: MergeStmt, outer: Scope): readonly Item[] {
  const scope = reachOf(tracer, merge.relation, merge.withClause, outer);
  const dropped = fromEntries(tracer, merge.sourceRelation === undefined ? [] : [merge.sourceRelation], scope);
  const assigned = new Assigned(tracer, merge.relation);
  noteCondition(tracer, merge.joinCondition, scope);
  for (const clause of merge.mergeWhenClauses ?? []) {
    if (!("MergeWhenClause" in clause)) continue;
    const { condition, targetList, values, commandType } = clause.MergeWhenClause;
    noteCondition(tracer, condition, scope);
    if (commandType !== "CMD_INSERT") assign(tracer, assigned, targetList, scope, merge);
    else {
      for (const [index, value] of (values ?? []).entries()) {
        const name = columnNames(targetList)?.[index];
        assigned.put(name, valueOf(tracer, value, scope));
        noteWritten(tracer, { relation: merge.relation, name, value, scope });
      }
    }
  }
  return returned(tracer, merge.relation, merge.returningClause, scope, assigned, dropped);
}

const target = (relation: RangeVar | undefined, assigned?: Assigned): Entry => {
  const { relname = "", alias } = relation ?? {};
  return tableEntry(relname, alias?.aliasname ?? relname, assigned?.columns, assigned?.anywhere);
};

function reachOf(tracer: Tracer, relation: RangeVar | undefined, withClause: WithClause | undefined, outer: Scope): Scope {
  const scope = emptyScope(outer, withCtes(tracer, withClause, outer));
  scope.entries.push(target(relation));
  return scope;
}

/** Undefined: the statement does not name them. */
function columnNames(cols: readonly Node[] | undefined): readonly string[] | undefined {
  return cols?.map((col) => ("ResTarget" in col ? (col.ResTarget.name ?? "") : ""));
}

function assignRows(assigned: Assigned, names: readonly string[] | undefined, items: readonly Item[]): void {
  const counted = items.every(({ kind }) => kind === "column");
  if (!counted || names === undefined) {
    for (const name of names ?? []) assigned.together(name, nothing);
    return names === undefined ? assigned.put(undefined, wholeItems(items)) : assigned.together(names[0], wholeItems(items));
  }
  for (const [index, item] of items.entries()) if (item.kind === "column") assigned.put(names[index], item.value);
}

/** SET a = …, (b, c) = (SELECT …). */
function assign(
  tracer: Tracer,
  assigned: Assigned,
  list: readonly Node[] = [],
  scope: Scope,
  { relation, inserted }: { readonly relation?: RangeVar | undefined; readonly inserted?: ReadonlyMap<string, Tried> },
): void {
  for (const node of list) {
    if (!("ResTarget" in node)) continue;
    const { name, val, indirection } = node.ResTarget;
    noteWritten(tracer, { relation, name, value: val, scope, inserted });
    if (val === undefined || !("MultiAssignRef" in val)) {
      const value = valueOf(tracer, [val, indirection], scope);
      if (!keepsWidth(val)) remade(tracer, relation, name, value);
      assigned.put(name, value);
    }
    // Its columns all hold the same source, which is traced with the first.
    else assigned.together(name, (val.MultiAssignRef.colno ?? 1) > 1 ? nothing : valueOf(tracer, val, scope));
  }
}

const trimming: ReadonlySet<string> = new Set(["lower", "upper", "btrim", "ltrim", "rtrim"]);

/** What is there, or what the command holds, and little else. */
function keepsWidth(node: Node | undefined): boolean {
  if (node === undefined || "ColumnRef" in node || isValue(node)) return true;
  if ("TypeCast" in node) return keepsWidth(node.TypeCast.arg);
  if ("CoalesceExpr" in node) return (node.CoalesceExpr.args ?? []).every(keepsWidth);
  if (!("FuncCall" in node) || node.FuncCall.args?.length !== 1) return false;
  return trimming.has(strings(node.FuncCall.funcname).at(-1) ?? "") && keepsWidth(node.FuncCall.args[0]);
}

/** `SET email = replace(email, 'ann', repeat('x', 300))`: that it is too long then, for its type or an index, or needs more of the log, tells what was there. */
function remade(tracer: Tracer, relation: RangeVar | undefined, name: string | undefined, { sources }: Value): void {
  const own = sourceKey(relation?.relname ?? "", name ?? ANY_COLUMN);
  if (sources.has(own)) tracer.filter({ sources: new Set([own]), opaque: false, plain: false });
}

function returned(
  tracer: Tracer,
  relation: RangeVar | undefined,
  clause: ReturningClause | undefined,
  reach: Scope,
  assigned: Assigned | undefined,
  merged = false,
): readonly Item[] {
  if (clause === undefined) return [];
  const written = target(relation, assigned);
  const scope: Scope = { ...reach, entries: [written, ...reach.entries.slice(1)] };
  const rows = [...scope.entries];
  for (const alias of ["old", "new", ...optionNames(clause.options)]) {
    // An alias hides none of the columns, and adds none to a star.
    scope.entries.push({ ...written, alias });
  }
  const list = (clause.exprs ?? []).map((node) => (isBareStar(node) ? undefined : node));
  return list.flatMap((node): readonly Item[] => {
    if (node !== undefined) return targets(tracer, [node], scope, false);
    for (const entry of rows) tracer.read.add(wholeItems([{ kind: "star", entries: [entry], merged }]));
    return [{ kind: "star", entries: rows, merged }];
  });
}

const isBareStar = (node: Node): boolean => {
  const val = "ResTarget" in node ? node.ResTarget.val : undefined;
  const fields = val !== undefined && "ColumnRef" in val ? (val.ColumnRef.fields ?? []) : [];
  return fields.length === 1 && fields[0] !== undefined && "A_Star" in fields[0];
};

/** RETURNING WITH (OLD AS before, NEW AS after). */
const optionNames = (options: readonly Node[] = []): string[] =>
  options.flatMap((option) => ("ReturningOption" in option && option.ReturningOption.value !== undefined ? [option.ReturningOption.value] : []));
