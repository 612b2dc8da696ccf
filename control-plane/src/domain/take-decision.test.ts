import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type DecisionRequest, noObligations, type PolicyEngine } from "./decision.ts";
import { NO_POLICY, takeDecision } from "./take-decision.ts";

const principal = { id: "ana", kind: "human", groups: [] } as const;
const resource = { name: "orders", protocol: "postgres", labels: {} };

function permissive(): PolicyEngine & { readonly asked: DecisionRequest[] } {
  const asked: DecisionRequest[] = [];
  return {
    version: "p1",
    speaksOf: new Set(),
    asked,
    decide: (request) => {
      asked.push(request);
      return { effect: "allow", policyVersion: "p1", rules: ["all"], reason: "", obligations: noObligations, quorum: 0 };
    },
  };
}

describe("a decision", () => {
  it("is the policy's, on those who are there", () => {
    const policy = permissive();
    assert.equal(takeDecision(policy, { principal, resource, action: "run" }).effect, "allow");
    assert.deepEqual(policy.asked, [{ principal, resource, action: "run", granted: false }]);
  });

  it("is deny without a policy, whoever asks (I3, I11)", () => {
    const { effect, policyVersion, reason } = takeDecision(undefined, { principal, resource, action: "run" });
    assert.deepEqual([effect, policyVersion, reason], ["deny", NO_POLICY, "No policy is published."]);
  });

  it("is deny for who is gone and what is gone, however permissive the policy", () => {
    const policy = permissive();
    const nobody = takeDecision(policy, { principal: undefined, resource, action: "run" });
    const nothing = takeDecision(policy, { principal, resource: undefined, action: "run" });
    const unapprovable = takeDecision(policy, { principal, resource: undefined, action: "approve" });
    assert.deepEqual(
      [nobody, nothing, unapprovable].map(({ effect, policyVersion, rules, reason }) => [effect, policyVersion, rules, reason]),
      [
        ["deny", "p1", [], "The identity was disabled."],
        ["deny", "p1", [], "The resource is not served any more."],
        ["deny", "p1", [], "The resource is gone."],
      ],
    );
    assert.deepEqual(policy.asked, []);
  });
});
