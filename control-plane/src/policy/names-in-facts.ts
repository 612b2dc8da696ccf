import { ANY_RELATION, columnName, nameParts } from "../domain/facts.ts";

/** What is wrong with a name that a rule writes; an error: no command has it, so that a `forbid` with it forbids nothing. */
export interface Misnamed {
  readonly severity: "error" | "warning";
  readonly message: string;
}

type Check = (word: string) => Misnamed | undefined;

/** How each attribute of a command spells names. */
const checks: Readonly<Record<string, Check>> = {
  relationsRead: relation,
  relationsWritten: (word) => (word === ANY_RELATION ? undefined : relation(word)),
  columnsRead: column,
  columnsFiltered: column,
  columnsMatched: column,
  columnsWritten: column,
  columnsCopied: column,
  settings: (word) => (word === word.toLowerCase() ? undefined : error(word, "settings are in lower case", word.toLowerCase())),
};

/** The attributes of `context` that hold names. */
export const namingAttributes: readonly string[] = Object.keys(checks);

export function misnamed(attribute: string, word: string): Misnamed | undefined {
  const found = checks[attribute]?.(word);
  return found && { ...found, message: `context.${attribute} ${found.message}` };
}

function column(word: string): Misnamed | undefined {
  const parts = nameParts(word);
  if (parts.length === 1) return error(word, "columns have their table before them", columnName(word, "*"));
  return written(word, parts, "columns are their table's name and their own, without a schema");
}

function relation(word: string): Misnamed | undefined {
  const parts = nameParts(word);
  if (parts.includes("*")) return error(word, 'relations are written out one by one, as "schema.name" or "name"');
  return parts.length === 1 ? spelt(word, parts) : written(word, parts, "relations are a name, or a schema and a name");
}

function written(word: string, parts: readonly string[], rule: string): Misnamed | undefined {
  return parts.length > 2 ? error(word, rule, columnName(...parts.slice(-2))) : spelt(word, parts);
}

/** Names are quoted only where they would read as others. */
function spelt(word: string, parts: readonly string[]): Misnamed | undefined {
  if (parts.length === 0 || parts.includes("")) return error(word, "a name has no empty part");
  const name = columnName(...parts);
  if (name !== word) return error(word, "quotes stand only around a part with a dot or a quote in it", name);
  if (word === word.toLowerCase()) return undefined;
  const folded = JSON.stringify(word.toLowerCase());
  const message = `holds ${JSON.stringify(word)} only where the name was made in quotes: PostgreSQL keeps others in lower case, ${folded}.`;
  return { severity: "warning", message };
}

function error(word: string, rule: string, right?: string): Misnamed {
  const instead = right === undefined ? "" : `. Write ${JSON.stringify(right)}`;
  return { severity: "error", message: `never holds ${JSON.stringify(word)}: ${rule}${instead}.` };
}
