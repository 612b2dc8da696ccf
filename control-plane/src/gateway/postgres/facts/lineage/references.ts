import { columnOf, type Entry, type Scope, wholeRow } from "./scope.ts";
import { anything, computed, union, type Value } from "./values.ts";
import catalogue from "../catalogue.json" with { type: "json" };

/** Built in, and called with one argument of any type: `c.to_jsonb` is `to_jsonb(c)` where `c` has no such column. */
const rowFunctions: ReadonlySet<string> = new Set(catalogue.rowFunctions);

/**
 * What a name stands for. A relation's columns are not known here, so a name without an alias may be a column of each relation in reach,
 * or of one further out: all of them count, until one has it for certain.
 */
export function resolve(names: readonly string[], scope: Scope): Value {
  const name = names.at(-1) ?? "";
  const alias = names.at(-2);
  return alias === undefined ? bareName(name, scope) : fieldOf(alias, name, scope);
}

function bareName(name: string, scope: Scope): Value {
  const found: Value[] = [];
  for (let at: Scope | undefined = scope; at !== undefined; at = at.outer) {
    let certain = false;
    for (const entry of at.entries) {
      const one = columnOf(entry, name);
      if (one !== undefined) found.push(one.value);
      certain ||= one?.certain === true;
    }
    if (certain) return union(found);
    // No column of that name: then it is the whole row.
    for (const entry of at.entries) if (entry.alias === name) found.push(computed(wholeRow(entry)));
  }
  return found.length === 0 ? anything : union(found);
}

function fieldOf(alias: string, name: string, scope: Scope): Value {
  const values = entriesNamed(alias, scope).map((entry) => {
    const found = columnOf(entry, name);
    // What is not a column is a function of the row, and what may be none may be one.
    if (found === undefined) return computed(wholeRow(entry));
    return found.certain || !rowFunctions.has(name) ? found.value : computed(union([found.value, wholeRow(entry)]));
  });
  return values.length === 0 ? anything : union(values);
}

/** Of the innermost level that has any. */
export function entriesNamed(alias: string, scope: Scope): readonly Entry[] {
  for (let at: Scope | undefined = scope; at !== undefined; at = at.outer) {
    const found = at.entries.filter((entry) => entry.alias === alias);
    if (found.length > 0) return found;
  }
  return [];
}
