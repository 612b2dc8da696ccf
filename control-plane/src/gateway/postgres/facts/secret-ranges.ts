import { stringValue, type Token, tokens } from "./lexer.ts";
import { announcesPassword, connectionPassword, holdsPassword, isSensitiveSetting, keyedFunctions, mayHoldSecret, sensitiveKey } from "./secret-literals.ts";

export interface SecretRange {
  readonly start: number;
  readonly end: number;
  /** What stands there, as the server reads it: not to be found anywhere else in the text either. */
  readonly value: string;
}

/** `LOCAL a.b.c TO`: a name has no more parts. */
const MAX_NAME_TOKENS = 12;
/** Options of a server, arguments of set_config. */
const MAX_LIST_TOKENS = 2_000;
/** Code in a literal in code in a literal: as deep as anybody writes. */
const MAX_NESTING = 4;

/**
 * Where secrets stand in a text, by its tokens: it need not parse. In doubt it says more, never less.
 * In order of their start; they may overlap, and an empty one only lends its value.
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
      else if (token.kind === "symbol" && token.text === ";") {
        this.#head = [];
        this.#updates = false;
        this.#announced = false;
      }
    }
    return this.#found.toSorted((a, b) => a.start - b.start || b.end - a.end);
  }

  #word({ text }: Token, i: number): void {
    if (this.#head.length < 3) this.#head.push(text);
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
      if (text === "=" || text === "to") return sensitive ? this.#untilEnd(this.#after(at)) : undefined;
      if (kind !== "word" && kind !== "quoted" && text !== ".") return;
      sensitive ||= isSensitiveSetting(text);
    }
  }

  #string(token: Token): void {
    const value = stringValue(this.#text, token);
    if (this.#announced || holdsPassword(value)) this.#add(token.start, token.end, connectionPassword(value) ?? value);
    else if (this.#nesting < MAX_NESTING && mayHoldSecret.test(value)) this.#nested(token, value);
    if (announcesPassword(value)) this.#announced = true;
  }

  #nested(token: Token, value: string): void {
    const inner = secretRanges(value, this.#nesting + 1);
    if (inner.length === 0) return;
    // Between dollars the content stands as it is; elsewhere positions differ by the escapes.
    if (token.content?.quoting === "dollar")
      for (const range of inner) this.#add(token.content.start + range.start, token.content.start + range.end, range.value);
    else {
      this.#add(token.start, token.end, value);
      for (const range of inner) this.#found.push({ start: token.start, end: token.start, value: range.value });
    }
  }

  #comment(token: Token): void {
    const content = token.text.slice(2);
    if (this.#nesting >= MAX_NESTING || !mayHoldSecret.test(content)) return;
    for (const range of secretRanges(content, this.#nesting + 1)) this.#add(token.start + 2 + range.start, token.start + 2 + range.end, range.value);
  }

  /** The literal at `i`, with those that PostgreSQL, or a reader, would take as its continuation. */
  #literalsAt(i: number): void {
    for (let at = i, token = this.#tokens[at]; token?.kind === "string"; at = this.#after(at), token = this.#tokens[at]) {
      this.#add(token.start, token.end, stringValue(this.#text, token));
    }
  }

  #untilEnd(i: number): void {
    const first = this.#tokens[i];
    if (first === undefined || i < this.#covered) return;
    let last = first;
    for (let at = i; at < this.#tokens.length; at++) {
      const token = this.#tokens[at];
      if (token === undefined || (token.kind === "symbol" && token.text === ";")) break;
      last = token;
      this.#covered = at + 1;
      if (token.kind === "string") this.#add(token.start, token.end, stringValue(this.#text, token));
    }
    this.#add(first.start, last.end, this.#text.slice(first.start, last.end));
  }

  #arguments(i: number, spare: number, limit = MAX_LIST_TOKENS): void {
    const list = this.#inParentheses(i, limit);
    if (limit === Infinity) this.#covered = this.#after(i) + 1 + list.length;
    for (const token of list.filter(({ kind }) => kind === "string").slice(spare)) this.#add(token.start, token.end, stringValue(this.#text, token));
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

  #add(start: number, end: number, value: string): void {
    this.#found.push({ start, end, value });
  }
}
