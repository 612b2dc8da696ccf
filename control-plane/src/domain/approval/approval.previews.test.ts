import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { scenario } from "../given.ts";
import * as approval from "./approval.decider.ts";
import { MAX_PREVIEWS } from "./approval.machine.ts";
import { asked, denied, expiresAt, givenBy, granted, lookedAtBy, notShown, permitted, shown, withdrawn } from "./approval.samples.ts";

const given = scenario(approval, "2026-11-22T10:00:00.000Z");
const request = asked(2);
const look = (id: string, more: Partial<Extract<approval.ApprovalCommand, { type: "RequestPreview" }>> = {}) =>
  ({ type: "RequestPreview", previewId: "v1", kind: "dry_run", digest: "d1", by: { id, kind: "human" }, decision: permitted, ...more }) as const;

describe("asking for a preview", () => {
  it("is recorded with what is looked at and by what right, before there is anything to see", () => {
    given(request).when(look("bo")).gives(lookedAtBy("bo"));
    given(request, lookedAtBy("bo", "v0"), givenBy("cy")).when(look("bo")).gives(lookedAtBy("bo"));
  });

  it("is for other people, whom policy lets decide", () => {
    given(request).when(look("ana")).fails("approval.self");
    given(request)
      .when(look("ci", { by: { id: "ci", kind: "machine" } }))
      .fails("approval.machine");
    given(request)
      .when(look("bo", { decision: { ...permitted, effect: "deny" } }))
      .fails("auth.forbidden");
  });

  it("is for what was shown, under the policy that held it", () => {
    given(request)
      .when(look("bo", { digest: "d9" }))
      .fails("approval.drift");
    given(request)
      .when(look("bo", { decision: { ...permitted, policyVersion: "p2" } }))
      .fails("approval.drift");
  });

  it("is of no use once it is decided, or its time is up", () => {
    given(request, denied).when(look("bo")).fails("approval.already_decided");
    given(request, givenBy("bo"), givenBy("cy"), granted("bo", "cy")).when(look("di")).fails("approval.already_decided");
    given(request).when(look("bo"), expiresAt).fails("approval.expired");
  });

  it("is answered no more than so many times", () => {
    const before = Array.from({ length: MAX_PREVIEWS }, (_, n) => lookedAtBy("bo", `v-${n}`));
    given(request, ...before)
      .when(look("bo"))
      .fails("session.limit");
    given(request, ...before.slice(1))
      .when(look("bo"))
      .gives(lookedAtBy("bo"));
  });
});

describe("the outcome of a preview", () => {
  const outcome = (event: Extract<approval.ApprovalCommand, { type: "RecordPreview" }>["outcome"]) => ({ type: "RecordPreview", outcome: event }) as const;

  it("is recorded once, whatever else has happened meanwhile, and decides nothing", () => {
    for (const meanwhile of [[], [denied], [withdrawn], [givenBy("cy"), givenBy("di"), granted("cy", "di")]]) {
      const { state } = given(request, lookedAtBy("bo"), ...meanwhile);
      for (const event of [shown(), notShown()]) {
        const after = given(request, lookedAtBy("bo"), ...meanwhile)
          .when(outcome(event))
          .gives(event);
        assert.equal(after.value, state.value);
      }
    }
    given(request, lookedAtBy("bo"), shown()).when(outcome(notShown())).gives();
  });

  it("is of a preview that was asked for", () => {
    given(request, lookedAtBy("bo"))
      .when(outcome(shown("v2")))
      .isDefect();
  });
});
