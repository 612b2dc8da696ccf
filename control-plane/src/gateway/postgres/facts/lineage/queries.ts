import type { Node, ResTarget, SelectStmt } from "@pgsql/types";
import { strings } from "../names.ts";
import { noteCondition } from "./conditions.ts";
import { fromEntries } from "./from.ts";
import { groupingSets } from "./grouping-sets.ts";
import { emptyScope, type Item, type Scope, uncounted, wholeItems } from "./scope.ts";
import type { Tracer } from "./tracer.ts";
import { anything, computed, nothing, sourceOf, union, type Value } from "./values.ts";
import { entriesNamed } from "./references.ts";
import { starred, valueOf } from "./values-of.ts";
import { withCtes } from "./ctes.ts";

/** SELECT, VALUES, TABLE and what combines them. */
export function traceSelect(tracer: Tracer, select: SelectStmt, outer: Scope): readonly Item[] {
  const ctes = withCtes(tracer, select.withClause, outer);
  if (select.op !== undefined && select.op !== "SETOP_NONE") {
    const items = combined(tracer, select, { ...outer, ctes });
    const scope = emptyScope(outer, ctes);
    order(tracer, select, items, scope);
    return items;
  }
  const scope = emptyScope(outer, ctes, select.windowClause ?? []);
  if (select.valuesLists !== undefined) {
    const items = values(tracer, select.valuesLists, scope);
    order(tracer, select, items, scope);
    return items;
  }
  const merged = fromEntries(tracer, select.fromClause, scope);
  const items = targets(tracer, select.targetList, scope, merged);
  for (const condition of [select.whereClause, select.havingClause]) noteCondition(tracer, condition, scope);
  for (const keys of groupingSets(select.groupClause)) {
    groupBy(
      tracer,
      keys.map((node) => ({ value: keyOf(tracer, node, items, scope), written: writtenOf(node, select.targetList) })),
      scope,
    );
  }
  const distinct = select.distinctClause ?? [];
  if (distinct.length > 0 && distinct.every((node) => Object.keys(node).length === 0)) groupByAll(tracer, items, select.targetList, scope);
  else for (const node of distinct) tracer.filter(keyOf(tracer, node, items, scope));
  order(tracer, select, items, scope);
  return items;
}

function order(tracer: Tracer, { sortClause = [], limitCount, limitOffset }: SelectStmt, items: readonly Item[], scope: Scope): void {
  for (const node of sortClause) tracer.filter(keyOf(tracer, "SortBy" in node ? node.SortBy.node : node, items, scope));
  tracer.filter(valueOf(tracer, [limitCount, limitOffset], scope, "conditions"));
}

interface Key {
  readonly value: Value;
  /** The column reference that it is, if it is one. */
  readonly written: readonly string[];
  /** All columns of tables. */
  readonly star?: boolean;
}

/**
 * Groups come sorted by their keys, or in the order of a hash of them: `SELECT DISTINCT ssn, id` tells whose number is the smaller, and one key
 * alone how its values are spread. Only where a key before it tells each row of its table apart is a mere column just compared, as with `=`.
 */
function groupBy(tracer: Tracer, keys: readonly Key[], scope: Scope): void {
  const several = keys.length > 1 || keys[0]?.star === true;
  const told = new Set<string>();
  for (const { value, written, star = false } of keys) {
    const [name = "", alias = ""] = written.toReversed();
    if (isIdentity(name, value) && isOfTable(alias, scope)) told.add(alias);
    if (several && value.plain && (star || (written.length > 0 && told.has(alias)))) tracer.match(value);
    else tracer.filter(value);
  }
}

/** What is joined in a subquery has each of its rows as often as there are others. */
function isOfTable(alias: string, scope: Scope): boolean {
  const entries = alias === "" ? scope.entries : entriesNamed(alias, scope);
  return entries.length === 1 && entries[0]?.kind === "table";
}

/** A key that goes by the names which people give to those that are unique: `id`, `uuid`, `customer_id` of `customers`. */
function isIdentity(name: string, { sources, plain }: Value): boolean {
  if (!plain || sources.size !== 1) return false;
  if (name === "id" || name === "uuid") return true;
  const [source = ""] = sources;
  const { table, column } = sourceOf(source);
  return column.endsWith("_id") && column.length > 3 && [column.slice(0, -3), `${column.slice(0, -3)}s`].includes(table);
}

function groupByAll(tracer: Tracer, items: readonly Item[], list: readonly Node[] = [], scope: Scope): void {
  const keys = items.map((item, index): Key => {
    if (item.kind === "column") return { value: item.value, written: writtenOf(list[index]) };
    const star = item.entries.every(({ kind }) => kind === "table");
    return { value: { ...wholeItems([item]), plain: star }, written: [], star };
  });
  groupBy(tracer, keys, scope);
}

/** `a.b`, or what GROUP BY 2 stands for, as it is written. */
function writtenOf(node: Node | undefined, list: readonly Node[] = []): readonly string[] {
  if (node === undefined) return [];
  if ("ResTarget" in node) return writtenOf(node.ResTarget.val);
  const position = "A_Const" in node ? node.A_Const.ival?.ival : undefined;
  if (position !== undefined) return writtenOf(list[position - 1]);
  return "ColumnRef" in node ? strings(node.ColumnRef.fields) : [];
}

/** What ORDER BY 2 or ORDER BY total stands for: an output column, where there is such a one. */
function keyOf(tracer: Tracer, node: Node | undefined, items: readonly Item[], scope: Scope): Value {
  if (node === undefined) return nothing;
  const position = "A_Const" in node ? node.A_Const.ival?.ival : undefined;
  if (position !== undefined) return at(items, position - 1);
  const name = "ColumnRef" in node && node.ColumnRef.fields?.length === 1 ? strings(node.ColumnRef.fields)[0] : undefined;
  const outputs = name === undefined ? [] : items.flatMap((item) => (item.kind === "column" && item.name === name ? [item.value] : []));
  if (scope.entries.length === 0 && name !== undefined && outputs.length === 0) return wholeItems(items);
  const input = valueOf(tracer, node, scope, "conditions");
  // A name that only an output has is no name of an input.
  return outputs.length === 0 ? input : union(input.opaque ? outputs : [...outputs, input]);
}

function at(items: readonly Item[], index: number): Value {
  const counted = items.slice(0, index + 1).every(({ kind }) => kind === "column");
  const item = items[index];
  return counted && item?.kind === "column" ? item.value : wholeItems(items);
}

function values(tracer: Tracer, lists: readonly Node[], scope: Scope): readonly Item[] {
  const columns: Value[] = [];
  for (const list of lists) {
    const row = "List" in list ? (list.List.items ?? []) : [list];
    for (const [index, cell] of row.entries()) {
      const value = valueOf(tracer, cell, scope);
      tracer.shows(value);
      if (value.sources.size > 0 || value.opaque) columns[index] = computed(union([columns[index] ?? nothing, value]));
      else columns[index] ??= nothing;
    }
  }
  return columns.map((value, index) => ({ kind: "column", name: `column${index + 1}`, value }));
}

/** UNION and its kin: the first branch gives the names; columns match by their place. */
function combined(tracer: Tracer, select: SelectStmt, scope: Scope): readonly Item[] {
  const branches: (readonly Item[])[] = [];
  // Ten thousand branches lean to the left: no recursion there.
  const stack: SelectStmt[] = [select];
  let distinct = false;
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const bare =
      next === select || (next.withClause === undefined && next.sortClause === undefined && next.limitCount === undefined && next.limitOffset === undefined);
    if (next.op !== undefined && next.op !== "SETOP_NONE" && bare) {
      distinct ||= next.op !== "SETOP_UNION" || next.all !== true;
      if (next.rarg !== undefined) stack.push(next.rarg);
      if (next.larg !== undefined) stack.push(next.larg);
    } else branches.push(tracer.query({ SelectStmt: next }, scope).items);
  }
  // Rows of one branch are compared with those of another, which may try any number of values.
  if (distinct) for (const items of branches) tracer.filter(wholeItems(items));
  return byPlace(branches);
}

function byPlace(branches: readonly (readonly Item[])[]): readonly Item[] {
  const [first = []] = branches;
  const counted = branches.every((items) => items.length === first.length && items.every(({ kind }) => kind === "column"));
  if (!counted) return [uncounted(computed(union(branches.map(wholeItems))))];
  return first.map((item, index) => ({
    kind: "column",
    name: item.kind === "column" ? item.name : undefined,
    value: computed(union(branches.map((items) => at(items, index)))),
  }));
}

/** The target list of a query, or a RETURNING. */
export function targets(tracer: Tracer, list: readonly Node[] = [], scope: Scope, merged: boolean): readonly Item[] {
  return list.map((node): Item => {
    if (!("ResTarget" in node)) return { kind: "column", name: undefined, value: anything };
    const { val } = node.ResTarget;
    const fields = val !== undefined && "ColumnRef" in val ? (val.ColumnRef.fields ?? []) : [];
    if (fields.some((field) => "A_Star" in field)) {
      const names = strings(fields);
      const entries = starred(names, scope);
      tracer.spend(entries.length);
      const star: Item = { kind: "star", entries, merged: merged && names.length === 0 };
      tracer.read.add(wholeItems([star]));
      if (tracer.measured === "all") tracer.shows(wholeItems([star]));
      return star;
    }
    const value = valueOf(tracer, val, scope);
    tracer.shows(value);
    // `(row).*`: as many columns as the row has.
    if (endsInStar(val)) return uncounted(value);
    return { kind: "column", name: nameOf(node.ResTarget), value };
  });
}

const endsInStar = (node: Node | undefined): boolean =>
  node !== undefined && "A_Indirection" in node && (node.A_Indirection.indirection ?? []).some((part) => "A_Star" in part);

/** As the server names it, where that is easily told. */
function nameOf({ name, val }: ResTarget): string | undefined {
  if (name !== undefined || val === undefined) return name;
  const inner = "TypeCast" in val ? val.TypeCast.arg : val;
  if (inner === undefined) return undefined;
  if ("ColumnRef" in inner) return strings(inner.ColumnRef.fields).at(-1);
  return "FuncCall" in inner ? strings(inner.FuncCall.funcname).at(-1) : undefined;
}
