import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { unclassified } from "./analysis.ts";
import { TextCache } from "./text-cache.ts";

const analysis = unclassified("a test", "", false);

describe("the cache of analysed texts", () => {
  it("forgets the least recently used when its bound is reached", () => {
    const cache = new TextCache(10 * 1_028);
    for (let i = 0; i < 10; i++) cache.set(String(i), analysis);
    cache.get("0");
    cache.set("x", analysis);
    assert.ok(cache.get("0") !== undefined && cache.get("x") !== undefined);
    assert.equal(cache.get("1"), undefined);
    assert.ok(cache.bytes <= 10 * 1_028);
  });

  it("counts a text once, however often it is set, and keeps no text that would fill it alone", () => {
    const cache = new TextCache(100_000);
    cache.set("a", analysis);
    const { bytes } = cache;
    cache.set("a", analysis);
    assert.equal(cache.bytes, bytes);
    cache.set("b".repeat(10_000), analysis);
    assert.equal(cache.bytes, bytes);
  });
});
