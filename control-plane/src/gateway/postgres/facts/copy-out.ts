import type { CopyStmt } from "@pgsql/types";
import type { CopyOut } from "./analysis.ts";
import { copyOutLayout } from "./copy-layout.ts";
import { tokens } from "./lexer.ts";
import { quoteIdentifier, strings } from "./names.ts";

/** What the client will get, and how it is spelt: undefined for anything but COPY … TO STDOUT. */
export function copyOut(text: string, copy: CopyStmt | undefined): CopyOut | undefined {
  if (copy === undefined || copy.is_from === true || copy.is_program === true || copy.filename !== undefined) return undefined;
  const query = sameColumns(text, copy);
  return query === undefined ? undefined : { query, layout: copyOutLayout(copy), withoutGenerated: copy.relation !== undefined && copy.attlist === undefined };
}

function sameColumns(text: string, copy: CopyStmt): string | undefined {
  if (copy.relation === undefined) return insideParentheses(text);
  const { schemaname, relname = "" } = copy.relation;
  const columns = strings(copy.attlist).map(quoteIdentifier);
  const relation = [schemaname, relname].flatMap((name) => (name === undefined ? [] : [quoteIdentifier(name)])).join(".");
  return `SELECT ${columns.length === 0 ? "*" : columns.join(", ")} FROM ${relation}`;
}

/** The text between COPY's first parenthesis and the one that closes it. */
function insideParentheses(text: string): string | undefined {
  let depth = 0;
  let start = 0;
  for (const token of tokens(text)) {
    if (token.kind !== "symbol") continue;
    if (token.text === "(" && depth++ === 0) start = token.end;
    if (token.text === ")" && --depth === 0) return text.slice(start, token.start).trim();
  }
  return undefined;
}
