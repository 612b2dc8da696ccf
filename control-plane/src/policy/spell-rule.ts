/** Strings, comments, brackets, white space, and what is between them. */
const token = /"(?:\\.|[^"\\])*"|\/\/[^\n]*|[()]|\s+|[^"()\s/]+|\//g;

/** A rule's scope as its author wrote it, in one line: what stands in the parentheses behind its effect. */
export const spellScope = (text: string): string => partsOf(text).scope;

/** Its conditions likewise; empty when it has none. */
export const spellConditions = (text: string): string => partsOf(text).conditions;

function partsOf(text: string): { readonly scope: string; readonly conditions: string } {
  let scope = "";
  let conditions = "";
  let depth = 0;
  let phase: "before" | "annotation" | "scope" | "conditions" = "before";
  for (const [word] of text.matchAll(token)) {
    if (word.startsWith("//")) continue;
    if (phase === "before") {
      if (word.startsWith("@")) phase = "annotation";
      else if (word === "(") phase = "scope";
      continue;
    }
    if (phase === "annotation") {
      // Its value, if it has one, is a string in parentheses.
      if (word === "permit" || word === "forbid") phase = "before";
      continue;
    }
    if (phase === "scope") {
      if (word === ")" && depth === 0) phase = "conditions";
      else scope += word;
      if (word === "(") depth++;
      if (word === ")") depth--;
      continue;
    }
    conditions += word;
  }
  return { scope: oneLine(scope), conditions: oneLine(conditions).replace(/;$/, "").trim() };
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, " ").trim();
