import { type Token, tokens } from "./facts/lexer.ts";

/**
 * Whether two statements, as they are recorded, are the same word for word but for strings and numbers. The fingerprint of the facts is
 * blind to the order in which columns, arguments and branches stand, and to the names that a subquery gives: with those, other rows change,
 * and other values arrive. Only what is written the same way counts as the same: it is to cover what an approver saw.
 */
export function sameButForConstants(shown: string, now: string): boolean {
  const [seen, sent] = [shape(shown), shape(now)];
  return seen.length === sent.length && seen.every((part, index) => part === sent[index]);
}

/** What EXECUTE stands for is recorded behind it in a comment, and is no comment. */
const RUNS = "\n-- runs: ";

/** What a statement, as it is recorded, is written with, but for comments. */
export const writtenWith = (text: string): readonly Token[] => Array.from(tokens(text.replaceAll(RUNS, " ;; "))).filter(({ kind }) => kind !== "comment");

function shape(text: string): string[] {
  const read = writtenWith(text);
  const sorts = read.some(({ kind, text: word }) => kind === "word" && (word === "by" || word === "distinct"));
  return read.map((token, index) => (isValue(token, read[index - 1], sorts) ? token.kind : JSON.stringify([token.kind, token.text])));
}

/** The number of a parameter is its name; that of a column stands in a list to sort or group by. */
function isValue({ kind, start }: Token, before: Token | undefined, sorts: boolean): boolean {
  if (kind !== "number") return kind === "string";
  if (before?.text === "$" && before.end === start) return false;
  return !sorts || !["by", ",", "("].includes(before?.text ?? "");
}
