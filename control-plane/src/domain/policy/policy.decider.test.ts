import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { getShortestPaths } from "xstate/graph";
import { scenario } from "../given.ts";
import * as policy from "./policy.decider.ts";
import type { PolicyEvent } from "./policy.events.ts";
import { policyMachine } from "./policy.machine.ts";

const given = scenario(policy, "2026-11-22T10:00:00.000Z");
const files = [{ name: "a.cedar", text: "permit(principal, action, resource);" }];
const proposed = (version: string): PolicyEvent => ({ type: "PolicyProposed", data: { version, files, reason: "why" } });
const published = (version: string): PolicyEvent => ({ type: "PolicyPublished", data: { version } });
const retired = (version: string, replacedBy: string): PolicyEvent => ({ type: "PolicyRetired", data: { version, replacedBy } });
const publish = (version: string) => ({ type: "Publish", version, files, reason: "why" }) as const;

describe("publishing a policy", () => {
  it("proposes, publishes and retires in one decision", () => {
    given().when(publish("p1")).gives(proposed("p1"), published("p1"));
    const state = given(proposed("p1"), published("p1")).when(publish("p2")).gives(proposed("p2"), published("p2"), retired("p1", "p2"));
    assert.equal(state.published, "p2");
  });

  it("changes nothing when it is in force", () => {
    given(proposed("p1"), published("p1")).when(publish("p1")).gives();
  });

  it("goes back to a retired version", () => {
    const history = [proposed("p1"), published("p1"), proposed("p2"), published("p2"), retired("p1", "p2")];
    const state = given(...history)
      .when(publish("p1"))
      .gives(proposed("p1"), published("p1"), retired("p2", "p1"));
    assert.equal(state.published, "p1");
  });

  it("publishes what is proposed already", () => {
    given(proposed("p1")).when(publish("p1")).gives(published("p1"));
  });

  it("refuses no files, and more than one append can carry", () => {
    given()
      .when({ ...publish("p1"), files: [] })
      .fails("input.invalid");
    given()
      .when({ ...publish("p1"), files: [{ name: "a", text: "x".repeat(policy.MAX_POLICY_BYTES) }] })
      .fails("input.invalid");
  });

  it("takes no version for published that was never proposed", () =>
    assert.equal([published("p9")].reduce(policy.evolve, policy.initialState).published, undefined));
});

describe("the life of a policy version", () => {
  it("reaches every state, and none without a proposal", () => {
    const paths = getShortestPaths(policyMachine, { events: [proposed("p1"), published("p1"), retired("p1", "p2")], limit: 100 });
    assert.deepEqual(new Set(paths.map(({ state }) => state.value)), new Set(Object.keys(policyMachine.states)));
  });
});
