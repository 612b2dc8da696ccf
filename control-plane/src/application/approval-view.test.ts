import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { evolve, initialState } from "../domain/approval/approval.decider.ts";
import type { ApprovalEvent } from "../domain/approval/approval.events.ts";
import {
  acceptedBy,
  asked,
  consumed,
  lookedAtBy,
  notShown,
  shown,
  proposedBy,
  denied,
  expired,
  givenBy,
  granted,
  revoked,
  withdrawn,
} from "../domain/approval/approval.samples.ts";
import { evolveView } from "./approval-view.ts";
import type { ApprovalView } from "./approval-ports.ts";

describe("the view of an approval", () => {
  it("agrees with the machine on every history that the machine allows", () => {
    const events: ApprovalEvent[] = [
      asked(2),
      givenBy("bo"),
      givenBy("cy"),
      granted("bo", "cy"),
      denied,
      expired,
      withdrawn,
      consumed,
      revoked,
      proposedBy("di"),
      acceptedBy("ana"),
      lookedAtBy("di"),
      shown(),
      notShown(),
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...events), { maxLength: 20 }), (tried) => {
        let view: ApprovalView | undefined;
        let state = initialState;
        for (const event of [asked(2), ...tried]) {
          if (!state.can(event)) continue;
          state = evolve(state, event);
          view = evolveView(view, event, "2026-11-22T10:00:00.000Z");
        }
        assert.equal(view?.state, state.value);
        assert.deepEqual(view.approvers, state.context.approvers);
        assert.deepEqual(
          view.previews.map(({ id, state: outcome }) => ({ id, answered: outcome !== "asked" })),
          state.context.previews,
        );
      }),
    );
  });
});
