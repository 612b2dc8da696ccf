import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { typedMask } from "../targets/postgres/relay/typed-mask.ts";
import { CellMasker } from "./cell-masker.ts";
import { maskValue } from "./mask-value.ts";
import { MAX_TOKEN_BYTES, tokenOf } from "./token.ts";

const key = Buffer.alloc(32, 3);
const token = (text: string, by = key): string => tokenOf(Buffer.from(text), by).toString();
/** Digits as 9, letters as A or a, the rest as it is. */
const form = (text: string): string => text.replace(/[0-9]/g, "9").replace(/[A-Z]/g, "A").replace(/[a-z]/g, "a");
const ascii = fc.string({ unit: "binary-ascii", maxLength: 60 });

describe("a token", () => {
  it("has the form of the value: digits, letters and their case, length, and everything else in its place", () => {
    fc.assert(fc.property(ascii, (text) => assert.equal(form(token(text)), form(text))));
  });

  it("is another value, and no part of the value shows where it is long enough to tell", () => {
    assert.notEqual(token("grace.hopper@navy.example"), "grace.hopper@navy.example");
    assert.doesNotMatch(token("grace.hopper@navy.example"), /grace|hopper|navy|example/);
    assert.match(token("grace.hopper@navy.example"), /^[a-z]{5}\.[a-z]{6}@[a-z]{4}\.[a-z]{7}$/);
    assert.match(token("078-05-1120"), /^\d{3}-\d\d-\d{4}$/);
  });

  it("is the same for the same value and key, and another under another key", () => {
    assert.equal(token("078-05-1120"), token("078-05-1120"));
    assert.notEqual(token("078-05-1120"), token("078-05-1120", Buffer.alloc(32, 4)));
  });

  it("is of one value only", () => {
    for (const width of [1, 2, 3, 4]) {
      const values = Array.from({ length: 10 ** width }, (_, n) => String(n).padStart(width, "0"));
      assert.equal(new Set(values.map((value) => token(value))).size, values.length, `${width} digits`);
    }
    const mixed = Array.from({ length: 2_600 }, (_, n) => `${String.fromCharCode(97 + (n % 26))}-${String(Math.floor(n / 26)).padStart(2, "0")}`);
    assert.equal(new Set(mixed.map((value) => token(value))).size, mixed.length);
  });

  it("stays what it was for values that were masked by earlier agents", () => {
    assert.equal(token("078-05-1120"), "361-93-4309");
    assert.equal(token("ada@navy.example"), "wqg@elna.lcpgdwz");
    assert.equal(tokenOf(Buffer.from("00112233aabbcc"), key, "hex").toString(), "71abc66c2d0643");
  });

  it("is of one value only where values are longer than a digest, too", () => {
    const values = Array.from({ length: 2_000 }, (_, n) => `${"x".repeat(40)}${n}@mail.example`);
    assert.equal(new Set(values.map((value) => token(value))).size, values.length);
    assert.equal(token(values[7] ?? ""), token(values[7] ?? ""));
  });

  it("is made of no value that is so long that others would wait for it", () => {
    const keys = { hash: key, token: key };
    const masked = (length: number): string => String(maskValue("token", Buffer.alloc(length, "a"), keys));
    assert.match(masked(MAX_TOKEN_BYTES), /^[a-z]{1024}$/);
    assert.equal(masked(MAX_TOKEN_BYTES + 1), "****");
    const numeric = typedMask("token", 1700, "text", new CellMasker({ maskColumns: [], detectors: [] }, keys));
    assert.equal(numeric?.(Buffer.alloc(MAX_TOKEN_BYTES + 1, "1")), null);
  });

  it("depends on all of the value: a change at one place changes the rest", () => {
    const [one, two] = [token("4111111111111111"), token("4111111111111112")];
    const same = [...one].filter((character, i) => character === two[i]).length;
    assert.ok(same < 10, `${same} of 16 digits are the same`);
  });

  it("has an x-like letter for each character beyond ASCII, and no byte of it", () => {
    assert.match(token("Çelik Öz"), /^[a-z][a-z]{4} [a-z][a-z]$/);
    fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => assert.match(token(text), /^[\0-\x7f]*$/)));
  });
});
