/**
 * PostgreSQL's lexical rules, as far as finding string literals needs them, over any text: also one that does not parse.
 * Nothing is decided with it (the real parser does that); it says where literals and comments begin and end.
 *
 * word     letters, digits, _ and $       number   digits        symbol   anything else, one character
 * quoted   "…" with "" inside, U&"…"      comment  -- to the end of the line, or nested slash-star
 * string   '…' with '' inside, E'…' with backslashes, U&'…', N'…', B'…', X'…', $tag$…$tag$
 * What is not closed runs to the end of the text.
 */
export interface Token {
  readonly kind: "word" | "quoted" | "string" | "number" | "symbol" | "comment";
  readonly start: number;
  readonly end: number;
  /** Words in lower case, what is inside the quotes for `quoted`, otherwise as written. */
  readonly text: string;
  /** Of a string: where its content stands, and how it is written. */
  readonly content?: { readonly start: number; readonly end: number; readonly quoting: "plain" | "escape" | "unicode" | "dollar" };
}

const space = /[ \t\n\r\f\v]*/y;
const word = /[a-z_\u0080-\uffff][a-z0-9_$\u0080-\uffff]*/iy;
const number = /[0-9][0-9a-z_.]*/iy;
const dollarTag = /\$(?:[a-z_\u0080-\uffff][a-z0-9_\u0080-\uffff]*)?\$/iy;
const stringStart = /(?:[enbx]|u&)?'/iy;
const unicodeQuoted = /u&"/iy;

function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

export function* tokens(text: string): Generator<Token, void, undefined> {
  const skipSpace = (at: number): number => at + (match(space, text, at)?.length ?? 0);
  for (let at = skipSpace(0); at < text.length;) {
    const token = next(text, at);
    yield token;
    at = skipSpace(token.end);
  }
}

function next(text: string, at: number): Token {
  const two = text.slice(at, at + 2);
  if (two === "--") return plainToken("comment", text, at, lineEnd(text, at));
  if (two === "/*") return plainToken("comment", text, at, commentEnd(text, at));
  const opening = match(stringStart, text, at);
  if (opening !== undefined) return stringToken(text, at, opening);
  if (text[at] === '"' || match(unicodeQuoted, text, at) !== undefined) return quotedToken(text, at);
  const tag = match(dollarTag, text, at);
  if (tag !== undefined) {
    const close = text.indexOf(tag, at + tag.length);
    const contentEnd = close < 0 ? text.length : close;
    const end = close < 0 ? text.length : close + tag.length;
    return { ...plainToken("string", text, at, end), content: { start: at + tag.length, end: contentEnd, quoting: "dollar" } };
  }
  const name = match(word, text, at);
  if (name !== undefined) return { kind: "word", start: at, end: at + name.length, text: name.toLowerCase() };
  const digits = match(number, text, at);
  if (digits !== undefined) return plainToken("number", text, at, at + digits.length);
  return plainToken("symbol", text, at, at + 1);
}

const plainToken = (kind: Token["kind"], text: string, start: number, end: number): Token => ({ kind, start, end, text: text.slice(start, end) });

function lineEnd(text: string, at: number): number {
  for (let i = at; i < text.length; i++) if (text[i] === "\n" || text[i] === "\r") return i;
  return text.length;
}

const commentMark = /\/\*|\*\//g;

function commentEnd(text: string, at: number): number {
  let depth = 0;
  commentMark.lastIndex = at;
  for (let mark = commentMark.exec(text); mark !== null; mark = commentMark.exec(text)) {
    depth += mark[0] === "/*" ? 1 : -1;
    if (depth === 0) return commentMark.lastIndex;
  }
  return text.length;
}

function stringToken(text: string, at: number, opening: string): Token {
  const quoting = /^e/i.test(opening) ? "escape" : /^u/i.test(opening) ? "unicode" : "plain";
  const start = at + opening.length;
  let i = start;
  for (; i < text.length; i++) {
    if (quoting === "escape" && text[i] === "\\") i++;
    else if (text[i] === "'" && text[i + 1] === "'") i++;
    else if (text[i] === "'") break;
  }
  const end = Math.min(i, text.length);
  return { ...plainToken("string", text, at, Math.min(end + 1, text.length)), content: { start, end, quoting } };
}

function quotedToken(text: string, at: number): Token {
  const start = text.indexOf('"', at) + 1;
  let i = start;
  for (; i < text.length; i++) {
    if (text[i] === '"' && text[i + 1] === '"') i++;
    else if (text[i] === '"') break;
  }
  return { kind: "quoted", start: at, end: Math.min(i + 1, text.length), text: text.slice(start, i).replaceAll('""', '"') };
}

const simpleEscapes: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

/** The value of a string literal. A custom UESCAPE character is not followed. */
export function stringValue(text: string, token: Token): string {
  if (token.content === undefined) return "";
  const raw = text.slice(token.content.start, token.content.end);
  if (token.content.quoting === "dollar") return raw;
  const unquoted = raw.replaceAll("''", "'");
  if (token.content.quoting === "plain") return unquoted;
  const code = (digits: string, radix: number): string => {
    const point = Number.parseInt(digits, radix);
    return point <= 0x10ffff ? String.fromCodePoint(point) : "\ufffd";
  };
  if (token.content.quoting === "unicode") {
    return unquoted.replaceAll(/\\(?:\+([0-9a-f]{6})|([0-9a-f]{4})|(\\))/gi, (_, long?: string, short?: string) => code(long ?? short ?? "5c", 16));
  }
  return unquoted.replaceAll(
    /\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{1,3})|([\s\S]))/g,
    (_, hex?: string, short?: string, long?: string, octal?: string, other?: string) => {
      const digits = hex ?? short ?? long;
      if (digits !== undefined) return code(digits, 16);
      return octal === undefined ? (simpleEscapes[other ?? ""] ?? other ?? "") : code(octal, 8);
    },
  );
}
