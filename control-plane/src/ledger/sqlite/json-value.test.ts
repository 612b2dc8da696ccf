import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { whereNotJson } from "./json-value.ts";

const nested = (depth: number): unknown => (depth === 0 ? [] : [nested(depth - 1)]);

describe("whereNotJson", () => {
  it("finds nothing in JSON", () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => assert.equal(whereNotJson(value, "data"), undefined)));
  });

  it("names the place and the kind of what would be dropped, replaced or escaped", () => {
    const misfits: readonly (readonly [unknown, string])[] = [
      [{ a: [1, { b: undefined }] }, "data.a[1].b is undefined"],
      [[1n], "data[0] is bigint"],
      [{ a: Number.NaN }, "data.a is NaN"],
      [{ a: { toJSON: () => 1 } }, "data.a.toJSON is function"],
      [{ a: new Date(0) }, "data.a is not a plain object"],
      [{ a: "\ud800" }, "data.a holds a lone surrogate"],
      [{ a: { "\ud800": 1 } }, "data.a has a key that holds a lone surrogate"],
      [Symbol("a"), "data is symbol"],
    ];
    for (const [value, where] of misfits) assert.equal(whereNotJson(value, "data"), where);
  });

  it("stops at a depth, so that no data can exhaust the stack", () => {
    assert.equal(whereNotJson(nested(99), "data"), undefined);
    assert.match(whereNotJson(nested(100), "data") ?? "", /is nested deeper than 100$/);
  });
});
