import type { Node, RangeVar } from "@pgsql/types";
import type { Traits } from "../functions.ts";
import type { Filters, Query, Scope } from "./scope.ts";
import { ANY_COLUMN, computed, Gathered, sourceKey, type Value } from "./values.ts";

/**
 * What tracing one statement shares: a bound on its work, and what was read and looked at on the way.
 *
 * T1. More than MAX_STEPS of work, or more than MAX_NESTING queries inside each other, throws TooIntricate: then everything may come from anywhere.
 */

/** A text of 256 KiB has some 200,000 nodes; what takes more looks at the same columns again and again. */
export const MAX_STEPS = 1_000_000;
/** Queries, joins to the right, or conditions of CASE inside each other: deeper than a person or a mapper writes. */
export const MAX_NESTING = 200;

export class TooIntricate extends Error {}

/** Where a query is traced: given here, since queries hold expressions, which hold queries. */
export type QueryTracing = (tracer: Tracer, query: Node, scope: Scope) => Query["items"];

/** A list of more values is a search, not a look-up; whether one statement holds it, or several of one text. */
export const MAX_EXACT_VALUES = 20;

/** Of a function or an operator. */
export type TraitsOf = (name: readonly string[], kind: "function" | "operator") => Traits;

export class Tracer {
  readonly read = new Gathered();
  readonly written = new Set<string>();
  copied = new Gathered();
  /** What goes into columns of the changed table, by their names; ANY_COLUMN: the text does not say into which. */
  readonly assigned = new Map<string, Gathered>();
  /**
   * What an EXPLAIN that runs tells the width of, by what sorts and the like take: values that are made, or with SERIALIZE what is shown.
   * And what a COPY into another encoding may fail to convert: values that are made.
   */
  measured: "nothing" | "made" | "all" = "nothing";
  /** Items of target lists that are made of columns: to convert them into another encoding fails on some values. */
  readonly made = new Gathered();
  /** What each source is compared with. */
  readonly exactValues = new Map<string, Set<string>>();
  readonly traitsOf: TraitsOf;
  readonly #traceQuery: QueryTracing;
  /** How each name of a table is written: with which schemas. */
  readonly #tables = new Map<string, Set<string>>();
  #probed = new Gathered();
  #matched = new Gathered();
  #steps = 0;
  #depth = 0;

  constructor(traitsOf: TraitsOf, traceQuery: QueryTracing) {
    this.traitsOf = traitsOf;
    this.#traceQuery = traceQuery;
  }

  spend(steps: number): void {
    this.#steps += steps;
    if (this.#steps > MAX_STEPS) throw new TooIntricate();
  }

  /** Notes what decides which rows there are, in what order, or which branch is taken: it can be probed without being seen. */
  filter(value: Value): void {
    this.#probed.add(value);
  }

  /** An item of a target list: `replace(ssn, '12', repeat('x', 999))` is as wide as the value says. */
  shows(value: Value): void {
    if (!value.plain) this.made.add(value);
    if (this.measured === "all" || (this.measured === "made" && !value.plain)) this.filter(value);
  }

  /** As `filter`, of a column that is only compared with values that the statement holds: it tells those who know them already. */
  match(value: Value, exact: readonly string[] = []): void {
    this.#matched.add(value);
    if (exact.length > 0) for (const source of value.sources) this.#note(source, exact);
  }

  #note(source: string, exact: readonly string[]): void {
    const values = this.exactValues.get(source) ?? new Set();
    // One more than allowed says it all.
    for (const value of exact) if (values.size <= MAX_EXACT_VALUES) values.add(value);
    this.exactValues.set(source, values);
  }

  filterAgain({ probed, matched }: Filters): void {
    this.#probed.add(probed);
    this.#matched.add(matched);
  }

  get filters(): Filters {
    return { probed: computed(this.#probed.value), matched: computed(this.#matched.value) };
  }

  /** Notes a table that the statement names, for whether another of that name is meant as well. */
  names(relation: RangeVar | undefined): void {
    const { relname = "", schemaname = "", catalogname = "" } = relation ?? {};
    const spelt = this.#tables.get(relname) ?? new Set();
    this.#tables.set(relname, spelt.add(`${catalogname}.${schemaname}`));
  }

  /** Notes that a value goes into a column; a column that is made of itself, and of no other table's of that name, goes nowhere. */
  write(relation: RangeVar | undefined, column: string, value: Value): void {
    const table = relation?.relname ?? "";
    const own = sourceKey(table, column);
    this.written.add(own);
    this.names(relation);
    if (column === ANY_COLUMN || this.#tables.get(table)?.size !== 1 || !value.sources.has(own)) return this.copied.add(value);
    this.copied.add({ ...value, sources: new Set([...value.sources].filter((source) => source !== own)) });
  }

  assign(column: string, value: Value): void {
    const gathered = this.assigned.get(column) ?? new Gathered();
    gathered.add(value);
    this.assigned.set(column, gathered);
  }

  /** Nothing of it runs: it writes nothing. */
  onlyPlanned(): void {
    this.written.clear();
    this.copied = new Gathered();
  }

  nested<T>(work: () => T): T {
    if (++this.#depth > MAX_NESTING) throw new TooIntricate();
    const result = work();
    this.#depth--;
    return result;
  }

  query(query: Node, scope: Scope): Query {
    return this.nested(() => {
      const outer = [this.#probed, this.#matched] as const;
      [this.#probed, this.#matched] = [new Gathered(), new Gathered()];
      const items = this.#traceQuery(this, query, scope);
      const { filters } = this;
      [this.#probed, this.#matched] = outer;
      this.filterAgain(filters);
      return { items, filters };
    });
  }
}
