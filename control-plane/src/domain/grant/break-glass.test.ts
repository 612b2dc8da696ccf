import { describe, it } from "node:test";
import { type Decision, noObligations } from "../decision.ts";
import { scenario } from "../given.ts";
import { ESCALATE_EVERY_SECONDS, MAX_ESCALATIONS } from "./break-glass.ts";
import * as grant from "./grant.decider.ts";
import type { GrantEvent, ReviewVerdict } from "./grant.events.ts";

const now = "2026-11-22T10:00:00.000Z";
const endsAt = "2026-11-22T10:30:00.000Z";
const reviewBy = "2026-11-22T11:30:00.000Z";
const after = (seconds: number, from = reviewBy): string => new Date(Date.parse(from) + seconds * 1_000).toISOString();

const recorded = { policyVersion: "p1", rules: ["r1"], reason: "because", notify: ["security"] };
const allow: Decision = { effect: "allow", ...recorded, obligations: noObligations, quorum: 0, maxDurationSeconds: 1_800, reviewWithinSeconds: 3_600 };
const data = {
  grantId: "g1",
  requestedBy: "ana",
  onBehalfOf: "eve",
  resource: "orders",
  durationSeconds: 1_800,
  reason: "on fire",
  ticket: "",
  expiresAt: "2026-11-23T10:00:00.000Z",
  emergency: true,
  steps: [],
  denyBy: [],
  approverHours: [],
} as const;

const asked: GrantEvent = { type: "AccessRequested", data: { ...data, decision: recorded, quorum: 0 } };
const granted: GrantEvent = { type: "AccessGranted", data: { grantId: "g1", requestedBy: "ana", resource: "orders", approvers: [], startsAt: now, endsAt } };
const broken: GrantEvent = {
  type: "BreakGlassOpened",
  data: { grantId: "g1", requestedBy: "ana", resource: "orders", endsAt, reviewBy, notify: ["security"] },
};
const ended: GrantEvent = { type: "GrantExpired", data: { grantId: "g1", endsAt } };
const revoked: GrantEvent = { type: "GrantRevoked", data: { grantId: "g1", by: "bo", reason: "enough" } };
const reviewed = (verdict: ReviewVerdict = "justified"): GrantEvent => ({
  type: "BreakGlassReviewed",
  data: { grantId: "g1", by: "bo", verdict, comment: "it was", decision: recorded },
});
const overdue = (escalation: number, nextAt?: string): GrantEvent => ({
  type: "BreakGlassReviewOverdue",
  data: { grantId: "g1", reviewBy, escalation, ...(nextAt === undefined ? {} : { nextAt }), notify: ["security"] },
});
const open = [asked, granted, broken];

const given = scenario(grant, now);
const request = (decision = allow): grant.GrantCommand => ({ type: "Request", data, decision });
const review = (id: string, more: Partial<Extract<grant.GrantCommand, { type: "Review" }>> = {}): grant.GrantCommand => ({
  type: "Review",
  by: { id, kind: "human" },
  verdict: "justified",
  comment: "it was",
  decision: allow,
  ...more,
});
const expire: grant.GrantCommand = { type: "Expire" };

describe("breaking the glass", () => {
  it("gives access at once, with the time by which somebody else must have reviewed it", () => {
    given()
      .when(request())
      .gives(...open);
    given(...open)
      .when(request())
      .gives();
  });

  it("is for whom policy lets, for as long as policy lets, and with a reason", () => {
    given()
      .when(request({ ...allow, effect: "deny" }))
      .fails("policy.denied");
    given()
      .when({ type: "Request", data: { ...data, durationSeconds: 1_801 }, decision: allow })
      .fails("input.invalid");
    given()
      .when({ type: "Request", data: { ...data, reason: " " }, decision: allow })
      .fails("input.invalid");
  });

  it("is used, ends and is revoked like other access", () => {
    given(...open)
      .when({ type: "Use", sessionId: "s1", by: "ana", resource: "orders" })
      .gives({ type: "GrantUsed", data: { grantId: "g1", sessionId: "s1" } });
    given(...open)
      .when(expire, endsAt)
      .gives(ended);
    given(...open)
      .when({ type: "Revoke", by: { id: "bo" }, reason: "enough" })
      .gives(revoked);
  });
});

describe("the review of break-glass", () => {
  it("is by somebody else whom policy lets decide: neither whoever opened it, nor whom they act for, nor a machine", () => {
    for (const over of [ended, revoked])
      given(...open, over)
        .when(review("bo"), endsAt)
        .gives(reviewed());
    for (const by of ["ana", "eve"])
      given(...open, ended)
        .when(review(by), endsAt)
        .fails("approval.self");
    given(...open, ended)
      .when(review("delegate", { by: { id: "delegate", kind: "human", onBehalfOf: "ana" } }), endsAt)
      .fails("approval.self");
    given(...open, ended)
      .when(review("ci", { by: { id: "ci", kind: "machine" } }), endsAt)
      .fails("approval.machine");
    given(...open, ended)
      .when(review("bo", { decision: { ...allow, effect: "deny" } }), endsAt)
      .fails("auth.forbidden");
  });

  it("comes after the end, which it records when nobody has, and says something", () => {
    given(...open)
      .when(review("bo"))
      .fails("input.invalid");
    given(...open)
      .when(review("bo"), endsAt)
      .gives(ended, reviewed());
    given(...open, ended)
      .when(review("bo", { comment: " " }), endsAt)
      .fails("input.invalid");
  });

  it("is made once, also when it is late, and is for break-glass alone", () => {
    given(...open, ended, reviewed("misused"))
      .when(review("cy"), endsAt)
      .fails("approval.already_decided");
    given(...open, ended, overdue(1, after(ESCALATE_EVERY_SECONDS)))
      .when(review("bo", { verdict: "misused" }), after(60))
      .gives(reviewed("misused"));
    const { emergency: _, ...ordinary } = data;
    given({ type: "AccessRequested", data: { ...ordinary, decision: recorded, quorum: 0 } }, granted, ended)
      .when(review("bo"), endsAt)
      .fails("approval.not_found");
  });

  it("is said to be overdue at its time and again each day, for a week at most, until it is made", () => {
    given(...open, ended)
      .when(expire, after(-1))
      .gives();
    given(...open, ended)
      .when(expire, reviewBy)
      .gives(overdue(1, after(ESCALATE_EVERY_SECONDS)));
    const first = [...open, revoked, overdue(1, after(ESCALATE_EVERY_SECONDS))];
    given(...first)
      .when(expire, after(ESCALATE_EVERY_SECONDS - 1))
      .gives();
    // After a long outage once, not as often as it was missed.
    given(...first)
      .when(expire, after(5 * ESCALATE_EVERY_SECONDS))
      .gives(overdue(2, after(6 * ESCALATE_EVERY_SECONDS)));
    given(...first, reviewed())
      .when(expire, after(ESCALATE_EVERY_SECONDS))
      .gives();
    const said: GrantEvent[] = [...open, ended];
    for (let day = 0; day < MAX_ESCALATIONS + 3; day++) {
      const state = said.reduce(grant.evolve, grant.initialState);
      said.push(...grant.decide(expire, state, after(day * ESCALATE_EVERY_SECONDS)));
    }
    given(...said)
      .when(expire, after(100 * ESCALATE_EVERY_SECONDS))
      .gives();
    const times = said.filter(({ type }) => type === "BreakGlassReviewOverdue").length;
    if (times !== MAX_ESCALATIONS) throw new Error(`said ${times} times`);
  });
});
