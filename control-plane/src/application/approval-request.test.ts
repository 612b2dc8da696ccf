import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Decision, noObligations } from "../domain/decision.ts";
import { plainFacts } from "../domain/facts.ts";
import { planRequest } from "./approval-request.ts";
import { fails } from "./testing/stage.ts";

const now = new Date("2026-11-22T10:00:00.000Z");
const asks = (rule: string, more: Partial<Decision> = {}): Decision => ({
  effect: "needs_approval",
  policyVersion: "p1",
  rules: [rule],
  reason: rule,
  obligations: noObligations,
  quorum: 1,
  ...more,
});
const allows: Decision = { ...asks("free"), effect: "allow", quorum: 0 };

/** Of commands that were decided so, in this order. */
const planOf = (...decisions: readonly Decision[]) => {
  const left = [...decisions];
  const commands = decisions.map((_, n) => ({ statement: `select ${n}`, digest: String(n), facts: plainFacts }));
  return planRequest({ resource: "orders", commands, digest: "all", forSeconds: 60, reason: "" }, () => left.shift() ?? allows, now);
};

describe("what is asked of people for a plan", () => {
  it("names every rule that asks, tells everybody whom one of them wants told, and says what time they saw", () => {
    const seen = { hour: 10, weekday: "sunday" } as const;
    const { decision } = planOf(allows, asks("b", { notify: ["dba"], seen }), asks("a", { notify: ["security", "dba"] }));
    assert.deepEqual(decision, { policyVersion: "p1", rules: ["a", "b"], reason: "b", notify: ["dba", "security"], seen });
  });

  it("is as many people as the strictest of its commands asks for", () => {
    assert.equal(planOf(asks("a", { quorum: 1 }), asks("b", { quorum: 3 }), allows).quorum, 3);
  });

  it("is nothing where policy denies one of them, or nobody has to be asked", () => {
    assert.throws(() => planOf(asks("a"), { ...asks("no"), effect: "deny" }), fails("policy.denied"));
    assert.throws(() => planOf(allows), fails("input.invalid"));
  });
});
