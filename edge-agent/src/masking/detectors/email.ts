import { DOT, isDigit, isEscaped, isLetter, STAR, unicodeEscape } from "../byte-classes.ts";

const table = (accepts: (byte: number) => boolean): Uint8Array => Uint8Array.from({ length: 256 }, (_, byte) => (accepts(byte) ? 1 : 0));
const plain = (byte: number): boolean => isDigit(byte) || isLetter(byte) || byte >= 0x80;

/** The marks of RFC 5322 that often delimit an address instead (`=`, `{`, `'`, `/`, `|`) are left out. */
const LOCAL = table((byte) => plain(byte) || ".%+-_*".includes(String.fromCharCode(byte)));
const DOMAIN = table((byte) => plain(byte) || byte === 0x2d || byte === DOT);

/** The end of the address around the `@` at `at`, which is masked in place; or `at` when there is none. */
export function maskEmail(bytes: Buffer, at: number, from: number, to: number): number {
  let start = at;
  while (start > from && LOCAL[bytes[start - 1] ?? 0] === 1) start--;
  start += escapeLetters(bytes, start, from, at);
  if (start === at) return at;
  const end = domainEnd(bytes, at + 1, to);
  if (end === at + 1) return at;
  for (let i = start; i < end; i++) if (i !== at && bytes[i] !== DOT) bytes[i] = STAR;
  return end;
}

/** `\nana@…`: the `n` belongs to the escape, and overwriting it would break the text around it. */
function escapeLetters(bytes: Buffer, start: number, from: number, at: number): number {
  if (start === from || !isEscaped(bytes, start, from)) return 0;
  return unicodeEscape(bytes, start, from, at) || 1;
}

/** End of the longest dotted name whose last label starts with a letter and has two characters; `start` when there is none. */
function domainEnd(bytes: Buffer, start: number, to: number): number {
  let end = start;
  while (end < to && DOMAIN[bytes[end] ?? 0] === 1) end++;
  while (end > start) {
    let label = end;
    while (label > start && bytes[label - 1] !== DOT) label--;
    const first = bytes[label] ?? 0;
    if (label === start) return start;
    if (end - label >= 2 && (isLetter(first) || first >= 0x80) && label - 1 > start) return end;
    end = label - 1;
  }
  return start;
}
