import { ANY_RELATION, nameParts } from "../domain/facts.ts";

/** What names of a policy may be meant by the names in facts. */
export interface NamedInPolicy {
  readonly relations: readonly string[];
  readonly columns: readonly string[];
}

/**
 * Adds to the names of a command those that the policy writes and that may mean the same: a statement that says `customers` may mean the
 * one in any schema, as the search path has it, and `customers.*` may be `customers.email`. A rule that forbids one then catches all of
 * them, however the statement is written. What the policy does not write cannot matter to it.
 *
 * Names are sorted by their last part, so that the cost does not grow with the policy.
 */
export class PossibleNames {
  readonly #relations = new Map<string, string[]>();
  readonly #columns: readonly (readonly [name: string, table: string, column: string])[];

  constructor(named: NamedInPolicy) {
    for (const name of new Set(named.relations)) {
      const last = nameParts(name).at(-1) ?? "";
      this.#relations.set(last, [...(this.#relations.get(last) ?? []), name]);
    }
    this.#columns = [...new Set(named.columns)].flatMap((name) => {
      const [table, column, ...more] = nameParts(name);
      return table === undefined || column === undefined || more.length > 0 ? [] : [[name, table, column] as const];
    });
  }

  relations(names: readonly string[]): string[] {
    if (this.#relations.size === 0) return [...names];
    const all = new Set(names);
    for (const name of names) {
      if (name === ANY_RELATION) for (const known of this.#relations.values()) for (const each of known) all.add(each);
      const parts = nameParts(name);
      for (const known of this.#relations.get(parts.at(-1) ?? "") ?? []) if (parts.length === 1 || nameParts(known).length === 1) all.add(known);
    }
    return [...all];
  }

  columns(names: readonly string[]): string[] {
    if (this.#columns.length === 0) return [...names];
    const all = new Set(names);
    for (const name of names) {
      const [table = "", column = ""] = nameParts(name);
      for (const [known, itsTable, itsColumn] of this.#columns) if (same(table, itsTable) && same(column, itsColumn)) all.add(known);
    }
    return [...all];
  }
}

const same = (a: string, b: string): boolean => a === b || a === "*" || b === "*";
