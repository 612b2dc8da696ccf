/** The text of one policy, cut out of its file so that it can be parsed, located and named alone. */
export interface PolicyText {
  readonly file: string;
  /** Of its first character, from 1. */
  readonly line: number;
  readonly text: string;
}

/**
 * Cedar's lexical rules as far as they matter for `;`: strings with backslash escapes, and comments to the end of the line.
 * A string that is never closed takes the rest of the file: looking for its end again from each later quote would take hours.
 */
const token = /"(?:\\[^]|[^"\\])*"?|\/\/[^\n]*|;|\s+|[^";/\s]+|[^]/g;

/**
 * Cuts a file at each `;` that ends a policy. It need not be trusted: each piece is then parsed as exactly one policy,
 * so a wrong cut is a parse error. What follows the last `;` is a piece as well, unless it is blank.
 */
export function splitPolicies(file: string, text: string): PolicyText[] {
  const pieces: PolicyText[] = [];
  let line = 1;
  let start = -1;
  let startLine = 1;
  for (const match of text.matchAll(token)) {
    const [word] = match;
    const blank = word.startsWith("//") || /^\s/.test(word);
    if (start === -1 && !blank) {
      start = match.index;
      startLine = line;
    }
    line += newlines(word);
    if (word === ";") {
      pieces.push({ file, line: startLine, text: text.slice(start, match.index + 1) });
      start = -1;
    }
  }
  if (start !== -1) pieces.push({ file, line: startLine, text: text.slice(start) });
  return pieces;
}

/** Line in the file of a place in the policy; Cedar counts places in bytes of UTF-8. */
export function lineOf(policy: PolicyText, byteOffset: number): number {
  return policy.line + newlines(Buffer.from(policy.text).subarray(0, byteOffset).toString("latin1"));
}

function newlines(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) count++;
  return count;
}
