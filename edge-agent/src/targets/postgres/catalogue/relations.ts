import { computedFrom, joined, type Lineage, OF_ANYTHING, OF_NO_COLUMN, type Origin } from "../../../masking/lineage.ts";
import type { Relation } from "./relation.ts";
import type { ColumnReference, RuleColumn } from "./rule-columns.ts";

/** Below this OID there is nothing but the catalogue's own tables, the same on every server (PostgreSQL, transam.h). */
export const FIRST_UNPINNED_OID = 12_000;
/** Below this OID is what `initdb` made: the views over the catalogue, too. */
export const FIRST_USER_OID = 16_384;
/** pg_statistic, pg_statistic_ext_data: samples of every table's values. pg_largeobject: whatever was put there. */
const HOLDS_VALUES: ReadonlySet<number> = new Set([2619, 3429, 2613]);
/**
 * Views of the system's own, and their columns with values: samples, what others run, which holds the values that they look for, and how much
 * was sorted on disk, is copied out, or lies in memory, which tells how wide values are, of a COPY from row to row.
 */
const SHOWS_VALUES: readonly { readonly view: RegExp; readonly column: RegExp }[] = [
  { view: /^pg_stats/, column: /vals$|elems$|bounds|histogram$/ },
  { view: /^pg_stat_activity$/, column: /^query$/ },
  { view: /^pg_stat_database$/, column: /^temp_/ },
  { view: /^pg_stat_progress_copy$/, column: /^bytes_/ },
  { view: /^pg_backend_memory_contexts$/, column: /_(?:bytes|nblocks|chunks)$/ },
];

/**
 * Follows result columns through views, rules, generated columns and inheritance down to the tables' own columns.
 * What is not known, or cannot be followed, may be made of anything.
 */
export class Relations {
  readonly #relations: ReadonlyMap<number, Relation>;
  readonly #pure: ReadonlySet<number>;
  readonly #known = new Map<string, Lineage>();
  readonly #tables = new Map<number, ReadonlySet<string>>();

  /** `pure`: functions whose answer depends on nothing but their arguments. */
  constructor(relations: ReadonlyMap<number, Relation>, pure: ReadonlySet<number>) {
    this.#relations = relations;
    this.#pure = pure;
  }

  /** Attribute 0 is the whole row. `stored`: the rows may have been made when views were defined otherwise. */
  lineage(oid: number, attribute: number, stored = false): Lineage {
    const key = `${oid}.${attribute}.${stored}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    // Views cannot be made of themselves; what rules return can go in circles, and is then of anything.
    this.#known.set(key, OF_ANYTHING);
    const lineage = this.#follow(oid, attribute, stored);
    this.#known.set(key, lineage);
    return lineage;
  }

  /** Of all columns with this name; `*` is each of them. */
  named(oid: number, column: string): Lineage {
    const relation = this.#relations.get(oid);
    if (relation === undefined) return OF_ANYTHING;
    const name = column.toLowerCase();
    // Written as a column that is not there, it is called with the row, and answers what it likes.
    if (this.#isRowFunction(oid, name)) return OF_ANYTHING;
    const attributes = [...relation.columns].filter(([, { names }]) => name === "*" || names.has(name)).map(([attribute]) => attribute);
    return joined(attributes.map((attribute) => this.lineage(oid, attribute)));
  }

  /** Those of what it inherits from take its rows, too. */
  #isRowFunction(oid: number, name: string): boolean {
    const seen = new Set<number>();
    const next = [oid];
    for (let at = next.pop(); at !== undefined; at = next.pop()) {
      const relation = this.#relations.get(at);
      if (relation === undefined || seen.has(at)) continue;
      if (relation.rowFunctions.has(name)) return true;
      seen.add(at);
      next.push(...relation.parents);
    }
    return false;
  }

  #follow(oid: number, attribute: number, fromStored: boolean): Lineage {
    // ctid, xmin and their like.
    if (attribute < 0) return OF_NO_COLUMN;
    const relation = this.#relations.get(oid);
    if (oid < FIRST_USER_OID) return this.#ofSystem(oid, relation, attribute);
    if (relation === undefined) return OF_ANYTHING;
    if (attribute === 0) return computedFrom(joined([...relation.columns.keys()].map((each) => this.lineage(oid, each, fromStored))));
    const column = relation.columns.get(attribute);
    if (column === undefined) return OF_ANYTHING;
    const origin: Origin = { tables: this.tableNames(oid), columns: column.names };
    const own: Lineage = { origins: [origin], madeOf: [], opaque: relation.forgotten };
    const generated = Array.from(column.generatedFrom, (from) => computedFrom(this.lineage(oid, from, fromStored)));
    if (!relation.ruled) return joined([own, ...generated]);
    const rules = relation.rules?.get(attribute);
    // A rule that is not about this column leaves a table's own column, but makes nothing of a view's.
    if (rules === undefined) return relation.rules === undefined || relation.isView ? joined([own, OF_ANYTHING]) : joined([own, ...generated]);
    const stored = fromStored || relation.isStored;
    const counting = fromStored ? [...rules, ...(relation.formerRules.get(attribute) ?? [])] : rules;
    return joined([own, ...generated, ...counting.map((rule) => this.#ofRule(rule, stored))]);
  }

  #ofRule({ shows, madeOf, functions }: RuleColumn, stored: boolean): Lineage {
    if (shows !== undefined) return this.lineage(shows.relation, shows.attribute, stored);
    if (functions.some((oid) => !this.#pure.has(oid))) return OF_ANYTHING;
    return computedFrom(joined(distinct(madeOf).map(({ relation, attribute }) => this.lineage(relation, attribute, stored))));
  }

  #ofSystem(oid: number, relation: Relation | undefined, attribute: number): Lineage {
    if (HOLDS_VALUES.has(oid)) return OF_ANYTHING;
    const shown = SHOWS_VALUES.find(({ view }) => relation !== undefined && view.test(relation.name));
    if (relation === undefined || shown === undefined) return OF_NO_COLUMN;
    const names = attribute === 0 ? [...relation.columns.values()].flatMap((column) => [...column.names]) : [...(relation.columns.get(attribute)?.names ?? [])];
    return names.some((name) => shown.column.test(name)) ? OF_ANYTHING : OF_NO_COLUMN;
  }

  /** Its own names and those of all that it inherits from: a mask on a table holds for its partitions. */
  tableNames(oid: number): ReadonlySet<string> {
    const known = this.#tables.get(oid);
    if (known !== undefined) return known;
    const relation = this.#relations.get(oid);
    if (relation === undefined) return new Set();
    const names = new Set(relation.names);
    const seen = new Set([oid]);
    const above = [...relation.parents];
    for (let next = above.pop(); next !== undefined; next = above.pop()) {
      const parent = this.#relations.get(next);
      if (parent === undefined || seen.has(next)) continue;
      seen.add(next);
      for (const name of parent.names) names.add(name);
      above.push(...parent.parents);
    }
    this.#tables.set(oid, names);
    return names;
  }
}

function distinct(references: readonly ColumnReference[]): readonly ColumnReference[] {
  return [...new Map(references.map((reference) => [`${reference.relation}.${reference.attribute}`, reference])).values()];
}
