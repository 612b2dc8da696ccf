import type { Node } from "@pgsql/types";
import type { Query, Scope } from "./scope.ts";
import { computed, Gathered, type Value } from "./values.ts";

/**
 * What tracing one text shares: a bound on its work, and what was read and looked at on the way.
 *
 * T1. More than MAX_STEPS of work, or more than MAX_NESTING queries inside each other, throws TooIntricate: then everything may come from anywhere.
 */

/** A text of 256 KiB has some 200,000 nodes; what takes more looks at the same columns again and again. */
export const MAX_STEPS = 1_000_000;
/** Queries, joins to the right, or conditions of CASE inside each other: deeper than a person or a mapper writes. */
export const MAX_NESTING = 200;

export class TooIntricate extends Error {}

/** Where a query is traced: given here, since queries hold expressions, which hold queries. */
export type QueryTracing = (tracer: Tracer, query: Node, scope: Scope) => Query;

export class Tracer {
  readonly read = new Gathered();
  /** Functions and operators whose value is made of their arguments alone. */
  readonly isTransparent: (name: readonly string[], kind: "function" | "operator") => boolean;
  readonly #traceQuery: QueryTracing;
  #filters = new Gathered();
  #steps = 0;
  #depth = 0;

  constructor(isTransparent: Tracer["isTransparent"], traceQuery: QueryTracing) {
    this.isTransparent = isTransparent;
    this.#traceQuery = traceQuery;
  }

  spend(steps: number): void {
    this.#steps += steps;
    if (this.#steps > MAX_STEPS) throw new TooIntricate();
  }

  /** Notes what decides which rows there are, in what order, or which branch is taken: it can be probed without being seen. */
  filter(value: Value): void {
    this.#filters.add(value);
  }

  get filtered(): Value {
    return this.#filters.value;
  }

  nested<T>(work: () => T): T {
    if (++this.#depth > MAX_NESTING) throw new TooIntricate();
    const result = work();
    this.#depth--;
    return result;
  }

  query(query: Node, scope: Scope): Query {
    return this.nested(() => {
      const outer = this.#filters;
      this.#filters = new Gathered();
      const { items } = this.#traceQuery(this, query, scope);
      const filtered = computed(this.#filters.value);
      outer.add(filtered);
      this.#filters = outer;
      return { items, filtered };
    });
  }
}
