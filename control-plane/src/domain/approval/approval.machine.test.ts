import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { getShortestPaths } from "xstate/graph";
import { type ApprovalState, evolve, initialState } from "./approval.decider.ts";
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

interface Step {
  readonly state: ApprovalState;
  /** The states that the path to it went through, itself included. */
  readonly passed: ReadonlySet<string>;
  readonly last: ApprovalEvent;
}

/**
 * The last step of every path. Two paths to one state that passed through the same states go on alike, so that one of them is followed:
 * some thousand steps, where the paths themselves are ten times as many and each would be walked from its beginning.
 */
function* everyStep(): Generator<Step> {
  const known = new Set<string>();
  const open: Pick<Step, "state" | "passed">[] = [{ state: initialState, passed: new Set([initialState.value]) }];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (const event of events) {
      const state = evolve(at.state, event);
      if (state === at.state) continue;
      const passed = new Set([...at.passed, state.value]);
      yield { state, passed, last: event };
      const key = `${serializeState(state)} ${[...passed].toSorted().join()}`;
      if (known.has(key)) continue;
      known.add(key);
      open.push({ state, passed });
    }
  }
}

describe("the approval machine", () => {
  it("reaches every state", () => {
    const paths = getShortestPaths(approvalMachine, traversal);
    assert.deepEqual(new Set(paths.map(({ state }) => state.value)), new Set(states));
  });

  it("on every path grants only what two other people agreed to, and consumes only what was granted", () => {
    const reached = new Set<string>();
    for (const { state, passed, last } of everyStep()) {
      reached.add(state.value);
      if (passed.has("granted")) assert.deepEqual(state.context.approvers.toSorted(), ["bo", "cy"]);
      if (passed.has("consumed")) assert.ok(passed.has("granted"));
      if (passed.has("replaced")) assert.deepEqual([state.context.counter?.by, last], ["di", acceptedBy("ana")]);
      assert.ok(!state.context.approvers.includes("ana") && !state.context.approvers.includes("eve"));
      assert.ok(!(last.type === "ApprovalConsumed" && last.data.digest === "other"));
    }
    assert.deepEqual(reached, new Set(states.filter((state) => state !== "absent")));
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
