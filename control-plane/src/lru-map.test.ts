import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LruMap } from "./lru-map.ts";

describe("LruMap", () => {
  it("stays within its bound and forgets what was used longest ago", () => {
    const map = new LruMap<number>(3);
    for (const key of ["a", "b", "c"]) map.set(key, 1);
    assert.equal(map.get("a"), 1);
    map.set("b", 2);
    map.set("d", 1);
    assert.equal(map.cost, 3);
    assert.deepEqual(
      ["a", "b", "c", "d"].map((key) => map.get(key)),
      [1, 2, undefined, 1],
    );
  });

  it("bounds what its entries cost together, and counts one once, however often it is set", () => {
    const map = new LruMap<number>(10, (key) => key.length);
    for (const key of ["aaaa", "aaaa", "bbbb"]) map.set(key, 1);
    assert.equal(map.cost, 8);
    map.set("ccc", 1);
    assert.deepEqual([map.cost, map.get("aaaa"), map.get("bbbb"), map.get("ccc")], [7, undefined, 1, 1]);
  });

  it("keeps no entry that costs more than its share", () => {
    const map = new LruMap<number>(10, (key) => key.length, 5);
    map.set("aaa", 1);
    map.set("bbbbbb", 1);
    assert.deepEqual([map.cost, map.get("aaa"), map.get("bbbbbb")], [3, 1, undefined]);
  });
});
