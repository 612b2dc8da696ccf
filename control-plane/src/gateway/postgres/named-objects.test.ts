import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MAX_BYTES, MAX_NAMES, NamedObjects } from "./named-objects.ts";

describe("NamedObjects", () => {
  it("forgets the oldest names beyond their number (N3)", () => {
    const names = new NamedObjects<number>();
    for (let n = 0; n <= MAX_NAMES; n++) names.set(`s${n}`, n, 1);
    assert.equal(names.get("s0"), undefined);
    assert.equal(names.get("s1"), 1);
    assert.equal(names.get(`s${MAX_NAMES}`), MAX_NAMES);
  });

  it("forgets the oldest names beyond their bytes, and counts what is set anew or deleted once (N3)", () => {
    const names = new NamedObjects<number>();
    for (let n = 0; n < 10; n++) names.set("a", n, MAX_BYTES / 2);
    names.set("b", 1, MAX_BYTES / 2);
    assert.deepEqual([names.get("a"), names.get("b")], [9, 1]);
    names.set("c", 2, 1);
    assert.deepEqual([names.get("a"), names.get("b"), names.get("c")], [undefined, 1, 2]);
    names.delete("b");
    names.set("d", 3, MAX_BYTES - 1);
    assert.deepEqual([names.get("c"), names.get("d")], [2, 3]);
  });

  it("does not keep what is larger than all of it", () => {
    const names = new NamedObjects<number>();
    names.set("a", 1, MAX_BYTES + 1);
    assert.equal(names.get("a"), undefined);
  });

  it("never keeps a name that is not ASCII (N3)", () => {
    const names = new NamedObjects<number>();
    names.set("\u00e9", 1, 1);
    assert.equal(names.get("\u00e9"), undefined);
  });

  it("clears all but the one that is excepted", () => {
    const names = new NamedObjects<number>();
    for (const name of ["a", "b"]) names.set(name, 1, MAX_BYTES / 2);
    names.clear("b");
    assert.deepEqual([names.get("a"), names.get("b")], [undefined, 1]);
    names.clear("nothing");
    names.set("c", 1, MAX_BYTES);
    assert.deepEqual([names.get("b"), names.get("c")], [undefined, 1]);
  });
});
