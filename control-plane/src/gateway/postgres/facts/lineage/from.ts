import type { Alias, JoinExpr, Node, RangeFunction, RangeVar } from "@pgsql/types";
import { strings } from "../names.ts";
import { noteCondition } from "./conditions.ts";
import { columnOf, emptyScope, type Entry, findCte, type Item, renamed, type Scope, wholeRow } from "./scope.ts";
import { holdsSamples } from "./statistics.ts";
import type { Tracer } from "./tracer.ts";
import { anything, computed, nothing, union, type Value } from "./values.ts";
import { valueOf } from "./values-of.ts";

/** Adds what FROM names to the scope; answers whether a join drops columns, so that a star over all of it cannot be counted. */
export function fromEntries(tracer: Tracer, from: readonly Node[] = [], scope: Scope): boolean {
  let merged = false;
  for (const node of from) merged = addFrom(tracer, node, scope) || merged;
  return merged;
}

function addFrom(tracer: Tracer, node: Node, scope: Scope): boolean {
  if ("RangeVar" in node) scope.entries.push(relation(tracer, node.RangeVar, scope));
  else if ("JoinExpr" in node) return join(tracer, node.JoinExpr, scope);
  else if ("RangeSubselect" in node) {
    const { subquery, lateral, alias } = node.RangeSubselect;
    // What stands beside it is in reach of a lateral one alone.
    const reach = lateral === true ? scope : { ...emptyScope(scope.outer, scope.ctes) };
    const items = subquery === undefined ? [] : tracer.query(subquery, reach).items;
    scope.entries.push({ kind: "rows", alias: alias?.aliasname, items: renamed(items, strings(alias?.colnames)) });
  } else if ("RangeTableSample" in node) {
    const { relation: sampled, args, repeatable } = node.RangeTableSample;
    tracer.filter(valueOf(tracer, [args, repeatable], scope));
    if (sampled !== undefined) return addFrom(tracer, sampled, scope);
  } else if ("RangeFunction" in node) scope.entries.push(functionEntry(tracer, node.RangeFunction, scope));
  else if ("RangeTableFunc" in node) scope.entries.push(uniform(node.RangeTableFunc.alias, rowsOf(tracer, node, scope)));
  else if ("JsonTable" in node) scope.entries.push(uniform(node.JsonTable.alias, rowsOf(tracer, node, scope)));
  else scope.entries.push(uniform(undefined, anything));
  return false;
}

/** How many rows a function makes is seen without a look at them. */
function rowsOf(tracer: Tracer, node: unknown, scope: Scope): Value {
  const value = valueOf(tracer, node, scope);
  tracer.filter(value);
  return value;
}

const uniform = (alias: Alias | undefined, value: Value): Entry => ({ kind: "uniform", alias: alias?.aliasname, value });

function relation(tracer: Tracer, named: RangeVar, scope: Scope): Entry {
  const { schemaname, relname = "", alias } = named;
  const name = alias?.aliasname ?? relname;
  const query = schemaname === undefined ? findCte(scope.ctes, relname)?.() : undefined;
  if (query !== undefined) {
    tracer.filterAgain(query.filters);
    return { kind: "rows", alias: name, items: renamed(query.items, strings(alias?.colnames)) };
  }
  tracer.names(named);
  const table = tableEntry(relname, name);
  const names = strings(alias?.colnames);
  return names.length === 0 ? table : { kind: "rows", alias: name, items: renamed([{ kind: "star", entries: [table], merged: false }], names) };
}

export const tableEntry = (table: string, alias: string, assigned: ReadonlyMap<string, Value> = new Map(), everywhere: Value = nothing): Entry => ({
  kind: "table",
  table,
  alias,
  everywhere: holdsSamples(table) ? anything : everywhere,
  assigned,
});

function functionEntry(tracer: Tracer, { functions = [], alias, coldeflist }: RangeFunction, scope: Scope): Entry {
  const value = rowsOf(tracer, [functions, coldeflist], scope);
  const [first] = functions;
  const call = first !== undefined && "List" in first ? first.List.items?.[0] : undefined;
  // Without an alias the function's own name is one.
  const own = call !== undefined && "FuncCall" in call ? strings(call.FuncCall.funcname).at(-1) : undefined;
  return { kind: "uniform", alias: alias?.aliasname ?? own, value };
}

/** A chain of joins leans to the left: no recursion there. */
function join(tracer: Tracer, outermost: JoinExpr, scope: Scope): boolean {
  const chain: JoinExpr[] = [];
  let left: Node | undefined = { JoinExpr: outermost };
  while (left !== undefined && "JoinExpr" in left && (left.JoinExpr.alias === undefined || left.JoinExpr === outermost)) {
    chain.push(left.JoinExpr);
    left = left.JoinExpr.larg;
  }
  if (outermost.alias !== undefined) return aliased(tracer, outermost, outermost.alias, scope);
  const start = scope.entries.length;
  let merged = left !== undefined && tracer.nested(() => addFrom(tracer, left, scope));
  for (const { rarg, quals, usingClause = [], isNatural, join_using_alias } of chain.toReversed()) {
    const before = scope.entries.slice(start);
    if (rarg !== undefined) merged = tracer.nested(() => addFrom(tracer, rarg, scope)) || merged;
    const sides = [...before, ...scope.entries.slice(start + before.length)];
    noteCondition(tracer, quals, { ...scope, entries: [...scope.entries] });
    const using = strings(usingClause).map((name): Item => {
      const value = computed(union(sides.flatMap((entry) => columnOf(entry, name)?.value ?? [])));
      return { kind: "column", name, value };
    });
    for (const item of using) if (item.kind === "column") note(tracer, item.value);
    if (isNatural === true) note(tracer, union(sides.map(wholeRow)));
    if (join_using_alias?.aliasname !== undefined) scope.entries.push({ kind: "rows", alias: join_using_alias.aliasname, items: using });
    merged ||= using.length > 0 || isNatural === true;
  }
  return merged;
}

function note(tracer: Tracer, value: Value): void {
  tracer.spend(value.sources.size);
  tracer.read.add(value);
  tracer.filter(value);
}

/** `(a JOIN b ON …) AS j`: only `j` is in reach outside. */
function aliased(tracer: Tracer, joined: JoinExpr, alias: Alias, scope: Scope): boolean {
  // A lateral part of it reaches what stands before it.
  const inside = emptyScope(scope, scope.ctes, scope.windows);
  const { alias: _, ...bare } = joined;
  const merged = tracer.nested(() => join(tracer, bare, inside));
  const items = renamed([{ kind: "star", entries: inside.entries, merged }], strings(alias.colnames));
  scope.entries.push({ kind: "rows", alias: alias.aliasname, items });
  return false;
}
