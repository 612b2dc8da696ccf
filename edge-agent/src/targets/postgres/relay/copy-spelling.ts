import { BACKSLASH } from "../../../masking/byte-classes.ts";
import type { CopyLayout } from "./copy-layout.ts";

const NEWLINE = 0x0a;
/** Letters of the escapes that COPY TO writes (PostgreSQL, "COPY", text format). */
const ESCAPED: ReadonlyMap<number, number> = new Map([...Buffer.from("bfnrtv")].map((letter, i) => [letter, Buffer.from("\b\f\n\r\t\v")[i] ?? 0]));
const LETTERS: ReadonlyMap<number, number> = new Map([...ESCAPED].map(([letter, byte]) => [byte, letter]));

export interface FieldSpelling {
  /** The delimiter or line break after the field that starts at `from`; `to` when there is none. */
  fieldEnd(bytes: Buffer, from: number, to: number): number;
  read(spelt: Buffer): Buffer;
  write(value: Buffer): Buffer;
}

export const fieldSpelling = (layout: CopyLayout): FieldSpelling => (layout.format === "csv" ? csv(layout) : text(layout));

const text = ({ delimiter }: CopyLayout): FieldSpelling => ({
  fieldEnd(bytes, from, to) {
    let at = from;
    for (; at < to; at++) {
      const byte = bytes[at];
      if (byte === BACKSLASH) at++;
      else if (byte === delimiter || byte === NEWLINE) return at;
    }
    return to;
  },
  read(spelt) {
    if (!spelt.includes(BACKSLASH)) return spelt;
    const value: number[] = [];
    for (let i = 0; i < spelt.length; i++) {
      const byte = spelt[i] ?? 0;
      const next = spelt[i + 1];
      if (byte === BACKSLASH && next !== undefined) {
        value.push(ESCAPED.get(next) ?? next);
        i++;
      } else value.push(byte);
    }
    return Buffer.from(value);
  },
  write(value) {
    const spelt: number[] = [];
    for (const byte of value) {
      const letter = LETTERS.get(byte);
      if (letter !== undefined) spelt.push(BACKSLASH, letter);
      else if (byte === BACKSLASH || byte === delimiter) spelt.push(BACKSLASH, byte);
      else spelt.push(byte);
    }
    return Buffer.from(spelt);
  },
});

const csv = ({ delimiter, quote, escape }: CopyLayout): FieldSpelling => ({
  fieldEnd(bytes, from, to) {
    let quoted = false;
    for (let at = from; at < to; at++) {
      const byte = bytes[at];
      if (quoted && byte === escape && (bytes[at + 1] === quote || bytes[at + 1] === escape) && at + 1 < to) at++;
      else if (byte === quote) quoted = !quoted;
      else if (!quoted && (byte === delimiter || byte === NEWLINE)) return at;
    }
    return to;
  },
  read(spelt) {
    if (spelt[0] !== quote) return spelt;
    const value: number[] = [];
    for (let i = 1; i < spelt.length - 1; i++) {
      if (spelt[i] === escape && (spelt[i + 1] === quote || spelt[i + 1] === escape) && i + 1 < spelt.length - 1) i++;
      value.push(spelt[i] ?? 0);
    }
    return Buffer.from(value);
  },
  /** Always in quotes: an unquoted text could read as NULL. */
  write(value) {
    const spelt: number[] = [quote];
    for (const byte of value) {
      if (byte === quote || byte === escape) spelt.push(escape);
      spelt.push(byte);
    }
    spelt.push(quote);
    return Buffer.from(spelt);
  },
});
