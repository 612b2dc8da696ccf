import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { spokenDuration } from "./spoken-duration.ts";

it("a duration is spoken in the units that people use, and means the same", () => {
  assert.deepEqual([0, 1, 90, 1_800, 28_800, 604_800, 3_630].map(spokenDuration), ["0 s", "1 s", "1 min 30 s", "30 min", "8 h", "7 d", "1 h 30 s"]);
  const sizes: Readonly<Record<string, number>> = { d: 86_400, h: 3_600, min: 60, s: 1 };
  fc.assert(
    fc.property(fc.nat(10_000_000), (seconds) => {
      const words = [...spokenDuration(seconds).matchAll(/(\d+) (d|h|min|s)/g)];
      assert.equal(
        words.reduce((sum, [, count, unit = ""]) => sum + Number(count) * (sizes[unit] ?? Number.NaN), 0),
        seconds,
      );
    }),
  );
});
