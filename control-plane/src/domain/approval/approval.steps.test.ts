import { describe, it } from "node:test";
import { scenario } from "../given.ts";
import * as approval from "./approval.decider.ts";
import type { ApprovalEvent } from "./approval.events.ts";
import { approvalId, asked, escalated, expiresAt, givenBy, granted, permitted } from "./approval.samples.ts";

const now = "2026-11-22T10:00:00.000Z";
const given = scenario(approval, now);
const steps = [
  { people: 1, groups: ["support"] },
  { people: 2, groups: ["dba", "security"] },
];
const request = asked(3, undefined, steps);
const told = (more: Partial<typeof request.data>): typeof request => ({ ...request, data: { ...request.data, ...more } });

const approve = (id: string, groups: readonly string[]) =>
  ({ type: "Approve", by: { id, kind: "human" }, groups, comment: "", digest: undefined, decision: permitted }) as const;
const deny = (id: string, groups: readonly string[], effect: "allow" | "deny" = "allow") =>
  ({ type: "Deny", by: { id, kind: "human" }, groups, comment: "", decision: { ...permitted, effect } }) as const;

const fromSupport = givenBy("bo", "", 0, ["support"]);

describe("an approval in steps", () => {
  it("counts each person for the step that waits, as a member of its groups, and is granted after the last", () => {
    given(request)
      .when(approve("bo", ["support", "staff"]))
      .gives(fromSupport);
    given(request, fromSupport)
      .when(approve("cy", ["dba", "security"]))
      .gives(givenBy("cy", "", 1, ["dba", "security"]));
    given(request, fromSupport, givenBy("cy", "", 1, ["dba"]))
      .when(approve("di", ["security"]))
      .gives(givenBy("di", "", 1, ["security"]), granted("bo", "cy", "di"));
  });

  it("does not count those whose turn is later, nor those of no group", () => {
    given(request)
      .when(approve("cy", ["dba"]))
      .fails("approval.step");
    given(request)
      .when(approve("ed", ["sales"]))
      .fails("approval.step");
    given(request, fromSupport)
      .when(approve("ed", ["support"]))
      .fails("approval.step");
  });

  it("counts nobody for two steps, whatever groups they are in", () => {
    given(request, givenBy("bo", "", 0, ["support"]))
      .when(approve("bo", ["support", "dba", "security"]))
      .gives();
    given(request, fromSupport, givenBy("cy", "", 1, ["dba"]))
      .when(approve("cy", ["security"]))
      .gives();
  });

  it("needs policy to let them decide, whatever groups they are in", () => {
    given(request)
      .when({ ...approve("bo", ["support"]), decision: { ...permitted, effect: "deny" } })
      .fails("auth.forbidden");
  });

  it("is for as many people as its quorum, or for nobody at all", () => {
    given()
      .when({ type: "Request", data: { ...request.data, quorum: 2 } })
      .isDefect();
  });

  it("leaves out of the count what the machine would not: another step, another group, a party", () => {
    for (const stray of [givenBy("cy", "", 1, ["dba"]), givenBy("ed", "", 0, ["sales"]), givenBy("ana", "", 0, ["support"])]) {
      given(request, stray)
        .when(approve("bo", ["support"]))
        .gives(fromSupport);
    }
  });
});

describe("denying an approval in steps", () => {
  const veto = told({ denyBy: ["security"] });
  const denied = (by: string, vetoOf?: string): ApprovalEvent => ({
    type: "ApprovalDenied",
    data: {
      approvalId,
      by,
      comment: "",
      decision: { policyVersion: "p1", rules: ["approvers"], reason: "they approve" },
      ...(vetoOf === undefined ? {} : { vetoOf }),
    },
  });

  it("is for whoever may decide, at any step", () => {
    given(veto)
      .when(deny("cy", ["dba"]))
      .gives(denied("cy"));
    given(veto, fromSupport).when(deny("ed", [])).gives(denied("ed"));
  });

  it("is for the groups that may refuse, though policy does not let them decide", () => {
    given(veto)
      .when(deny("sam", ["security"], "deny"))
      .gives(denied("sam", "security"));
    given(veto)
      .when(deny("sam", ["sales"], "deny"))
      .fails("auth.forbidden");
    given(veto)
      .when({ ...approve("sam", ["security"]), decision: { ...permitted, effect: "deny" } })
      .fails("auth.forbidden");
    given(veto)
      .when(deny("ana", ["security"], "deny"))
      .fails("approval.self");
  });
});

describe("an approval within hours", () => {
  // 2026-11-22 is a Sunday.
  const office = told({ approverHours: ["mon-fri 08-18 Europe/Berlin"], expiresAt: "2026-11-24T10:00:00.000Z" });

  it("counts within them and not outside, where it can still be denied", () => {
    given(office)
      .when(approve("bo", ["support"]))
      .fails("approval.hours");
    given(office)
      .when(approve("bo", ["support"]), "2026-11-23T07:00:00.000Z")
      .gives(fromSupport);
    given(office)
      .when(deny("bo", ["support"]))
      .gives({
        type: "ApprovalDenied",
        data: { approvalId, by: "bo", comment: "", decision: { policyVersion: "p1", rules: ["approvers"], reason: "they approve" } },
      });
  });
});

describe("escalating", () => {
  const at = "2026-11-22T10:05:00.000Z";
  const later = told({ escalation: { to: "managers", at } });

  it("happens once, at its time, while somebody is waited for", () => {
    given(later).when({ type: "Escalate" }).gives();
    given(later).when({ type: "Escalate" }, at).gives(escalated("managers"));
    given(later, escalated("managers")).when({ type: "Escalate" }, at).gives();
    given(later, { type: "ApprovalExpired", data: { approvalId, expiresAt } }).when({ type: "Escalate" }, at).gives();
    given(request).when({ type: "Escalate" }, at).gives();
  });

  it("lets one more group count for every step that names groups, from then on", () => {
    given(later)
      .when(approve("meg", ["managers"]))
      .fails("approval.step");
    given(later, escalated("managers"))
      .when(approve("meg", ["managers"]), at)
      .gives(givenBy("meg", "", 0, ["managers"]));
    given(later, escalated("managers"), givenBy("meg", "", 0, ["managers"]))
      .when(approve("max", ["managers"]), at)
      .gives(givenBy("max", "", 1, ["managers"]));
  });

  it("does not wait for whoever records it: the clock decides", () => {
    given(later)
      .when(approve("meg", ["managers"]), at)
      .gives(escalated("managers"), givenBy("meg", "", 0, ["managers"]));
  });
});
