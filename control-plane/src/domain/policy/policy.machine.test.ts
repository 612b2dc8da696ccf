import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { getShortestPaths, getSimplePaths } from "xstate/graph";
import type { VersionState } from "./policy.decider.ts";
import type { PolicyEvent } from "./policy.events.ts";
import { policyMachine } from "./policy.machine.ts";
import { approvedBy, proposed, published, rejectedBy, retired, superseded, tried, withdrawnBy } from "./policy.samples.ts";

const events: PolicyEvent[] = [
  proposed("p1", "p0", 2),
  tried("p1"),
  approvedBy("ana"),
  approvedBy("bo"),
  approvedBy("cy"),
  rejectedBy("ana"),
  rejectedBy("bo"),
  withdrawnBy("ana"),
  withdrawnBy("bo"),
  superseded("p1", "p2"),
  published("p1", ["bo", "cy"]),
  published("p1", ["bo"]),
  published("p1", []),
  retired("p1", "p2"),
];
const traversal = { events, limit: 20_000, serializeState: ({ value, context }: VersionState) => `${value} ${context.approvers.toSorted().join()}` };

describe("the policy machine", () => {
  it("reaches every state", () => {
    const paths = getShortestPaths(policyMachine, traversal);
    assert.deepEqual(new Set(paths.map(({ state }) => state.value)), new Set(Object.keys(policyMachine.states)));
  });

  it("on every path publishes only what two others agreed to since it was last proposed", () => {
    const paths = getSimplePaths(policyMachine, traversal);
    assert.ok(paths.length > 20);
    for (const { steps, state: last } of paths) {
      const taken = steps.map(({ event }) => event);
      for (const [index, event] of taken.entries()) {
        if (event.type !== "PolicyPublished" || (steps[index + 1]?.state ?? last).value !== "published") continue;
        const since = taken.slice(
          taken.slice(0, index).findLastIndex(({ type }) => type === "PolicyProposed"),
          index,
        );
        const agreed = new Set(since.flatMap((each) => (each.type === "PolicyApproved" && each.data.by !== "ana" ? [each.data.by] : [])));
        assert.equal(agreed.size, 2);
      }
    }
  });

  it("takes nothing but a new proposal once it is over", () => {
    for (const { state } of getShortestPaths(policyMachine, traversal)) {
      if (["rejected", "withdrawn", "superseded", "retired"].includes(state.value)) {
        for (const event of events) if (event.type !== "PolicyProposed") assert.ok(!state.can(event), `${event.type} in ${state.value}`);
      }
    }
  });
});
