import { DASH, DIGIT, DOT, isDigit, SPACE, startsToken, WORD } from "../byte-classes.ts";

const PLUS = 0x2b;
const OPEN = 0x28;
const CLOSE = 0x29;
const SLASH = 0x2f;
const COLON = 0x3a;
const ZERO = 0x30;

/** ITU-T E.164: at most 15 digits, country code included; none in use has fewer than 8. */
const MIN_INTERNATIONAL = 8;
const MAX_INTERNATIONAL = 15;
/** Digits of a national number with its trunk prefix 0, where it is written in groups. */
const MIN_NATIONAL = 10;
const MAX_NATIONAL = 11;

export interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * The phone number whose first group is the digits `at`..`runEnd`. Three ways of writing one are known: `+` and the
 * country code; North American 3-3-4; and groups after a trunk prefix 0. Digits without any mark are no phone number:
 * they are far more often an id.
 */
export function findPhone(bytes: Buffer, at: number, runEnd: number, from: number, to: number): Span | undefined {
  const before = at > from ? (bytes[at - 1] ?? 0) : 0;
  if (before === PLUS) return international(bytes, at, from, to);
  if (bytes[at] === ZERO) return runEnd - at >= 2 && runEnd - at <= 5 ? national(bytes, at, from, to) : undefined;
  return runEnd - at === 3 ? northAmerican(bytes, at, from, to) : undefined;
}

function international(bytes: Buffer, at: number, from: number, to: number): Span | undefined {
  if (bytes[at] === ZERO || !startsToken(bytes, at - 1, from) || bytes[at - 2] === PLUS) return undefined;
  let end = at;
  let digits = 0;
  let i = at;
  while (i < to) {
    const group = digitsEnd(bytes, i, to);
    if (group === i || digits + group - i > MAX_INTERNATIONAL) break;
    digits += group - i;
    end = group;
    // A decimal with its sign.
    if (digits === group - at && digits > 3 && bytes[group] === DOT && group + 1 < to && isDigit(bytes[group + 1] ?? 0)) return undefined;
    i = afterSeparators(bytes, group, to);
    if (i === group) break;
  }
  return digits >= MIN_INTERNATIONAL && !isDigit(end < to ? (bytes[end] ?? 0) : 0) ? { start: at, end } : undefined;
}

/** One mark, or two when one of them is a bracket. */
function afterSeparators(bytes: Buffer, at: number, to: number): number {
  let i = at;
  let brackets = 0;
  for (; i < to && i - at < 2 + brackets && i - at < 3; i++) {
    const byte = bytes[i];
    if (byte === OPEN || byte === CLOSE) brackets++;
    else if (byte !== SPACE && byte !== DASH && byte !== DOT && byte !== SLASH) break;
  }
  return i - at > 1 && brackets === 0 ? at : i;
}

function northAmerican(bytes: Buffer, at: number, from: number, to: number): Span | undefined {
  const bracketed = at > from && bytes[at - 1] === OPEN && bytes[at + 3] === CLOSE;
  let i = at + (bracketed ? 4 : 3);
  if (!bracketed || bytes[i] === SPACE || bytes[i] === DASH) {
    if (!isMark(bytes[i] ?? 0)) return undefined;
    i++;
  }
  const exchange = i;
  const last = exchange + 4;
  const end = last + 4;
  if (end > to || digitsEnd(bytes, exchange, to) !== exchange + 3 || digitsEnd(bytes, last, to) !== end) return undefined;
  const mark = bytes[exchange + 3] ?? 0;
  // `415 555-0100` is common; `415-555 0100` and `415.555-0100` are not.
  if (!isMark(mark) || (!bracketed && mark !== bytes[at + 3] && bytes[at + 3] !== SPACE)) return undefined;
  if ((bytes[at] ?? 0) < 0x32 || (bytes[exchange] ?? 0) < 0x32) return undefined;
  if (continues(bytes, end, to)) return undefined;
  if (bracketed) return { start: at, end };
  const start = countryCode(bytes, at, from);
  return standsAlone(bytes, start, from) ? { start, end } : undefined;
}

/** `1-415-…`: the country code is part of the number. */
const countryCode = (bytes: Buffer, at: number, from: number): number =>
  at - 2 >= from && isMark(bytes[at - 1] ?? 0) && bytes[at - 2] === 0x31 && !(at - 3 >= from && WORD[bytes[at - 3] ?? 0] === 1) ? at - 2 : at;

function national(bytes: Buffer, at: number, from: number, to: number): Span | undefined {
  if (bytes[at + 1] === ZERO) return undefined;
  const bracketed = at > from && bytes[at - 1] === OPEN;
  if (!bracketed && !standsAlone(bytes, at, from)) return undefined;
  let end = digitsEnd(bytes, at, to);
  let digits = end - at;
  let mark = 0;
  if (bracketed) {
    if (bytes[end] !== CLOSE) return undefined;
    const next = end + (bytes[end + 1] === SPACE ? 2 : 1);
    const group = digitsEnd(bytes, next, to);
    if (group === next) return undefined;
    digits += group - next;
    end = group;
  }
  for (let groups = 1; digits < MAX_NATIONAL && end + 1 < to; groups++) {
    const byte = bytes[end] ?? 0;
    const allowed = mark === 0 ? isMark(byte) || (byte === SLASH && groups === 1) : byte === mark;
    const group = allowed ? digitsEnd(bytes, end + 1, to) : end;
    if (group <= end + 1 || digits + group - end - 1 > MAX_NATIONAL) break;
    // A slash stands between area and number only.
    mark = byte === SLASH ? SPACE : byte;
    digits += group - end - 1;
    end = group;
  }
  return digits >= MIN_NATIONAL && !continues(bytes, end, to) ? { start: at, end } : undefined;
}

const isMark = (byte: number): boolean => byte === DASH || byte === DOT || byte === SPACE;

function digitsEnd(bytes: Buffer, at: number, to: number): number {
  let i = at;
  while (i < to && DIGIT[bytes[i] ?? 0] === 1) i++;
  return i;
}

/** Part of a longer number, of a date or of a time; an extension (`x12`) may follow. */
function continues(bytes: Buffer, end: number, to: number): boolean {
  if (end >= to) return false;
  const byte = bytes[end] ?? 0;
  if (WORD[byte] === 1) return byte !== 0x78;
  return (isMark(byte) || byte === COLON || byte === SLASH) && byte !== SPACE && end + 1 < to && isDigit(bytes[end + 1] ?? 0);
}

function standsAlone(bytes: Buffer, at: number, from: number): boolean {
  if (!startsToken(bytes, at, from)) return false;
  const before = at > from ? (bytes[at - 1] ?? 0) : 0;
  const further = at - 1 > from ? (bytes[at - 2] ?? 0) : 0;
  if (before === DASH) return WORD[further] === 0;
  return !((isMark(before) || before === COLON || before === SLASH) && isDigit(further));
}
