import { SallyportError } from "@sallyport/proto/errors";
import { AT, BACKSLASH, DASH, DIGIT, isLetter, STAR, star, unicodeEscape } from "./byte-classes.ts";
import { cardEnd } from "./detectors/card.ts";
import { maskEmail } from "./detectors/email.ts";
import { ibanEnd } from "./detectors/iban.ts";
import { findPhone } from "./detectors/phone.ts";
import { ssnEnd } from "./detectors/ssn.ts";
import { Prefilter } from "./prefilter.ts";

export const DETECTORS = ["email", "card", "ssn", "phone", "iban"] as const;
export type DetectorName = (typeof DETECTORS)[number];

const isDetector = (name: string): name is DetectorName => DETECTORS.some((known) => known === name);

const QUOTE = 0x22;

/**
 * Finds personal data in text and overwrites it where it stands.
 *
 * D1. The length never changes: digits and letters become `*`, separators stay.
 * D2. Time is linear: each byte is looked at a bounded number of times, whatever the text. No regular expressions.
 * D3. Nothing is allocated for text without a digit or an `@`.
 * D4. Well-formed JSON stays well-formed: escapes are not cut, and a bare number becomes a string of the same length.
 */
export class DetectorSet {
  readonly #on: Readonly<Record<DetectorName, boolean>>;
  /** 1 for the bytes that can belong to a match of what is on: `@`, or a digit. */
  readonly #triggers = new Uint8Array(256);
  readonly #prefilter: Prefilter;

  /** Fails with `policy.invalid` on a name that it does not know: not scanning would be failing open. */
  constructor(names: readonly string[]) {
    const on: Record<DetectorName, boolean> = { email: false, card: false, ssn: false, phone: false, iban: false };
    for (const name of names) {
      if (!isDetector(name)) throw new SallyportError("policy.invalid", "This agent does not know a detector that the policy names.", { detector: name });
      on[name] = true;
    }
    this.#on = on;
    if (on.email) this.#triggers[AT] = 1;
    const numbers = on.card || on.ssn || on.phone || on.iban;
    if (numbers) this.#triggers.set(DIGIT.subarray(0x30, 0x3a), 0x30);
    this.#prefilter = new Prefilter(numbers, on.email);
  }

  get empty(): boolean {
    return !Object.values(this.#on).includes(true);
  }

  /** Masks `from`..`to` in place and says how many matches there were. */
  mask(bytes: Buffer, from: number, to: number, json = false): number {
    const triggers = this.#triggers;
    const quotes = json ? new QuoteTracker(bytes, from) : undefined;
    let hits = 0;
    let i = from;
    for (;;) {
      i = this.#prefilter.skip(bytes, i, to);
      while (i < to && triggers[bytes[i] ?? 0] === 0) i++;
      if (i >= to) return hits;
      if (bytes[i] === AT) {
        const end = maskEmail(bytes, i, from, to);
        if (end > i) hits++;
        i = end > i ? end : i + 1;
        continue;
      }
      let runEnd = i + 1;
      while (runEnd < to && DIGIT[bytes[runEnd] ?? 0] === 1) runEnd++;
      const end = this.#number(bytes, i, runEnd, from, to, quotes);
      if (end > 0) hits++;
      i = end > 0 ? end : afterUnicodeEscape(bytes, i, runEnd, from, to);
    }
  }

  /** The end of the match that the digits `at`..`runEnd` begin, masked; or 0. */
  #number(bytes: Buffer, at: number, runEnd: number, from: number, to: number, quotes: QuoteTracker | undefined): number {
    const on = this.#on;
    if (on.iban && at - 2 >= from && isLetter(bytes[at - 1] ?? 0)) {
      const end = ibanEnd(bytes, at - 2, from, to);
      if (end > at) return masked(bytes, at - 2, end);
    }
    if (on.card) {
      const end = cardEnd(bytes, at, runEnd, from, to);
      if (end > at) return quotes !== undefined && !quotes.inString(at) ? quotes.wrap(at, end) : masked(bytes, at, end);
    }
    if (on.ssn && runEnd - at === 3) {
      const end = ssnEnd(bytes, at, from, to);
      if (end > at) return masked(bytes, at, end);
    }
    if (on.phone) {
      const found = findPhone(bytes, at, runEnd, from, to);
      if (found !== undefined) return masked(bytes, found.start, found.end);
    }
    return 0;
  }
}

function masked(bytes: Buffer, from: number, to: number): number {
  star(bytes, from, to);
  return to;
}

/** `\u0041234…`: the digits of an escape are not part of the number behind it. */
function afterUnicodeEscape(bytes: Buffer, at: number, runEnd: number, from: number, to: number): number {
  if (at === from || runEnd - at <= 4 || unicodeEscape(bytes, at - 1, from, to) === 0) return runEnd;
  return at + 4;
}

/** Whether a position of a JSON text is inside a string; asked in ascending order, so that the text is walked once. */
class QuoteTracker {
  readonly #bytes: Buffer;
  readonly #from: number;
  #at: number;
  #inString = false;

  constructor(bytes: Buffer, from: number) {
    this.#bytes = bytes;
    this.#from = from;
    this.#at = from;
  }

  inString(at: number): boolean {
    for (; this.#at < at; this.#at++) {
      const byte = this.#bytes[this.#at];
      if (byte === QUOTE) this.#inString = !this.#inString;
      else if (byte === BACKSLASH && this.#inString) this.#at++;
    }
    return this.#inString;
  }

  /** Makes a bare number, its sign included, a string of stars of the same length. */
  wrap(from: number, to: number): number {
    const bytes = this.#bytes;
    const first = from > this.#from && bytes[from - 1] === DASH ? from - 1 : from;
    bytes.fill(STAR, first, to);
    bytes[first] = QUOTE;
    bytes[to - 1] = QUOTE;
    this.#at = to;
    return to;
  }
}
