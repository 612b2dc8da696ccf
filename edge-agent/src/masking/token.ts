import { createCipheriv, createHmac } from "node:crypto";
import { isDigit, isLetter, isUpper } from "./byte-classes.ts";

/** What counts as a character to be replaced: digits and letters, digits alone, or hexadecimal digits. */
export type TokenAlphabet = "text" | "digits" | "hex";

/** NIST SP 800-38G asks ten of FF1, whose construction this is, with addition per character in place of addition of numbers. */
const ROUNDS = 10;
const LETTERS = 26;
/** Longer values are no identifiers that anybody joins by; their cells are masked whole, as rows of them would keep other sessions waiting. */
export const MAX_TOKEN_BYTES = 1_024;
const CHARACTER_X = 0x78;

/**
 * A stand-in of the same form: digits stay digits, letters letters of the same case, everything else stays where it is. A keyed
 * permutation of all values of that form (a Feistel network), so that equal values have equal tokens and different ones different.
 *
 * It shows the form, the length, and which values are equal. Where few values are possible (a country code, a year) somebody who can
 * have values of their own masked finds out the others. Characters beyond ASCII all become `x`, so that values that differ
 * in these alone have one token.
 */
export function tokenOf(value: Buffer, key: Buffer, alphabet: TokenAlphabet = "text"): Buffer {
  const out = plainOf(value);
  const at: number[] = [];
  for (let i = 0; i < out.length; i++) if (radixOf(out[i] ?? 0, alphabet) > 0) at.push(i);
  const radices = at.map((i) => radixOf(out[i] ?? 0, alphabet));
  const digits = at.map((i) => digitOf(out[i] ?? 0, alphabet));
  const form = Buffer.from(out);
  for (const i of at) form[i] = 0x30 + (radixOf(out[i] ?? 0, alphabet) === LETTERS ? (isUpper(out[i] ?? 0) ? 2 : 1) : 0);
  const middle = Math.ceil(at.length / 2);
  for (let round = 0; round < ROUNDS; round++) {
    const [from, to] = round % 2 === 0 ? [0, middle] : [middle, at.length];
    const other = round % 2 === 0 ? digits.slice(middle) : digits.slice(0, middle);
    const stream = keystream(key, round, form, other, to - from);
    for (let i = from; i < to; i++) digits[i] = ((digits[i] ?? 0) + (stream[i - from] ?? 0)) % (radices[i] ?? 1);
  }
  for (const [index, i] of at.entries()) out[i] = characterOf(digits[index] ?? 0, out[i] ?? 0, alphabet);
  return out;
}

/** Each character beyond ASCII as one letter. */
function plainOf(value: Buffer): Buffer {
  if (value.every((byte) => byte < 0x80)) return Buffer.from(value);
  return Buffer.from(value.filter((byte) => (byte & 0xc0) !== 0x80)).map((byte) => (byte < 0x80 ? byte : CHARACTER_X)) as Buffer;
}

function radixOf(byte: number, alphabet: TokenAlphabet): number {
  if (alphabet === "hex") return isHexDigit(byte) ? 16 : 0;
  if (isDigit(byte)) return 10;
  return alphabet === "text" && isLetter(byte) ? LETTERS : 0;
}

const isHexDigit = (byte: number): boolean => isDigit(byte) || (byte >= 0x61 && byte <= 0x66);

function digitOf(byte: number, alphabet: TokenAlphabet): number {
  if (isDigit(byte)) return byte - 0x30;
  return alphabet === "hex" ? byte - 0x61 + 10 : (byte | 0x20) - 0x61;
}

function characterOf(digit: number, was: number, alphabet: TokenAlphabet): number {
  if (alphabet === "hex") return digit < 10 ? 0x30 + digit : 0x61 + digit - 10;
  if (isDigit(was)) return 0x30 + digit;
  return (isUpper(was) ? 0x41 : 0x61) + digit;
}

/**
 * 32 bits for each character: their remainder by 26 is uneven by less than one part in 10^8. Form and other half are hashed once, whatever
 * the length: what a digest has no room for is AES in counter mode under that digest, which is then used for nothing else.
 */
function keystream(key: Buffer, round: number, form: Buffer, other: readonly number[], length: number): number[] {
  const digest = createHmac("sha256", key)
    .update(Buffer.from([round, 0, 0, 0]))
    .update(`${form.length}:`)
    .update(form)
    .update(Buffer.from(other))
    .digest();
  const stream = length * 4 <= digest.length ? digest : createCipheriv("aes-256-ctr", digest, Buffer.alloc(16)).update(Buffer.alloc(length * 4));
  return Array.from({ length }, (_, i) => stream.readUInt32BE(i * 4));
}
