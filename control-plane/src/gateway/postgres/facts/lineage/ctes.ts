import type { Node, WithClause } from "@pgsql/types";
import { strings } from "../names.ts";
import { columnOfItems, type CteScope, emptyScope, type Item, type Query, renamed, type Scope, uncounted, wholeItems } from "./scope.ts";
import type { Tracer } from "./tracer.ts";
import { computed, nothing, union, type Value } from "./values.ts";

/** Adds a WITH to what is in reach. Each is traced once, when it is first named. */
export function withCtes(tracer: Tracer, clause: WithClause | undefined, outer: Scope): CteScope | undefined {
  if (clause === undefined) return outer.ctes;
  const all = new Map<string, () => Query>();
  const everything: CteScope = { ctes: all, outer: outer.ctes };
  let before = outer.ctes;
  const watched: (() => readonly Value[])[] = [];
  for (const node of clause.ctes ?? []) {
    if (!("CommonTableExpr" in node) || node.CommonTableExpr.ctequery === undefined) continue;
    const { ctename = "", ctequery, aliascolnames, search_clause, cycle_clause } = node.CommonTableExpr;
    const scope = emptyScope(outer, clause.recursive === true ? everything : before);
    const added = [search_clause?.search_seq_column, cycle_clause?.cycle_mark_column, cycle_clause?.cycle_path_column];
    const query = traced(tracer, ctequery, scope, (items) => named(items, strings(aliascolnames), added));
    all.set(ctename, query);
    const repeated = strings(cycle_clause?.cycle_col_list);
    if (repeated.length > 0) watched.push(() => repeated.map((name) => columnOfItems(query().items, name)?.value ?? wholeItems(query().items)));
    before = { ctes: new Map([[ctename, query]]), outer: before };
  }
  // One that nothing names runs all the same when it changes something, and what it looks at counts.
  for (const query of all.values()) query();
  // CYCLE compares each row with those before it, and makes no more of one that was there: how many there are tells which values are equal.
  for (const values of watched) tracer.filter(union(values()));
  return everything;
}

function named(items: readonly Item[], names: readonly string[], added: readonly (string | undefined)[]): readonly Item[] {
  const value = wholeItems(items);
  return [...renamed(items, names), ...added.flatMap((name): Item[] => (name === undefined ? [] : [{ kind: "column", name, value }]))];
}

/** More rounds than that are needed only where columns change places over and over. */
const MAX_ROUNDS = 8;

/**
 * The columns of a CTE, which may name itself: then what they are made of is found by going round until nothing is added. Where they
 * cannot be counted, or it takes too long, each may be made of all.
 */
function traced(tracer: Tracer, query: Node, scope: Scope, name: (items: readonly Item[]) => readonly Item[]): () => Query {
  let known: Query | undefined;
  let underWay: Query | undefined;
  let namesItself = false;
  return () => {
    if (known !== undefined) return known;
    if (underWay !== undefined) {
      namesItself = true;
      return underWay;
    }
    const round = (self: readonly Item[], filters: Query["filters"]): Query => {
      underWay = { items: self, filters };
      return tracer.query(query, scope);
    };
    let last = round([uncounted(nothing)], { probed: nothing, matched: nothing });
    for (let rounds = 1; namesItself; rounds++) {
      const counted = rounds < MAX_ROUNDS && last.items.every(({ kind }) => kind === "column");
      const self = counted ? name(last.items) : [uncounted(wholeItems(last.items))];
      const next = round(self, last.filters);
      const settled = counted && next.items.every((item, index) => sizeOf(item) === sizeOf(last.items[index]));
      last = counted ? next : { items: [uncounted(computed(union([wholeItems(last.items), wholeItems(next.items)])))], filters: next.filters };
      if (settled || !counted) break;
    }
    known = { items: name(last.items), filters: last.filters };
    return known;
  };
}

/** Sets only grow from round to round. */
const sizeOf = (item: Item | undefined): number => {
  if (item?.kind !== "column") return -1;
  const { sources, opaque, made = false } = item.value;
  return sources.size * 4 + Number(opaque) * 2 + Number(made);
};
