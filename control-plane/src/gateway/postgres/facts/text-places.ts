import { stringValue, type Token, tokens } from "./lexer.ts";

/**
 * What a stretch of a text is to the server: `comment` is never run; `password` is the literal behind PASSWORD in a statement about a role;
 * `literal` is data, which code may compute other code from; `code` is all else, and what is not wholly one of the others.
 */
type Place = "comment" | "password" | "literal" | "code";

interface Places {
  of(start: number, end: number): Place;
  /** It runs text that it puts together, or that it reads back from where the server keeps what it was sent. */
  readonly computesCode: boolean;
}

/** A block in a function in a literal: as deep as anybody writes. Deeper ones are literals. */
const MAX_DEPTH = 4;
/** What gives a session its own text back, comments included. */
const readsItself = /current_query|pg_stat|pg_prepared|pg_cursors|pg_proc|prosrc|pg_get_function|pg_(?:read|ls)_/i;

interface Region {
  readonly start: number;
  readonly end: number;
  readonly place: Exclude<Place, "code">;
}

/** Of a text that PostgreSQL parses: where it does not, nothing here holds. */
export function placesIn(text: string): Places {
  const scan = new Scan();
  scan.run(text, 0, 0);
  const regions = scan.regions.toSorted((a, b) => a.start - b.start);
  return {
    computesCode: scan.computes || readsItself.test(text),
    of(start, end) {
      const region = lastUpTo(regions, (each) => each.start <= start);
      return region !== undefined && end <= region.end ? region.place : "code";
    },
  };
}

/** Of a list in order: the last one that is not beyond. A hostile text has many. */
export function lastUpTo<T>(list: readonly T[], isNotBeyond: (item: T) => boolean): T | undefined {
  let [from, to] = [0, list.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (isNotBeyond(list[middle] as T)) from = middle + 1;
    else to = middle;
  }
  return list[from - 1];
}

class Scan {
  readonly regions: Region[] = [];
  computes = false;

  run(text: string, offset: number, depth: number): void {
    const all = [...tokens(text)];
    const significant = all.filter(({ kind }) => kind !== "comment");
    for (const { kind, start, end } of all) if (kind === "comment") this.regions.push({ start: offset + start, end: offset + end, place: "comment" });
    const foreign = significant.some((token, i) => token.kind === "word" && token.text === "language" && !isOurs(text, significant[i + 1]));
    let head: string[] = [];
    for (const [i, token] of significant.entries()) {
      if (startsAnew(token)) head = [];
      else head.push(token.text);
      if (depth > 0 && token.kind === "word" && token.text === "execute" && !isRunAsItStands(significant, i + 1)) this.computes = true;
      if (token.kind !== "string" || token.content === undefined) continue;
      const { content } = token;
      const body = depth === 0 ? isBody(head, significant[i - 1]) : isRunAsItStands(significant, i);
      const asWritten = text.slice(content.start, content.end) === stringValue(text, token);
      if (body && asWritten && !foreign && depth < MAX_DEPTH) this.run(text.slice(content.start, content.end), offset + content.start, depth + 1);
      else this.regions.push({ start: offset + token.start, end: offset + token.end, place: isRolePassword(head) ? "password" : "literal" });
    }
  }
}

/** Where a statement of SQL or PL/pgSQL may begin. */
const startsAnew = ({ kind, text }: Token): boolean => (kind === "symbol" && text === ";") || (kind === "word" && /^(?:begin|then|else|loop)$/.test(text));

const isOurs = (text: string, name: Token | undefined): boolean =>
  name !== undefined && /^(?:sql|plpgsql)$/i.test(name.kind === "string" ? stringValue(text, name) : name.text);

const isBody = (head: readonly string[], before: Token | undefined): boolean =>
  head[0] === "do" || (head[0] === "create" && head.slice(1, 4).some((word) => word === "function" || word === "procedure") && before?.text === "as");

/** `EXECUTE '…';` as a statement of PL/pgSQL, not the cast to a type of that name. */
function isRunAsItStands(all: readonly Token[], i: number): boolean {
  const [before, execute, literal, next] = [all[i - 2], all[i - 1], all[i], all[i + 1]];
  if (execute?.kind !== "word" || execute.text !== "execute" || literal?.kind !== "string") return false;
  const begins = before === undefined || startsAnew(before) || (before.kind === "word" && /^(?:query|in|for)$/.test(before.text));
  return begins && (next === undefined || /^(?:;|into|using|loop)$/.test(next.text));
}

/** The grammar takes a value there, and nothing that could be computed with. */
const isRolePassword = (head: readonly string[]): boolean =>
  /^(?:create|alter)$/.test(head[0] ?? "") && /^(?:role|user|group)$/.test(head[1] ?? "") && head[2] !== "mapping" && head.at(-2) === "password";
