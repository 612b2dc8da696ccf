import { DASH, DIGIT, DOT, isDigit, SPACE, startsToken, WORD } from "../byte-classes.ts";

const LENGTH = 11;

/** End of the US social security number (`AAA-GG-SSSS`, or with spaces) that starts at `at`, or `at`. */
export function ssnEnd(bytes: Buffer, at: number, from: number, to: number): number {
  const end = at + LENGTH;
  const separator = bytes[at + 3];
  if (end > to || (separator !== DASH && separator !== SPACE) || bytes[at + 6] !== separator) return at;
  for (const i of [0, 1, 2, 4, 5, 7, 8, 9, 10]) if (DIGIT[bytes[at + i] ?? 0] === 0) return at;
  const area = bytes.toString("latin1", at, at + 3);
  // Never issued (20 CFR 422.103): area 000, 666 and 900 to 999, group 00, serial 0000.
  if (area === "000" || area === "666" || area >= "900") return at;
  if (bytes.toString("latin1", at + 4, at + 6) === "00" || bytes.toString("latin1", at + 7, end) === "0000") return at;
  return startsToken(bytes, at, from) && !isPartOfLonger(bytes, at, end, from, to, separator) ? end : at;
}

function isPartOfLonger(bytes: Buffer, at: number, end: number, from: number, to: number, separator: number): boolean {
  const after = end < to ? (bytes[end] ?? 0) : 0;
  if (WORD[after] === 1 || ((after === separator || after === DOT) && end + 1 < to && isDigit(bytes[end + 1] ?? 0))) return true;
  const before = at > from ? (bytes[at - 1] ?? 0) : 0;
  const further = at - 1 > from ? (bytes[at - 2] ?? 0) : 0;
  if (before === DASH) return WORD[further] === 1;
  return (before === DOT || before === separator) && isDigit(further);
}
