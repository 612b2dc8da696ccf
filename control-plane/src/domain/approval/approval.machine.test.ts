import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { getShortestPaths, getSimplePaths } from "xstate/graph";
import { type ApprovalState, evolve } from "./approval.decider.ts";
import type { ApprovalEvent } from "./approval.events.ts";
import { approvalMachine } from "./approval.machine.ts";
import {
  acceptedBy,
  lookedAtBy,
  notShown,
  proposedBy,
  shown,
  asked,
  consumed,
  denied,
  deniedBy,
  expired,
  givenBy,
  granted,
  revoked,
  withdrawn,
} from "./approval.samples.ts";

const events: ApprovalEvent[] = [
  asked(2, "eve"),
  givenBy("ana"),
  givenBy("eve"),
  givenBy("bo"),
  givenBy("cy"),
  granted("bo", "cy"),
  denied,
  deniedBy("ana"),
  expired,
  withdrawn,
  consumed,
  { type: "ApprovalConsumed", data: { approvalId: "ap1", sessionId: "s1", commandId: 3, digest: "other" } },
  revoked,
  proposedBy("ana"),
  proposedBy("di"),
  acceptedBy("ana"),
  acceptedBy("eve"),
  acceptedBy("ana", "d3"),
  lookedAtBy("ana"),
  lookedAtBy("di"),
  lookedAtBy("di", "v2", "other"),
  shown(),
  notShown(),
];
const serializeState = ({ value, context }: ApprovalState): string =>
  `${value} ${context.approvers.join()} ${context.counter?.by ?? ""} ${JSON.stringify(context.previews)}`;
const traversal = { events, limit: 10_000, serializeState };
const states = Object.keys(approvalMachine.states);

describe("the approval machine", () => {
  it("reaches every state", () => {
    const paths = getShortestPaths(approvalMachine, traversal);
    assert.deepEqual(new Set(paths.map(({ state }) => state.value)), new Set(states));
  });

  it("on every path grants only what two other people agreed to, and consumes only what was granted", () => {
    const paths = getSimplePaths(approvalMachine, traversal);
    assert.ok(paths.length > 20);
    for (const { state, steps } of paths) {
      const taken = steps.map(({ event }) => event);
      const passed = new Set([...steps.map(({ state: at }) => at.value), state.value]);
      if (passed.has("granted")) assert.deepEqual(state.context.approvers.toSorted(), ["bo", "cy"]);
      if (passed.has("consumed")) assert.ok(passed.has("granted"));
      if (passed.has("replaced")) assert.deepEqual([state.context.counter?.by, taken.at(-1)], ["di", acceptedBy("ana")]);
      assert.ok(!state.context.approvers.includes("ana") && !state.context.approvers.includes("eve"));
      assert.ok(!taken.some((event) => event.type === "ApprovalConsumed" && event.data.digest === "other" && state.matches("consumed")));
    }
  });

  it("takes no event after a final state, and gives back the very same state for one that it refuses", () => {
    for (const { state } of getShortestPaths(approvalMachine, traversal)) {
      for (const event of events) {
        const next = evolve(state, event);
        if (["denied", "replaced", "expired", "withdrawn", "consumed", "revoked"].includes(state.value)) assert.equal(next, state);
        if (!state.can(event)) assert.equal(next, state);
      }
    }
  });
});
