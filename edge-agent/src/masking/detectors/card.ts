import { DASH, DIGIT, DOT, SPACE, startsToken, WORD } from "../byte-classes.ts";

/** The shortest and the longest number that any issuer below uses. */
export const MIN_CARD_DIGITS = 13;
const MAX_CARD_DIGITS = 19;

/** Group lengths as printed on cards. */
const PRINTED: readonly (readonly number[])[] = [
  [4, 4, 4, 4, 3],
  [4, 4, 4, 4],
  [4, 6, 5],
  [4, 6, 4],
];

/** End of the card number that starts with the digits `at`..`runEnd`, or `at`. */
export function cardEnd(bytes: Buffer, at: number, runEnd: number, from: number, to: number): number {
  const length = runEnd - at;
  if (length !== 4 && (length < MIN_CARD_DIGITS || length > MAX_CARD_DIGITS)) return at;
  if (!startsToken(bytes, at, from) || isFraction(bytes, at, from)) return at;
  const layouts = length === 4 ? PRINTED : [[length]];
  for (const groups of layouts) {
    const end = groupsEnd(bytes, at, to, groups);
    if (end !== at && isCardNumber(bytes, at, end)) return end;
  }
  return at;
}

const isFraction = (bytes: Buffer, at: number, from: number): boolean => at - 2 >= from && bytes[at - 1] === DOT && DIGIT[bytes[at - 2] ?? 0] === 1;

function groupsEnd(bytes: Buffer, at: number, to: number, groups: readonly number[]): number {
  const separator = groups.length > 1 ? bytes[at + 4] : undefined;
  if (groups.length > 1 && separator !== SPACE && separator !== DASH) return at;
  let i = at;
  for (const [index, size] of groups.entries()) {
    if (index > 0 && bytes[i++] !== separator) return at;
    for (const end = i + size; i < end; i++) if (i >= to || DIGIT[bytes[i] ?? 0] === 0) return at;
    if (i < to && DIGIT[bytes[i] ?? 0] === 1) return at;
  }
  if (i < to && WORD[bytes[i] ?? 0] === 1) return at;
  if (i + 1 < to && bytes[i] === DOT && DIGIT[bytes[i + 1] ?? 0] === 1) return at;
  return i;
}

/** Issuer's prefix and length (ISO/IEC 7812), then Luhn: together they let through one random number in about thirty. */
function isCardNumber(bytes: Buffer, from: number, to: number): boolean {
  let digits = 0;
  let prefix = 0;
  let odd = 0;
  let even = 0;
  for (let i = from; i < to; i++) {
    if (DIGIT[bytes[i] ?? 0] === 0) continue;
    const digit = (bytes[i] ?? 0) - 0x30;
    const doubled = digit < 5 ? digit * 2 : digit * 2 - 9;
    if (digits < 4) prefix = prefix * 10 + digit;
    odd += digits % 2 === 0 ? digit : doubled;
    even += digits % 2 === 0 ? doubled : digit;
    digits++;
  }
  return (digits % 2 === 0 ? even : odd) % 10 === 0 && issued(prefix, digits);
}

function issued(prefix: number, digits: number): boolean {
  const two = Math.trunc(prefix / 100);
  const three = Math.trunc(prefix / 10);
  if (two >= 40 && two <= 49) return digits === 13 || digits === 16 || digits === 19; // Visa
  if ((two >= 51 && two <= 55) || (prefix >= 2221 && prefix <= 2720)) return digits === 16; // Mastercard
  if (two === 34 || two === 37) return digits === 15; // American Express
  if (two === 36 || two === 38 || two === 39 || (three >= 300 && three <= 305)) return digits === 14 || digits === 16; // Diners Club
  if (prefix >= 3528 && prefix <= 3589) return digits >= 16; // JCB
  if (prefix === 6011 || two === 65 || (three >= 644 && three <= 649)) return digits === 16 || digits === 19; // Discover
  if (two === 62 || two === 81) return digits >= 16; // UnionPay
  if (two === 50 || two === 56 || two === 57 || two === 58 || two === 60 || two === 63 || two === 67) return digits >= 16; // Maestro, RuPay
  return ((prefix >= 2200 && prefix <= 2204) || prefix === 9792) && digits === 16; // Mir, Troy
}
