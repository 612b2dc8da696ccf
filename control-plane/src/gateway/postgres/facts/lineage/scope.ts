import type { Node } from "@pgsql/types";
import { ANY_COLUMN, column, computed, nothing, union, type Value } from "./values.ts";

/** A column of rows, or all columns of what stands in FROM. */
export type Item =
  | { readonly kind: "column"; /** Undefined: any name may be meant. */ readonly name: string | undefined; readonly value: Value }
  /** `merged`: a join drops some of them, so that they cannot be counted. */
  | { readonly kind: "star"; readonly entries: readonly Entry[]; readonly merged: boolean };

interface Named {
  /** What it is called in the statement; undefined: it cannot be named, only its columns can. */
  readonly alias: string | undefined;
}

/** What FROM puts in reach. */
export type Entry =
  /** A relation of the database, whose columns the text does not tell. */
  | (Named & {
      readonly kind: "table";
      readonly table: string;
      /** In each of its columns, beside what is stored there. */
      readonly everywhere: Value;
      /** What the statement itself puts into columns. */
      readonly assigned: ReadonlyMap<string, Value>;
    })
  /** A subquery, a CTE, a join with an alias. */
  | (Named & { readonly kind: "rows"; readonly items: readonly Item[] })
  /** A function and the like: each column may be made of all that it is given. */
  | (Named & { readonly kind: "uniform"; readonly value: Value });

/** Columns of which neither number nor names are known, each made of all of this. */
export const uncounted = (value: Value): Item => ({ kind: "star", merged: true, entries: [{ kind: "uniform", alias: undefined, value }] });

/** What decided which rows there are. */
export interface Filters {
  readonly probed: Value;
  /** Only compared with values that the statement holds. */
  readonly matched: Value;
}

export interface Query {
  readonly items: readonly Item[];
  readonly filters: Filters;
}

export interface CteScope {
  readonly ctes: ReadonlyMap<string, () => Query>;
  readonly outer: CteScope | undefined;
}

export interface Scope {
  /** Grows while FROM is read. */
  readonly entries: Entry[];
  readonly outer: Scope | undefined;
  readonly ctes: CteScope | undefined;
  /** WINDOW clauses, which calls may name. */
  readonly windows: readonly Node[];
}

export const emptyScope = (outer: Scope | undefined, ctes: CteScope | undefined, windows: readonly Node[] = []): Scope => ({
  entries: [],
  outer,
  ctes,
  windows,
});

export function findCte(scope: CteScope | undefined, name: string): (() => Query) | undefined {
  for (let at = scope; at !== undefined; at = at.outer) {
    const found = at.ctes.get(name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** All that is in its rows. */
export function wholeRow(entry: Entry): Value {
  switch (entry.kind) {
    case "table": {
      const stored = column(entry.table, ANY_COLUMN);
      return computed(union([stored, entry.everywhere, ...entry.assigned.values()]));
    }
    case "rows":
      return wholeItems(entry.items);
    default:
      return entry.value;
  }
}

/** Rows are named again and again, and stars over stars would double the work each time. */
const wholes = new WeakMap<readonly Item[], Value>();
const founds = new WeakMap<readonly Item[], Map<string, Found | undefined>>();

export function wholeItems(items: readonly Item[]): Value {
  let whole = wholes.get(items);
  if (whole === undefined) {
    whole = computed(union(items.flatMap((item) => (item.kind === "column" ? [item.value] : item.entries.map(wholeRow)))));
    wholes.set(items, whole);
  }
  return whole;
}

export interface Found {
  readonly value: Value;
  /** The name can mean nothing else here, nor further out. */
  readonly certain: boolean;
}

/** What a column name means in one entry; undefined when it has no such column. */
export function columnOf(entry: Entry, name: string): Found | undefined {
  switch (entry.kind) {
    case "table": {
      const { table, everywhere, assigned } = entry;
      const put = [everywhere, assigned.get(name) ?? nothing].filter(({ sources, opaque }) => sources.size > 0 || opaque);
      return { value: union([column(table, name), ...put]), certain: false };
    }
    case "rows":
      return columnOfItems(entry.items, name);
    default:
      return { value: entry.value, certain: false };
  }
}

export function columnOfItems(items: readonly Item[], name: string): Found | undefined {
  let known = founds.get(items);
  if (known === undefined) founds.set(items, (known = new Map<string, Found | undefined>()));
  if (!known.has(name)) known.set(name, findColumn(items, name));
  return known.get(name);
}

function findColumn(items: readonly Item[], name: string): Found | undefined {
  const found: Value[] = [];
  let certain = false;
  for (const item of items) {
    if (item.kind === "star") {
      for (const entry of item.entries) {
        const inside = columnOf(entry, name);
        if (inside === undefined) continue;
        found.push(inside.value);
        certain ||= inside.certain;
      }
    } else if (item.name === name || item.name === undefined) {
      found.push(item.value);
      certain ||= item.name === name;
    }
  }
  return found.length === 0 ? undefined : { value: union(found), certain };
}

/** Items whose first columns have other names: `AS t (a, b)`. */
export function renamed(items: readonly Item[], names: readonly string[]): readonly Item[] {
  if (names.length === 0) return items;
  const counted = items.slice(0, names.length).every(({ kind }) => kind === "column");
  if (counted) return items.map((item, index) => (item.kind === "column" ? { ...item, name: names[index] ?? item.name } : item));
  const value = wholeItems(items);
  // Which column has which name is not known; with how many, neither.
  return [
    { kind: "star", merged: true, entries: [{ kind: "rows", alias: undefined, items: names.map((name) => ({ kind: "column", name, value })) }] },
    ...items,
  ];
}
