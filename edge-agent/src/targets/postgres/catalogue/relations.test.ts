import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Relation } from "./relation.ts";
import { FIRST_USER_OID, Relations } from "./relations.ts";

/** A table of two columns, and views over it, each column of which is computed from both of the level below. */
function viewsOverViews(levels: number): ReadonlyMap<number, Relation> {
  const relations = new Map<number, Relation>();
  for (let level = 0; level <= levels; level++) {
    const relation = new Relation(FIRST_USER_OID + level, `level_${level}`, level === 0 ? "r" : "v");
    for (const attribute of [1, 2]) relation.add({ kind: "column", relation: relation.oid, attribute, name: `c${attribute}`, generated: false });
    const madeOf = [1, 2].map((attribute) => ({ relation: relation.oid - 1, attribute }));
    if (level > 0) relation.rules = new Map([1, 2].map((attribute) => [attribute, [{ shows: undefined, madeOf, functions: [] }]]));
    relations.set(relation.oid, relation);
  }
  return relations;
}

describe("columns followed through views", () => {
  it("are of the columns below, however many levels there are and however often each repeats those of the one below", () => {
    const { madeOf, opaque } = new Relations(viewsOverViews(64), new Set()).lineage(FIRST_USER_OID + 64, 1);
    assert.equal(madeOf.length, 2 * 64);
    assert.equal(opaque, false);
  });
});
