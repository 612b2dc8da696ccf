import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { GIVE_UP_AFTER_MS, RETRY_FIRST_MS, RETRY_LAST_MS, retryAt } from "./retry-schedule.ts";

const queuedAt = new Date("2026-11-22T10:00:00.000Z");
const wait = (attempts: number, random: number, retryAfterMs?: number): number =>
  (retryAt({ attempts, queuedAt, now: queuedAt, retryAfterMs, random })?.getTime() ?? Number.NaN) - queuedAt.getTime();

describe("the next attempt", () => {
  it("comes at most after twice as long each time, up to an hour, spread over the whole of it", () => {
    assert.deepEqual(
      [1, 2, 3, 4].map((attempts) => wait(attempts, 1)),
      [1, 2, 4, 8].map((times) => times * RETRY_FIRST_MS),
    );
    assert.equal(wait(1_000, 1), RETRY_LAST_MS);
    assert.equal(wait(1_000, 0), 0);
    assert.equal(wait(1_000, 0.5), RETRY_LAST_MS / 2);
  });

  it("does not come before the other side wants it", () => {
    assert.equal(wait(1, 1, 60_000), 60_000);
    assert.equal(wait(1_000, 1, 60_000), RETRY_LAST_MS);
  });

  it("is given up when it would come later than a day after the event", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 0, max: 2 * GIVE_UP_AFTER_MS }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (attempts, age, random) => {
          const now = new Date(queuedAt.getTime() + age);
          const at = retryAt({ attempts, queuedAt, now, random });
          if (at === undefined) assert.ok(age + RETRY_LAST_MS >= GIVE_UP_AFTER_MS);
          else assert.ok(at >= now && at.getTime() - queuedAt.getTime() <= GIVE_UP_AFTER_MS);
        },
      ),
    );
  });
});
