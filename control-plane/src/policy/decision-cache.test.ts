import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Decision, noObligations } from "../domain/decision.ts";
import { DecisionCache, MAX_CACHED_DECISIONS } from "./decision-cache.ts";

const decision: Decision = { effect: "deny", policyVersion: "v1", rules: [], reason: "", obligations: noObligations, quorum: 0 };

describe("DecisionCache", () => {
  it("stays within its bound and forgets what was used longest ago", () => {
    const cache = new DecisionCache();
    for (let i = 0; i < MAX_CACHED_DECISIONS; i++) cache.put(`k${i}`, decision);
    assert.equal(cache.get("k0"), decision);
    cache.put("one more", decision);
    assert.equal(cache.size, MAX_CACHED_DECISIONS);
    assert.equal(cache.get("k0"), decision);
    assert.equal(cache.get("k1"), undefined);
  });
});
