import { mayHoldSecret, passwordsIn } from "./secret-literals.ts";
import { type SecretRange, secretRanges } from "./secret-ranges.ts";
import { placesIn } from "./text-places.ts";

export interface Recordable {
  readonly recordable: string;
  readonly redacted: boolean;
  /** Where something was withheld, as far as what that may be; `none` where nothing was. See `hidesCode`. */
  readonly hidden: Hidden;
}

/**
 * From harmless to worst. `value`: data, or a comment that nothing reads. `operand`: data, or a comment, that code in the same text may make
 * code of. `code`: what is withheld may be code itself.
 */
type Hidden = "none" | "value" | "operand" | "code";

/** Up to here a text is searched token by token; a longer one that may hold a secret is not recorded at all. */
export const MAX_SEARCHED_CHARS = 1 << 20;
/** Other places are searched for this many secrets; a text with more is not written by hand. */
const MAX_REPEATED_SECRETS = 1_000;
/** A shorter secret would be found in words that have nothing to do with it. */
const MIN_REPEATED_SECRET = 6;
/** Of one secret: a text with more repetitions is withheld as a whole, rather than searched for longer. */
const MAX_REPETITIONS = 10_000;

/** The length, so that whoever decides on a text knows how much of it they do not see. */
export const withheldValue = (bytes: number): string => `<redacted: ${bytes} ${bytes === 1 ? "byte" : "bytes"}>`;
/** Credentials in a URI that stands outside of any literal. */
const uriCredentials = /:\/\/[^\s/@:'"]{0,256}:([^\s'"]{1,512})@/dg;
/** Where passwords belong. One that does not parse may have its password anywhere, even outside of quotes. */
const accountStatement = /\b(?:alter|create)\s+(?:role|user|group|subscription|server)\b/i;
/** The same, for texts that are too long to be searched: a keyword with a value right after it. */
const suspicious =
  /passw(?:or)?d\s*(?:=|--|\/\*|'|"|e'|u&|\$)|identified\s+by|:\/\/[^\s/@:]{0,200}:[^\s@]{1,200}@|\bconnection\s+'|\b(?:pgp_sym|en|de)?crypt\w*\s*\(|\bset\s[^;=]{0,200}(?:passw|secret)/i;

/** The text as it may be recorded: secrets replaced, everything else as it was. */
export function redact(text: string, parses: boolean): Recordable {
  const asItIs: Recordable = { recordable: text, redacted: false, hidden: "none" };
  if (text.length > MAX_SEARCHED_CHARS) return suspicious.test(text) ? withheld(text) : asItIs;
  const suspect = !parses && accountStatement.test(text);
  if (!suspect && !mayHoldSecret.test(text)) return asItIs;
  const secrets = secretRanges(text);
  if (suspect && secrets.length === 0) return withheld(text);
  const repeated = repetitions(text, secrets);
  if (repeated === undefined) return withheld(text);
  const ranges = merged([...secrets, ...outsideOfLiterals(text), ...repeated]);
  if (ranges.length === 0) return asItIs;
  return { recordable: replaceRanges(text, ranges), redacted: true, hidden: parses ? worstOf(text, ranges) : "code" };
}

/** A bound value as it may be recorded: searched as a literal is. Short ones only: this runs where sessions are served. */
export function redactValue(value: string): string {
  const ranges = merged([...passwordsIn(value), ...(mayHoldSecret.test(value) ? secretRanges(value) : [])]);
  return replaceRanges(value, ranges);
}

/** For bytes that are not a text (NUL, invalid UTF-8): what is not printable ASCII as `\xNN`. */
export function renderBytes(bytes: Buffer): string {
  return bytes.toString("latin1").replaceAll(/[^\t\n\r -~]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

export function withheld(text: string): Recordable {
  return { recordable: `<unparsed statement of ${Buffer.byteLength(text)} bytes, redacted>`, redacted: true, hidden: "code" };
}

type Range = Pick<SecretRange, "start" | "end">;

function worstOf(text: string, ranges: readonly Range[]): Hidden {
  const places = placesIn(text);
  const kinds = new Set(ranges.map(({ start, end }) => places.of(start, end)));
  if (kinds.has("code")) return "code";
  return kinds.has("literal") || places.computesCode ? "operand" : "value";
}

function replaceRanges(text: string, ranges: readonly Range[]): string {
  const pieces: string[] = [];
  let at = 0;
  for (const { start, end } of ranges) {
    pieces.push(text.slice(at, start), withheldValue(Buffer.byteLength(text.slice(start, end))));
    at = end;
  }
  return pieces.join("") + text.slice(at);
}

/** In order, none in another, none empty. */
function merged(ranges: readonly Range[]): readonly Range[] {
  const result: { start: number; end: number }[] = [];
  for (const { start, end } of ranges.filter((range) => range.end > range.start).toSorted((a, b) => a.start - b.start)) {
    const last = result.at(-1);
    if (last !== undefined && start < last.end) last.end = Math.max(last.end, end);
    else result.push({ start, end });
  }
  return result;
}

const outsideOfLiterals = (text: string): Range[] =>
  [...text.matchAll(uriCredentials)].map(({ indices }) => ({ start: indices?.[1]?.[0] ?? 0, end: indices?.[1]?.[1] ?? 0 }));

/** A password that stands in a literal may stand in a comment as well. Undefined: too often. */
function repetitions(text: string, secrets: readonly SecretRange[]): Range[] | undefined {
  const values = new Set(secrets.map(({ value }) => value).filter((value) => value.length >= MIN_REPEATED_SECRET));
  const found: Range[] = [];
  for (const value of [...values].slice(0, MAX_REPEATED_SECRETS)) {
    for (let at = text.indexOf(value); at >= 0; at = text.indexOf(value, at + value.length)) {
      found.push({ start: at, end: at + value.length });
      if (found.length > MAX_REPETITIONS) return undefined;
    }
  }
  return found;
}
