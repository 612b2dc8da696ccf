import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Backoff, BACKOFF_BASE_MS, BACKOFF_CAP_MS, HELD_LONG_ENOUGH_MS } from "./backoff.ts";

describe("the back-off", () => {
  it("doubles from half a second to thirty seconds, and stays there", () => {
    const backoff = new Backoff(() => 0.999_999);
    const waits = Array.from({ length: 10 }, () => backoff.next(0) + 1);
    assert.deepEqual(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000]);
  });

  it("is not reset by a link that shook hands and died, only by one that held", () => {
    const backoff = new Backoff(() => 0.999_999);
    for (let i = 0; i < 5; i++) backoff.next(0);
    assert.equal(backoff.next(HELD_LONG_ENOUGH_MS - 1) + 1, 16_000);
    assert.equal(backoff.next(HELD_LONG_ENOUGH_MS) + 1, BACKOFF_BASE_MS);
  });

  it("stays within its bounds for every chance and every history", () => {
    fc.assert(
      fc.property(fc.array(fc.record({ chance: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), heldMs: fc.nat(60_000) })), (history) => {
        let chance = 0;
        const backoff = new Backoff(() => chance);
        for (const step of history) {
          ({ chance } = step);
          const wait = backoff.next(step.heldMs);
          assert.ok(wait >= 0 && wait < BACKOFF_CAP_MS && (step.heldMs < HELD_LONG_ENOUGH_MS || wait < BACKOFF_BASE_MS));
        }
      }),
    );
  });

  it("spreads 1,000 agents that lost the same control plane over the whole time (full jitter)", () => {
    let seed = 1;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    const arrivals = Array.from({ length: 1_000 }, () => {
      const backoff = new Backoff(random);
      let at = 0;
      for (let attempt = 0; attempt < 7; attempt++) at += backoff.next(0);
      return Math.floor(at / 1_000);
    });
    const perSecond = new Map<number, number>();
    for (const second of arrivals) perSecond.set(second, (perSecond.get(second) ?? 0) + 1);
    assert.ok(Math.max(...perSecond.values()) < 60, "no second sees more than 6 % of them");
  });
});
