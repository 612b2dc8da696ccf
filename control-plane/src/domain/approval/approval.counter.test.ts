import { describe, it } from "node:test";
import { scenario } from "../given.ts";
import * as approval from "./approval.decider.ts";
import { acceptedBy, asked, denied, expiresAt, givenBy, granted, permitted, proposedBy } from "./approval.samples.ts";

const given = scenario(approval, "2026-11-22T10:00:00.000Z");
const request = asked(2);
const proposed = { statement: "drop table old_orders", digest: "d2", facts: request.data.command.facts };
const propose = (id: string, more: Partial<Extract<approval.ApprovalCommand, { type: "Propose" }>> = {}) =>
  ({
    type: "Propose",
    by: { id, kind: "human" },
    groups: [],
    comment: "",
    digest: undefined,
    decision: permitted,
    onProposed: permitted,
    proposed,
    ...more,
  }) as const;
const accept = (by: string, digest = "d2") => ({ type: "Accept", by, digest }) as const;
const refusing = { ...permitted, effect: "deny" } as const;

describe("proposing another text", () => {
  it("is recorded, as often as somebody has another idea, and counts for nothing yet", () => {
    given(request).when(propose("bo")).gives(proposedBy("bo"));
    given(request, proposedBy("bo")).when(propose("cy")).gives(proposedBy("cy"));
    given(request, proposedBy("bo"))
      .when({ ...propose("bo"), type: "Approve" })
      .gives(givenBy("bo"));
  });

  it("is for other people alone, who may decide on what is held and on what they propose", () => {
    given(request).when(propose("ana")).fails("approval.self");
    given(request)
      .when(propose("ci", { by: { id: "ci", kind: "machine" } }))
      .fails("approval.machine");
    given(request)
      .when(propose("bo", { decision: refusing }))
      .fails("auth.forbidden");
    given(request)
      .when(propose("bo", { onProposed: refusing }))
      .fails("auth.forbidden");
  });

  it("needs another text, one that fits, for what was shown, under the policy that held it", () => {
    for (const statement of ["", "  ", "a\0b", "\ud800", "x".repeat(approval.MAX_PROPOSED_LENGTH + 1)])
      given(request)
        .when(propose("bo", { proposed: { ...proposed, statement } }))
        .fails("input.invalid");
    given(request)
      .when(propose("bo", { proposed: { ...proposed, digest: "d1" } }))
      .fails("input.invalid");
    given(request)
      .when(propose("bo", { digest: "d9" }))
      .fails("approval.drift");
    given(request)
      .when(propose("bo", { decision: { ...permitted, policyVersion: "p2" } }))
      .fails("approval.drift");
  });

  it("is for a plain query alone", () => {
    const extended = { ...request, data: { ...request.data, command: { ...request.data.command, via: "execute" as const } } };
    given(extended).when(propose("bo")).fails("feature.unsupported");
  });

  it("comes too late once it is decided, or its time is up", () => {
    given(request, denied).when(propose("bo")).fails("approval.already_decided");
    given(request).when(propose("bo"), expiresAt).fails("approval.expired");
  });
});

describe("taking what was proposed", () => {
  it("ends the approval: what was held never runs by it", () => {
    given(request, proposedBy("bo")).when(accept("ana")).gives(acceptedBy("ana"));
    given(request, proposedBy("bo"), acceptedBy("ana"))
      .when({ ...propose("cy"), type: "Approve" })
      .fails("approval.already_decided");
    given(request, proposedBy("bo"), acceptedBy("ana"))
      .when({ type: "Consume", sessionId: "s1", commandId: 3, digest: "d1", policyVersion: "p1" })
      .fails("approval.already_decided");
  });

  it("is for whoever asked, in the words that were proposed last", () => {
    given(request, proposedBy("bo")).when(accept("bo")).fails("auth.forbidden");
    given(request, proposedBy("bo"), proposedBy("cy", "d3")).when(accept("ana")).fails("approval.drift");
    given(request).when(accept("ana")).fails("input.invalid");
  });

  it("comes too late once it is granted or its time is up", () => {
    given(request, proposedBy("bo"), givenBy("cy"), givenBy("di"), granted("cy", "di")).when(accept("ana")).fails("approval.already_decided");
    given(request, proposedBy("bo")).when(accept("ana"), expiresAt).fails("approval.expired");
  });
});
