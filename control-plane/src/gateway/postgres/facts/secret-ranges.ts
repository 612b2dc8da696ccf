import { stringValue, type Token, tokens } from "./lexer.ts";
import { textPlaces } from "./literal-content.ts";
import { announcesPassword, isSensitiveSetting, keyedFunctions, mayHoldSecret, passwordsIn, sensitiveKey } from "./secret-literals.ts";

export interface SecretRange {
  readonly start: number;
  readonly end: number;
  /** What stands there, as the server reads it: not to be found anywhere else in the text either. */
  readonly value: string;
}

/** `LOCAL a.b.c TO`: a name has no more parts. */
const MAX_NAME_TOKENS = 12;
/** `CREATE OR REPLACE FUNCTION` */
const MAX_HEAD_WORDS = 4;
/** Options of a server, arguments of set_config. */
const MAX_LIST_TOKENS = 2_000;
/** Code in a literal in code in a literal: as deep as anybody writes. */
const MAX_NESTING = 4;

/**
 * Where secrets stand in a text, by its tokens: it need not parse. In doubt it says more, never less.
 * In order of their start; they may overlap. Of a literal its content, or the password in it: what stands around a secret is for people to read.
 * Literals and comments are searched as texts of their own (a DO block, a function body, an EXECUTE'd string).
 */
export function secretRanges(text: string, nesting = 0): SecretRange[] {
  return new Search(text, nesting).run();
}

class Search {
  readonly #text: string;
  readonly #nesting: number;
  readonly #tokens: readonly Token[];
  readonly #found: SecretRange[] = [];
  /** Of the statement that is being read. */
  #head: string[] = [];
  #updates = false;
  /** A literal announced a password: those after it, in this statement, may be it. */
  #announced = false;
  /** Tokens before this one are covered by a range to the end of the statement or of a call: not gone over again. */
  #covered = 0;
  #depth = 0;
  /** In a definition, and its column, parameter or domain has the name of a secret: what it is by default is one. Parentheses around the name. */
  #named: number | undefined;

  constructor(text: string, nesting: number) {
    this.#text = text;
    this.#nesting = nesting;
    this.#tokens = [...tokens(text)];
  }

  run(): SecretRange[] {
    for (const [i, token] of this.#tokens.entries()) {
      if (token.kind === "comment") this.#comment(token);
      else if (token.kind === "string") this.#string(token);
      else if (token.kind === "word") this.#word(token, i);
      else if (token.kind === "quoted") this.#name(token.text);
      else if (token.kind === "symbol") this.#symbol(token, i);
    }
    return this.#found.toSorted((a, b) => a.start - b.start || b.end - a.end);
  }

  #symbol({ text }: Token, i: number): void {
    if (text === ";") {
      this.#head = [];
      this.#updates = false;
      this.#announced = false;
      this.#depth = 0;
      this.#named = undefined;
    }
    if (text === "(") this.#depth++;
    if (text === ")") this.#depth--;
    if (this.#named === undefined) return;
    // `create function f(password text = 'x')`
    if ((text === "=" || text === ":=") && this.#head.some((word) => word === "function" || word === "procedure")) this.#byDefault(i);
    if (this.#depth < this.#named || (text === "," && this.#depth === this.#named)) this.#named = undefined;
  }

  /** Of a column, parameter or domain, perhaps; a table's name stands before the parentheses of its columns. */
  #name(text: string): void {
    const [verb, kind] = this.#head;
    const defines = verb === "alter" || (verb === "create" && (this.#depth > 0 || kind === "domain"));
    if (this.#named === undefined && defines && isSensitiveSetting(text)) this.#named = this.#depth;
  }

  #word({ text }: Token, i: number): void {
    if (this.#head.length < MAX_HEAD_WORDS) this.#head.push(text);
    if (text === "default" && this.#named !== undefined) this.#byDefault(i);
    else this.#name(text);
    switch (text) {
      case "update":
        this.#updates = true;
        return;
      case "password":
        return this.#password(i);
      case "connection":
      case "by":
        if (text === "connection" || this.#before(i)?.text === "identified") this.#literalsAt(this.#after(i));
        return;
      case "options":
        return this.#options(i);
      case "set":
        return this.#setting(i);
      case "set_config":
        if (this.#inParentheses(i).some((token) => token.kind === "string" && isSensitiveSetting(stringValue(this.#text, token)))) this.#arguments(i, 1);
        return;
      default:
        if (keyedFunctions.has(text) && i >= this.#covered) this.#arguments(i, 0, Infinity);
    }
  }

  /** `PASSWORD 'x'` anywhere; in a role's statement also what is no literal, up to the end of the statement. */
  #password(i: number): void {
    const next = this.#after(i);
    const token = this.#tokens[next];
    if (token === undefined) return;
    if (token.kind === "string") return this.#literalsAt(next);
    const ofRole = /^(?:alter|create) (?:role|user|group)(?! mapping)/.test(this.#head.join(" "));
    if (ofRole && token.text !== "null" && token.text !== ";" && token.text !== "%") this.#untilEnd(next);
  }

  /** `OPTIONS (user 'x', password 'y')`: sensitive keys; of a user mapping, all but the user. */
  #options(i: number): void {
    const mapping = this.#head.includes("mapping");
    for (const [offset, token] of this.#inParentheses(i).entries()) {
      const label = this.#before(this.#after(i) + 1 + offset);
      if (token.kind !== "string" || label === undefined) continue;
      const harmless = mapping ? /^user(?:name)?$/i.test(label.text) : !sensitiveKey.test(label.text) && !label.text.includes("\\");
      if (!harmless) this.#literalsAt(this.#after(i) + 1 + offset);
    }
  }

  /** `SET [LOCAL] my.password = x`, also within ALTER ROLE, ALTER SYSTEM and CREATE FUNCTION; not UPDATE … SET password. */
  #setting(i: number): void {
    if (this.#updates) return;
    let sensitive = false;
    for (let at = this.#after(i), read = 0; at < this.#tokens.length && read < MAX_NAME_TOKENS; at = this.#after(at), read++) {
      const { kind, text } = this.#tokens[at] as Token;
      if (text === "=" || text === "to") {
        if (!sensitive) return;
        return this.#head[0] === "set" || this.#head[0] === "alter" ? this.#untilEnd(this.#after(at)) : this.#values(this.#after(at));
      }
      if (kind !== "word" && kind !== "quoted" && text !== ".") return;
      sensitive ||= isSensitiveSetting(text);
    }
  }

  /** Literals after `i` up to the end of the definition: a comma, or the parenthesis that closes what it is in. */
  #byDefault(i: number): void {
    let depth = 0;
    const last = Math.min(this.#tokens.length, i + MAX_LIST_TOKENS);
    for (let at = Math.max(i + 1, this.#covered); at < last; at++) {
      const token = this.#tokens[at] as Token;
      if (token.kind === "string") this.#literal(token);
      if (token.kind !== "symbol") continue;
      if (token.text === "(") depth++;
      if (token.text === ";" || (token.text === "," && depth === 0) || (token.text === ")" && depth-- === 0)) break;
      this.#covered = at;
    }
  }

  #string(token: Token): void {
    const value = stringValue(this.#text, token);
    if (this.#announced) this.#literal(token);
    else if (mayHoldSecret.test(value)) this.#inside(token, value);
    if (announcesPassword(value)) this.#announced = true;
  }

  #inside(token: Token, value: string): void {
    const passwords = passwordsIn(value).map(({ start, end }) => ({ start, end, value: value.slice(start, end) }));
    const nested = this.#nesting < MAX_NESTING ? secretRanges(value, this.#nesting + 1) : [];
    if (passwords.length + nested.length === 0) return;
    const place = textPlaces(this.#text, token);
    for (const range of [...passwords, ...nested]) this.#found.push({ ...place(range.start, range.end), value: range.value });
  }

  #comment(token: Token): void {
    const content = token.text.slice(2);
    if (this.#nesting >= MAX_NESTING || !mayHoldSecret.test(content)) return;
    for (const range of secretRanges(content, this.#nesting + 1)) this.#add(token.start + 2 + range.start, token.start + 2 + range.end, range.value);
  }

  /** The literal at `i`, with those that PostgreSQL, or a reader, would take as its continuation. */
  #literalsAt(i: number): void {
    for (let at = i, token = this.#tokens[at]; token?.kind === "string"; at = this.#after(at), token = this.#tokens[at]) {
      this.#literal(token);
    }
  }

  /** `a, 'b', 3`: a setting that another statement makes in passing. */
  #values(i: number): void {
    for (let at = i; at < this.#tokens.length; at = this.#after(this.#after(at))) {
      const token = this.#tokens[at];
      if (token === undefined || token.kind === "symbol") return;
      if (token.kind === "string") this.#literal(token);
      else this.#add(token.start, token.end, token.text);
      if (this.#tokens[this.#after(at)]?.text !== ",") return;
    }
  }

  #untilEnd(i: number): void {
    if (i < this.#covered) return;
    let first: Token | undefined;
    let last: Token | undefined;
    const bare = (): void => {
      if (first !== undefined && last !== undefined) this.#add(first.start, last.end, this.#text.slice(first.start, last.end));
      first = undefined;
    };
    for (let at = i; at < this.#tokens.length; at++) {
      const token = this.#tokens[at];
      if (token === undefined || (token.kind === "symbol" && token.text === ";")) break;
      this.#covered = at + 1;
      if (token.kind === "string") {
        bare();
        this.#literal(token);
        continue;
      }
      first ??= token;
      last = token;
    }
    bare();
  }

  #arguments(i: number, spare: number, limit = MAX_LIST_TOKENS): void {
    const list = this.#inParentheses(i, limit);
    if (limit === Infinity) this.#covered = this.#after(i) + 1 + list.length;
    for (const token of list.filter(({ kind }) => kind === "string").slice(spare)) this.#literal(token);
  }

  /** The tokens between the parenthesis that follows and its closing one. */
  #inParentheses(i: number, limit = MAX_LIST_TOKENS): readonly Token[] {
    const open = this.#after(i);
    if (this.#tokens[open]?.text !== "(") return [];
    const last = Math.min(this.#tokens.length, open + limit);
    let depth = 0;
    for (let at = open; at < last; at++) {
      const { kind, text } = this.#tokens[at] as Token;
      if (kind !== "symbol") continue;
      if (text === "(") depth++;
      if (text === ")" && --depth === 0) return this.#tokens.slice(open + 1, at);
    }
    return this.#tokens.slice(open + 1, last);
  }

  #after(i: number): number {
    let at = i + 1;
    while (this.#tokens[at]?.kind === "comment") at++;
    return at;
  }

  #before(i: number): Token | undefined {
    let at = i - 1;
    while (this.#tokens[at]?.kind === "comment") at--;
    return this.#tokens[at];
  }

  #literal(token: Token): void {
    this.#add(token.content?.start ?? token.start, token.content?.end ?? token.end, stringValue(this.#text, token));
  }

  #add(start: number, end: number, value: string): void {
    this.#found.push({ start, end, value });
  }
}
