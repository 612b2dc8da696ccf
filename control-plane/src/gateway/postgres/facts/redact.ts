import { mayHoldSecret } from "./secret-literals.ts";
import { type SecretRange, secretRanges } from "./secret-ranges.ts";

export interface Recordable {
  readonly recordable: string;
  readonly redacted: boolean;
}

/** Up to here a text is searched token by token; a longer one that may hold a secret is not recorded at all. */
export const MAX_SEARCHED_CHARS = 1 << 20;
/** Other places are searched for this many secrets; a text with more is not written by hand. */
const MAX_REPEATED_SECRETS = 1_000;
/** A shorter secret would be found in words that have nothing to do with it. */
const MIN_REPEATED_SECRET = 6;

const replacement = "'<redacted>'";
/** Credentials in a URI that stands outside of any literal. */
const uriCredentials = /(:\/\/[^\s/@:'"]{0,256}:)(?!<redacted>)[^\s@'"]{1,512}@/g;
/** Where passwords belong. One that does not parse may have its password anywhere, even outside of quotes. */
const accountStatement = /\b(?:alter|create)\s+(?:role|user|group|subscription|server)\b/i;
/** The same, for texts that are too long to be searched: a keyword with a value right after it. */
const suspicious =
  /passw(?:or)?d\s*(?:=|--|\/\*|'|"|e'|u&|\$)|identified\s+by|:\/\/[^\s/@:]{0,200}:[^\s@]{1,200}@|\bconnection\s+'|\b(?:pgp_sym|en|de)?crypt\w*\s*\(|\bset\s[^;=]{0,200}(?:passw|secret)/i;

/** The text as it may be recorded: secrets replaced, everything else as it was. */
export function redact(text: string, parses: boolean): Recordable {
  if (text.length > MAX_SEARCHED_CHARS) return suspicious.test(text) ? withheld(text) : { recordable: text, redacted: false };
  const suspect = !parses && accountStatement.test(text);
  if (!suspect && !mayHoldSecret.test(text)) return { recordable: text, redacted: false };
  const ranges = secretRanges(text);
  if (suspect && ranges.length === 0) return withheld(text);
  const recordable = withoutRepetitions(replaceRanges(text, ranges), ranges).replaceAll(uriCredentials, "$1<redacted>@");
  return { recordable, redacted: recordable !== text };
}

/** For bytes that are not a text (NUL, invalid UTF-8): what is not printable ASCII as `\xNN`. */
export function renderBytes(bytes: Buffer): string {
  return bytes.toString("latin1").replaceAll(/[^\t\n\r -~]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

export function withheld(text: string): Recordable {
  return { recordable: `<unparsed statement of ${Buffer.byteLength(text)} bytes, redacted>`, redacted: true };
}

function replaceRanges(text: string, ranges: readonly SecretRange[]): string {
  const pieces: string[] = [];
  let at = 0;
  for (const { start, end } of ranges) {
    if (end <= at) continue;
    // What begins inside the range before it goes with it.
    if (start >= at) pieces.push(text.slice(at, start), replacement);
    at = end;
  }
  return pieces.join("") + text.slice(at);
}

/** A password that stands in a literal may stand in a comment as well. */
function withoutRepetitions(text: string, ranges: readonly SecretRange[]): string {
  const values = new Set(ranges.map(({ value }) => value).filter((value) => value.length >= MIN_REPEATED_SECRET));
  let result = text;
  for (const value of [...values].slice(0, MAX_REPEATED_SECRETS)) if (result.includes(value)) result = result.replaceAll(value, "<redacted>");
  return result;
}
