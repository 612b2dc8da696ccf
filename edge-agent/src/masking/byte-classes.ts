/** 256-entry tables: one load per byte instead of a chain of comparisons. */
const table = (accepts: (byte: number) => boolean): Uint8Array => Uint8Array.from({ length: 256 }, (_, byte) => (accepts(byte) ? 1 : 0));

export const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;
export const isUpper = (byte: number): boolean => byte >= 0x41 && byte <= 0x5a;
export const isLower = (byte: number): boolean => byte >= 0x61 && byte <= 0x7a;
export const isLetter = (byte: number): boolean => isUpper(byte) || isLower(byte);

export const STAR = 0x2a;
export const SPACE = 0x20;
export const DASH = 0x2d;
export const DOT = 0x2e;
export const AT = 0x40;
export const BACKSLASH = 0x5c;

export const DIGIT = table(isDigit);
export const ALNUM = table((byte) => isDigit(byte) || isLetter(byte));
/** What glues a number to its neighbour so that it is not a token of its own. Bytes of multi-byte characters do not. */
export const WORD = table((byte) => isDigit(byte) || isLetter(byte) || byte === 0x5f);
/** Bytes that carry content, of any script. */
export const CONTENT = table((byte) => isDigit(byte) || isLetter(byte) || byte >= 0x80);

const ESCAPES = new Set(Buffer.from("nrtbfv"));

/** Whether the byte at `at` is the second one of a backslash escape. */
export function isEscaped(bytes: Buffer, at: number, from: number): boolean {
  let slashes = 0;
  for (let i = at - 1; i >= from && bytes[i] === BACKSLASH; i--) slashes++;
  return slashes % 2 === 1;
}

/** Length of a `\uXXXX` escape's digits at `at`, or 0. */
export function unicodeEscape(bytes: Buffer, at: number, from: number, to: number): number {
  if (bytes[at] !== 0x75 || at + 5 > to || !isEscaped(bytes, at, from)) return 0;
  for (let i = at + 1; i < at + 5; i++) if (!/[0-9a-fA-F]/.test(String.fromCharCode(bytes[i] ?? 0))) return 0;
  return 5;
}

/**
 * Whether a token may start at `at`. JSON and COPY text spell a line break as a backslash and a letter, and that letter
 * is not part of the word that follows.
 */
export function startsToken(bytes: Buffer, at: number, from: number): boolean {
  if (at === from) return true;
  const before = bytes[at - 1] ?? 0;
  if (WORD[before] === 0) return true;
  if (ESCAPES.has(before) && isEscaped(bytes, at - 1, from)) return true;
  return at - 5 > from && unicodeEscape(bytes, at - 5, from, at) === 5;
}

/** Overwrites digits, letters and bytes of multi-byte characters; separators stay, and so does the length. */
export function star(bytes: Buffer, from: number, to: number): void {
  for (let i = from; i < to; i++) if (CONTENT[bytes[i] ?? 0] === 1) bytes[i] = STAR;
}
