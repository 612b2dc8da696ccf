import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { computedFrom, joined, type Lineage, MAX_ORIGINS, type Origin } from "./lineage.ts";

const origin = (name: string): Origin => ({ tables: new Set([name]), columns: new Set(["c"]) });
const shown = (...origins: readonly Origin[]): Lineage => ({ origins, madeOf: [], opaque: false });

describe("lineages together", () => {
  it("have each origin once", () => {
    const [a, b] = [origin("a"), origin("b")];
    assert.deepEqual(joined([shown(a, b), shown(b), computedFrom(shown(a)), computedFrom(joined([shown(a), computedFrom(shown(a))]))]), {
      origins: [a, b],
      madeOf: [a],
      opaque: false,
    });
  });

  it("may be of anything when they are of too many, and those that are counted still count", () => {
    const many = Array.from({ length: MAX_ORIGINS + 1 }, (_, i) => shown(origin(`t${i}`)));
    const { origins, opaque } = joined(many);
    assert.equal(origins.length, MAX_ORIGINS);
    assert.ok(opaque);
    assert.ok(computedFrom(joined([joined(many.slice(0, 2_500)), computedFrom(joined(many.slice(2_500)))])).opaque);
    assert.equal(joined(many.slice(1)).opaque, false);
  });
});
