import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { SallyportError } from "../../errors.ts";
import { decodeBind, decodeExecute, decodeNamedObject, decodeParse } from "./extended.ts";

const int16 = (value: number): Buffer => Buffer.from([(value >> 8) & 0xff, value & 0xff]);
const int32 = (value: number): Buffer => Buffer.from([(value >> 24) & 0xff, (value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff]);
const text = (value: string): Buffer => Buffer.from(`${value}\0`, "latin1");

describe("extended-protocol messages", () => {
  it("reads Parse with its parameter types", () => {
    const payload = Buffer.concat([text("s1"), text("select $1"), int16(2), int32(23), int32(25)]);
    assert.deepEqual(decodeParse(payload), { statement: "s1", sql: Buffer.from("select $1"), parameterTypes: [23, 25] });
  });

  it("reads Bind with one format for all, one each, and none", () => {
    const values = [int16(2), int32(3), Buffer.from("abc"), int32(-1)];
    const bind = (formats: readonly number[]): Buffer =>
      Buffer.concat([text("p"), text("s"), int16(formats.length), ...formats.map(int16), ...values, int16(1), int16(1)]);
    const formats = (list: readonly number[]): string[] => decodeBind(bind(list)).parameters.map(({ format }) => format);
    assert.deepEqual(formats([]), ["text", "text"]);
    assert.deepEqual(formats([1]), ["binary", "binary"]);
    assert.deepEqual(formats([0, 1]), ["text", "binary"]);
    assert.deepEqual(decodeBind(bind([])).parameters[1]?.value, undefined);
    assert.deepEqual(decodeBind(bind([])).parameters[0]?.value, Buffer.from("abc"));
  });

  it("reads Execute, Close and Describe", () => {
    assert.deepEqual(decodeExecute(Buffer.concat([text("p"), int32(10)])), { portal: "p" });
    assert.deepEqual(decodeNamedObject(Buffer.concat([Buffer.from("S"), text("x")])), { kind: "statement", name: "x" });
    assert.deepEqual(decodeNamedObject(Buffer.concat([Buffer.from("P"), text("")])), { kind: "portal", name: "" });
  });

  it("keeps names apart that differ in bytes which are not UTF-8", () => {
    const name = (byte: number): string => decodeExecute(Buffer.concat([Buffer.from([byte, 0]), int32(0)])).portal;
    assert.notEqual(name(0xfe), name(0xff));
  });

  it("takes names for one that the target cuts off to one", () => {
    const [kept, other] = ["n".repeat(63), `${"n".repeat(62)}m`];
    const name = (spelt: string): string => decodeNamedObject(Buffer.concat([Buffer.from("S"), text(spelt)])).name;
    assert.deepEqual([kept, `${kept}x`, `${kept}\u00e9`, other].map(name), [kept, kept, kept, other]);
    assert.equal(decodeParse(Buffer.concat([text(`${kept}x`), text("select 1"), int16(0)])).statement, kept);
    const bind = decodeBind(Buffer.concat([text(`${kept}x`), text(`${kept}y`), int16(0), int16(0), int16(0)]));
    assert.deepEqual([bind.portal, bind.statement], [kept, kept]);
    assert.equal(decodeExecute(Buffer.concat([text(`${kept}x`), int32(0)])).portal, kept);
  });

  it("throws nothing but wire.malformed on random bytes, cut-off messages and bytes behind the last field", () => {
    const whole = Buffer.concat([text("p"), text("s"), int16(0), int16(1), int32(2), Buffer.from("ab"), int16(0)]);
    for (let cut = 0; cut < whole.length; cut++) assert.throws(() => decodeBind(whole.subarray(0, cut)), SallyportError);
    assert.throws(() => decodeBind(Buffer.concat([whole, Buffer.from([0])])), SallyportError);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        for (const decode of [decodeBind, decodeParse, decodeExecute, decodeNamedObject]) {
          try {
            decode(Buffer.from(bytes));
          } catch (error) {
            assert.ok(error instanceof SallyportError && error.code === "wire.malformed");
          }
        }
      }),
    );
  });
});
