import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { getShortestPaths, getSimplePaths } from "xstate/graph";
import { plainTerms, type RuleTerms } from "../approval/terms.ts";
import { type Decision, noObligations } from "../decision.ts";
import { scenario } from "../given.ts";
import * as grant from "./grant.decider.ts";
import type { GrantEvent } from "./grant.events.ts";
import { grantMachine } from "./grant.machine.ts";

const now = "2026-11-22T10:00:00.000Z";
const later = "2026-11-22T12:00:00.000Z";
const expiresAt = "2026-11-23T10:00:00.000Z";
const endsAt = "2026-11-22T12:30:00.000Z";

const recorded = { policyVersion: "p1", rules: ["r1"], reason: "because" };
const allow: Decision = { effect: "allow", ...recorded, obligations: noObligations, quorum: 0 };
const forbid: Decision = { ...allow, effect: "deny" };
const needs = (quorum: number, maxDurationSeconds?: number): Decision => ({
  ...allow,
  effect: "needs_approval",
  quorum,
  ...(maxDurationSeconds === undefined ? {} : { maxDurationSeconds }),
});

const plain = (quorum: number) => ({ steps: quorum === 0 ? [] : [{ people: quorum, groups: [] }], denyBy: [], approverHours: [] });
const data = { grantId: "g1", requestedBy: "ana", onBehalfOf: "eve", resource: "orders", durationSeconds: 1_800, reason: "stuck", ticket: "OPS-7", expiresAt };
const asked = (quorum = 1): GrantEvent => ({ type: "AccessRequested", data: { ...data, ...plain(quorum), decision: recorded, quorum } });
const approvedData = (by: string) => ({ grantId: "g1", by, comment: "", decision: recorded, step: 0, groups: [] });
const approved = (by: string): GrantEvent => ({ type: "AccessApproved", data: approvedData(by) });
const denied = (by = "bo"): GrantEvent => ({ type: "AccessDenied", data: { grantId: "g1", by, comment: "no", decision: recorded } });
const granted = (startsAt: string, ends: string, ...approvers: string[]): GrantEvent => ({
  type: "AccessGranted",
  data: { grantId: "g1", requestedBy: "ana", resource: "orders", approvers, startsAt, endsAt: ends },
});
const withdrawn = (by = "ana"): GrantEvent => ({ type: "AccessRequestWithdrawn", data: { grantId: "g1", by } });
const lapsed: GrantEvent = { type: "AccessRequestExpired", data: { grantId: "g1", expiresAt } };
const used: GrantEvent = { type: "GrantUsed", data: { grantId: "g1", sessionId: "s1" } };
const ended: GrantEvent = { type: "GrantExpired", data: { grantId: "g1", endsAt } };
const revoked: GrantEvent = { type: "GrantRevoked", data: { grantId: "g1", by: "bo", reason: "over" } };
const open = [asked(), approved("bo"), granted(later, endsAt, "bo")];

const given = scenario(grant, now);
const request = (more: Partial<typeof data> = {}, decision = needs(1)): grant.GrantCommand => ({
  type: "Request",
  data: { ...data, ...plain(decision.quorum), ...more },
  decision,
});
const approve = (id: string, more: Partial<Extract<grant.GrantCommand, { type: "Approve" }>> = {}): grant.GrantCommand => ({
  type: "Approve",
  by: { id, kind: "human" },
  groups: [],
  comment: "",
  decision: allow,
  askedNow: needs(1),
  ...more,
});
const deny = (id: string, decision = allow): grant.GrantCommand => ({ type: "Deny", by: { id, kind: "human" }, groups: [], comment: "no", decision });
const use = (by = "ana", resource = "orders"): grant.GrantCommand => ({ type: "Use", sessionId: "s1", by, resource });
const revoke: grant.GrantCommand = { type: "Revoke", by: { id: "bo" }, reason: "over" };
const expire: grant.GrantCommand = { type: "Expire" };
const withdraw = (by: string): grant.GrantCommand => ({ type: "Withdraw", by });

describe("asking for access", () => {
  it("is recorded with what policy said, and waits for as many as policy asks for", () => {
    given().when(request()).gives(asked());
    given(asked()).when(request()).gives();
  });

  it("gives access at once where policy asks for nobody", () => {
    given().when(request({}, allow)).gives(asked(0), granted(now, "2026-11-22T10:30:00.000Z"));
  });

  it("is refused by policy, without a reason, and for longer than policy gives", () => {
    given().when(request({}, forbid)).fails("policy.denied");
    given()
      .when(request({ reason: " " }))
      .fails("input.invalid");
    given()
      .when(request({ ticket: "x".repeat(grant.MAX_TICKET_LENGTH + 1) }))
      .fails("input.invalid");
    given()
      .when(request({ durationSeconds: 3_601 }, needs(1, 3_600)))
      .fails("input.invalid");
    given()
      .when(request({ durationSeconds: grant.DEFAULT_MAX_DURATION_SECONDS + 1 }))
      .fails("input.invalid");
    for (const durationSeconds of [0, -1, 1.5, Number.NaN]) given().when(request({ durationSeconds })).fails("input.invalid");
    given()
      .when(request({ durationSeconds: 28_800 }, needs(1, 28_800)))
      .gives({ type: "AccessRequested", data: { ...data, ...plain(1), durationSeconds: 28_800, decision: recorded, quorum: 1 } });
  });
});

describe("deciding on a request for access", () => {
  it("starts the clock when it is granted, not when it was asked for", () => {
    given(asked())
      .when(approve("bo"), later)
      .gives(approved("bo"), granted(later, endsAt, "bo"));
  });

  it("counts nobody twice, neither the requester nor whom they act for, and no machine", () => {
    given(asked(2), approved("bo"))
      .when(approve("bo", { askedNow: needs(2) }))
      .gives();
    given(asked(2), approved("bo"))
      .when(approve("cy", { askedNow: needs(2) }), later)
      .gives(approved("cy"), granted(later, endsAt, "bo", "cy"));
    for (const by of ["ana", "eve"]) {
      given(asked()).when(approve(by)).fails("approval.self");
      given(asked()).when(deny(by)).fails("approval.self");
    }
    given(asked())
      .when(approve("delegate", { by: { id: "delegate", kind: "human", onBehalfOf: "ana" } }))
      .fails("approval.self");
    given(asked())
      .when(approve("ci", { by: { id: "ci", kind: "machine" } }))
      .fails("approval.machine");
  });

  it("is for those whom policy lets decide", () => {
    given(asked())
      .when(approve("bo", { decision: forbid }))
      .fails("auth.forbidden");
    given(asked()).when(deny("bo", forbid)).fails("auth.forbidden");
  });

  it("is of no use when policy has become stricter since, and goes on when it only changed", () => {
    for (const askedNow of [forbid, needs(2), needs(1, 60)]) given(asked()).when(approve("bo", { askedNow })).fails("approval.drift");
    given(asked())
      .when(approve("bo", { askedNow: { ...needs(1, 86_400), policyVersion: "p2" } }), later)
      .gives(approved("bo"), granted(later, endsAt, "bo"));
  });

  it("is of no use when policy has others agree, refuse or stand in by now, or at other hours", () => {
    const steps = [{ people: 1, groups: ["dba"] }];
    const terms = { ...plainTerms, steps, escalation: { to: "ops", afterSeconds: 60 } };
    const waiting: GrantEvent = {
      type: "AccessRequested",
      data: { ...data, ...plain(1), steps, escalation: { to: "ops", at: later }, decision: recorded, quorum: 1 },
    };
    const byDba = (change: Partial<RuleTerms>): grant.GrantCommand =>
      approve("bo", { groups: ["dba"], askedNow: { ...needs(1), terms: { ...terms, ...change } } });
    given(waiting)
      .when(byDba({}), now)
      .gives({ type: "AccessApproved", data: { ...approvedData("bo"), groups: ["dba"] } }, granted(now, "2026-11-22T10:30:00.000Z", "bo"));
    for (const stricter of [
      { steps: [{ people: 1, groups: ["security"] }] },
      { denyBy: ["security"] },
      { approverHours: ["mon-fri 09:00-17:00 UTC"] },
      { escalation: undefined },
      { escalation: { to: "security", afterSeconds: 60 } },
    ])
      given(waiting).when(byDba(stricter)).fails("approval.drift");
  });

  it("ends with one no, with its time, and when the requester thinks better of it", () => {
    given(asked(2), approved("bo")).when(deny("cy")).gives(denied("cy"));
    given(asked()).when(withdraw("ana")).gives(withdrawn());
    given(asked()).when(withdraw("bo")).fails("auth.forbidden");
    given(asked()).when(approve("bo"), expiresAt).fails("approval.expired");
    given(asked()).when(expire).gives();
    given(asked()).when(expire, expiresAt).gives(lapsed);
    given(asked(), lapsed).when(approve("bo")).fails("approval.expired");
    for (const settled of [denied(), withdrawn()]) given(asked(), settled).when(approve("bo")).fails("approval.already_decided");
    given(...open)
      .when(deny("cy"), later)
      .fails("approval.already_decided");
    given().when(approve("bo")).fails("approval.not_found");
  });
});

describe("access that was granted", () => {
  it("is used by whoever asked, on that resource, as often as they like", () => {
    given(...open)
      .when(use(), later)
      .gives(used);
    given(...open, used)
      .when(use(), later)
      .gives(used);
    given(...open)
      .when(use("bo"), later)
      .fails("auth.forbidden");
    given(...open)
      .when(use("ana", "payroll"), later)
      .fails("auth.forbidden");
    given(asked()).when(use()).fails("approval.already_decided");
  });

  it("is over at its end, even when nobody has recorded that yet", () => {
    given(...open)
      .when(use(), endsAt)
      .fails("grant.expired");
    given(...open)
      .when(revoke, endsAt)
      .fails("grant.expired");
    given(...open)
      .when(expire, "2026-11-22T12:29:59.999Z")
      .gives();
    given(...open)
      .when(expire, endsAt)
      .gives(ended);
    given(...open, ended)
      .when(expire, endsAt)
      .gives();
  });

  it("is over when it is revoked", () => {
    given(...open)
      .when(revoke, later)
      .gives(revoked);
    given(...open, revoked)
      .when(use(), later)
      .fails("grant.revoked");
    given(...open, revoked)
      .when(revoke, later)
      .fails("grant.revoked");
  });

  it("comes of as many distinct people as policy asks for, whatever their order", () => {
    const people = fc.array(fc.constantFrom("ana", "eve", "bo", "cy", "di", "fe"), { maxLength: 10 });
    fc.assert(
      fc.property(people, fc.integer({ min: 1, max: 3 }), (approvers, quorum) => {
        let state = grant.evolve(grant.initialState, asked(quorum));
        for (const by of approvers) {
          try {
            state = grant.decide(approve(by, { askedNow: needs(quorum) }), state, later).reduce(grant.evolve, state);
          } catch {
            continue;
          }
        }
        const distinct = new Set(approvers.filter((by) => by !== "ana" && by !== "eve"));
        assert.equal(state.matches("open"), distinct.size >= quorum);
        assert.ok(state.context.approvers.length <= quorum);
        if (state.context.grant !== undefined) assert.equal(state.context.grant.endsAt, endsAt);
      }),
    );
  });
});

describe("the grant machine", () => {
  const tooLong = granted(later, "2026-11-22T12:30:00.001Z", "bo", "cy");
  const toAnother: GrantEvent = { ...tooLong, data: { ...granted(later, endsAt, "bo").data, requestedBy: "bo" } } as GrantEvent;
  const events = [
    asked(2),
    ...["ana", "eve", "bo", "cy"].map(approved),
    granted(later, endsAt, "bo", "cy"),
    tooLong,
    toAnother,
    denied(),
    denied("ana"),
    withdrawn(),
    withdrawn("bo"),
    lapsed,
    used,
    ended,
    revoked,
  ];
  const serializeState = ({ value, context }: grant.GrantState): string => `${value} ${context.approvers.join()} ${context.grant?.endsAt ?? ""}`;
  const traversal = { events, limit: 10_000, serializeState };

  it("reaches every state, and opens only what two others agreed to, for whoever asked and no longer", () => {
    const reached = getShortestPaths(grantMachine, traversal).map(({ state }) => state.value);
    assert.deepEqual(new Set(reached), new Set(Object.keys(grantMachine.states)));
    for (const { state, steps } of getSimplePaths(grantMachine, traversal)) {
      const passed = new Set([...steps.map(({ state: at }) => at.value), state.value]);
      if (passed.has("expired") || passed.has("revoked")) assert.ok(passed.has("open"));
      if (!passed.has("open")) continue;
      assert.deepEqual(state.context.approvers.toSorted(), ["bo", "cy"]);
      assert.deepEqual([state.context.grant?.requestedBy, state.context.grant?.endsAt], ["ana", endsAt]);
    }
  });

  it("takes no event after a final state", () => {
    for (const { state } of getShortestPaths(grantMachine, traversal)) {
      if (["absent", "pending", "open"].includes(state.value)) continue;
      for (const event of events) assert.equal(state.can(event), false);
    }
  });
});
