import type { Node, ResTarget, SelectStmt } from "@pgsql/types";
import { strings } from "../names.ts";
import { noteCondition } from "./conditions.ts";
import { fromEntries } from "./from.ts";
import { groupingSets } from "./grouping-sets.ts";
import { emptyScope, type Item, type Scope, uncounted, wholeItems } from "./scope.ts";
import type { Tracer } from "./tracer.ts";
import { anything, computed, nothing, union, type Value } from "./values.ts";
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
      keys.map((node) => keyOf(tracer, node, items, scope)),
    );
  }
  const distinct = select.distinctClause ?? [];
  if (distinct.length > 0 && distinct.every((node) => Object.keys(node).length === 0)) groupByAll(tracer, items);
  else for (const node of distinct) tracer.filter(keyOf(tracer, node, items, scope));
  order(tracer, select, items, scope);
  return items;
}

function order(tracer: Tracer, { sortClause = [], limitCount, limitOffset }: SelectStmt, items: readonly Item[], scope: Scope): void {
  for (const node of sortClause) tracer.filter(keyOf(tracer, "SortBy" in node ? node.SortBy.node : node, items, scope));
  tracer.filter(valueOf(tracer, [limitCount, limitOffset], scope, "conditions"));
}

/**
 * Groups by several mere columns tell which rows have equal values, as a comparison with `=` does, and no more; one column alone, that of
 * a mask perhaps, tells how its values are spread, and an expression anything. The same column twice is one.
 */
function groupBy(tracer: Tracer, keys: readonly Value[], whole = false): void {
  const several = whole || new Set(keys.filter(({ plain }) => plain).map(({ sources }) => [...sources].toSorted().join())).size > 1;
  for (const key of keys) {
    if (several && key.plain) tracer.match(key);
    else tracer.filter(key);
  }
}

function groupByAll(tracer: Tracer, items: readonly Item[]): void {
  const keys = items.map((item): Value => {
    if (item.kind === "column") return item.value;
    return { ...wholeItems([item]), plain: item.entries.every(({ kind }) => kind === "table") };
  });
  // A star stands for several.
  groupBy(
    tracer,
    keys,
    items.some(({ kind }) => kind === "star"),
  );
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
      return star;
    }
    const value = valueOf(tracer, val, scope);
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
