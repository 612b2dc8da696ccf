import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Progress } from "./progress.ts";

describe("the progress of a group", () => {
  it("is the last place before the first that is unfinished, in whatever order they are finished", () => {
    const steps = fc.array(fc.record({ gap: fc.integer({ min: 1, max: 5 }), passed: fc.boolean(), rank: fc.integer() }), { maxLength: 30 });
    fc.assert(
      fc.property(steps, (all) => {
        const progress = new Progress(undefined);
        let at = 0n;
        const places = all.map(({ gap, passed, rank }) => {
          at += BigInt(gap);
          if (passed) progress.pass(at);
          else progress.begin(at);
          return { at, passed, rank };
        });
        const open = places.filter(({ passed }) => !passed);
        for (const { at: place } of open.toSorted((a, b) => a.rank - b.rank)) {
          const first = places.findIndex((one) => open.includes(one));
          assert.equal(progress.done, places[first - 1]?.at);
          assert.equal(progress.unfinished, open.length);
          progress.finish(place);
          open.splice(
            open.findIndex((one) => one.at === place),
            1,
          );
        }
        assert.equal(progress.done, places.at(-1)?.at);
      }),
    );
  });
});
