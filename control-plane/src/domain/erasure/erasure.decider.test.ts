import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { getShortestPaths, getSimplePaths } from "xstate/graph";
import { scenario } from "../given.ts";
import * as erasure from "./erasure.decider.ts";
import type { ErasureEvent } from "./erasure.events.ts";
import { erasureMachine } from "./erasure.machine.ts";

const expiresAt = "2026-11-29T10:00:00.000Z";
const data = { erasureId: "e1", subject: "s1", identityId: "ana", requestedBy: "root", reason: "left", expiresAt };
const asked: ErasureEvent = { type: "ErasureRequested", data: { ...data, quorum: 2 } };
const approved = (by: string): ErasureEvent => ({ type: "ErasureApproved", data: { erasureId: "e1", by, comment: "" } });
const granted: ErasureEvent = { type: "ErasureGranted", data: { erasureId: "e1", subject: "s1", approvers: ["bo", "cy"] } };
const denied: ErasureEvent = { type: "ErasureDenied", data: { erasureId: "e1", by: "cy", comment: "no" } };
const destroyed: ErasureEvent = { type: "SubjectKeyDestroyed", data: { erasureId: "e1", subject: "s1" } };

const given = scenario(erasure, "2026-11-22T10:00:00.000Z");
const approve = (id: string, kind: "human" | "machine" = "human") => ({ type: "Approve", by: { id, kind }, comment: "" }) as const;
const deny = (id: string) => ({ type: "Deny", by: { id, kind: "human" }, comment: "no" }) as const;
const done = { type: "RecordDestroyed" } as const;

describe("forgetting somebody", () => {
  it("is asked for with a reason, and needs two others", () => {
    given().when({ type: "Request", data }).gives(asked);
    given()
      .when({ type: "Request", data: { ...data, reason: " " } })
      .fails("input.invalid");
    given()
      .when({ type: "Request", data: { ...data, reason: "x".repeat(erasure.MAX_TEXT_LENGTH + 1) } })
      .fails("input.invalid");
    given(asked).when(approve("bo")).gives(approved("bo"));
    given(asked, approved("bo")).when(approve("cy")).gives(approved("cy"), granted);
  });

  it("counts nobody twice, neither whoever asks nor whom it is about, and no machine", () => {
    given(asked, approved("bo")).when(approve("bo")).gives();
    given(asked).when(approve("root")).fails("approval.self");
    given(asked).when(approve("ana")).fails("approval.self");
    given(asked).when(approve("ci", "machine")).fails("approval.machine");
    given(asked)
      .when({ ...approve("bo"), by: { id: "bo", kind: "human", onBehalfOf: "root" } })
      .fails("approval.self");
  });

  it("ends with one no, also of whoever asked, and with its time", () => {
    given(asked, approved("bo")).when(deny("cy")).gives(denied);
    given(asked)
      .when(deny("root"))
      .gives({ type: "ErasureDenied", data: { erasureId: "e1", by: "root", comment: "no" } });
    given(asked, denied).when(approve("bo")).fails("approval.already_decided");
    given(asked).when(approve("bo"), expiresAt).fails("approval.expired");
    given().when(approve("bo")).fails("approval.not_found");
  });

  it("is recorded as done once, and only when it was granted", () => {
    const history = [asked, approved("bo"), approved("cy"), granted];
    given(...history)
      .when(done)
      .gives(destroyed);
    given(...history, destroyed)
      .when(done)
      .gives();
    given(...history)
      .when(deny("cy"))
      .fails("approval.already_decided");
    given(asked, approved("bo")).when(done).isDefect();
  });

  it("is granted to two distinct people other than the parties, whatever the order", () => {
    const people = fc.array(fc.constantFrom("ana", "root", "bo", "cy", "di"), { maxLength: 8 });
    fc.assert(
      fc.property(people, (approvers) => {
        let state = [asked].reduce(erasure.evolve, erasure.initialState);
        for (const by of approvers) {
          if (!state.matches("pending") || by === "ana" || by === "root") continue;
          state = erasure.decide(approve(by), state, "2026-11-22T10:00:00.000Z").reduce(erasure.evolve, state);
        }
        const distinct = new Set(approvers.filter((by) => by !== "ana" && by !== "root"));
        assert.equal(state.matches("granted"), distinct.size >= 2);
      }),
    );
  });
});

describe("the erasure machine", () => {
  const events = [asked, ...["ana", "root", "bo", "cy"].map(approved), granted, denied, destroyed];
  const traversal = { events, limit: 5_000, serializeState: ({ value, context }: erasure.ErasureState) => `${value} ${context.approvers.join()}` };

  it("reaches every state, and destroys only what two others agreed to", () => {
    const reached = getShortestPaths(erasureMachine, traversal).map(({ state }) => state.value);
    assert.deepEqual(new Set(reached), new Set(Object.keys(erasureMachine.states)));
    for (const { state, steps } of getSimplePaths(erasureMachine, traversal)) {
      const passed = new Set([...steps.map(({ state: at }) => at.value), state.value]);
      if (passed.has("destroyed")) assert.ok(passed.has("granted"));
      if (passed.has("granted")) assert.deepEqual(state.context.approvers.toSorted(), ["bo", "cy"]);
    }
  });

  it("takes no event after a final state", () => {
    for (const { state } of getShortestPaths(erasureMachine, traversal)) {
      if (state.matches("denied") || state.matches("destroyed")) for (const event of events) assert.equal(erasure.evolve(state, event), state);
    }
  });
});
