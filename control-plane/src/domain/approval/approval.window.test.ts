import { describe, it } from "node:test";
import { scenario } from "../given.ts";
import * as approval from "./approval.decider.ts";
import type { ApprovalEvent } from "./approval.events.ts";
import { approvalId, asked, expiresAt, givenBy, granted, permitted, revoked } from "./approval.samples.ts";

const given = scenario(approval, "2026-11-22T10:00:00.000Z");
const until = "2026-11-22T10:15:00.000Z";
const approve = (id: string, forSeconds?: number) =>
  ({ type: "Approve", by: { id, kind: "human" }, groups: [], comment: "", digest: undefined, decision: permitted, forSeconds }) as const;
const forAWhile = (by: string, forSeconds: number): ApprovalEvent => {
  const said = givenBy(by);
  return { ...said, data: { ...said.data, forSeconds } } as ApprovalEvent;
};
const sessionWide = (by: string, forSeconds: number): ApprovalEvent => {
  const said = forAWhile(by, forSeconds);
  return { ...said, data: { ...said.data, scope: "session" } } as ApprovalEvent;
};
const open = (end: string, ...approvers: string[]): ApprovalEvent => ({ type: "ApprovalGranted", data: { approvalId, approvers, until: end } });
const used = (sessionId: string, commandId: number): ApprovalEvent => ({ type: "ApprovalUsed", data: { approvalId, sessionId, commandId, digest: "d1" } });
const { facts } = asked(1).data.command;
const use = { type: "Use", sessionId: "s2", commandId: 7, digest: "d1", policyVersion: "p1", requestedBy: "ana", facts, rules: ["r1"] } as const;
const consume = { type: "Consume", sessionId: "s1", commandId: 3, digest: "d1", policyVersion: "p1" } as const;

describe("an approval for a while", () => {
  it("starts when it is granted and lasts as long as the shortest that anybody agreed to", () => {
    given(asked(1)).when(approve("bo", 900)).gives(forAWhile("bo", 900), open(until, "bo"));
    given(asked(2), forAWhile("bo", 3_600))
      .when(approve("cy", 900))
      .gives(forAWhile("cy", 900), open(until, "bo", "cy"));
  });

  it("is for one execution as soon as one of them agreed to that alone", () => {
    given(asked(2), forAWhile("bo", 900)).when(approve("cy")).gives(givenBy("cy"), granted("bo", "cy"));
  });

  it("is bounded", () => {
    for (const seconds of [0, -1, 1.5, approval.MAX_WINDOW_SECONDS + 1]) given(asked(1)).when(approve("bo", seconds)).fails("input.invalid");
  });

  const history = [asked(1), forAWhile("bo", 900), open(until, "bo")] as const;

  it("is used as often as its requester likes, in any session, and by what was held first", () => {
    given(...history)
      .when(consume)
      .gives(used("s1", 3));
    given(...history, used("s1", 3))
      .when(use, expiresAt)
      .gives(used("s2", 7));
    given(...history, used("s1", 3), used("s2", 7))
      .when({ ...use, commandId: 8 })
      .gives(used("s2", 8));
  });

  it("is for the same person, text, facts and policy alone", () => {
    for (const other of [
      { requestedBy: "eve" },
      { digest: "d2" },
      { policyVersion: "p2" },
      { rules: ["r2"] },
      { facts: { ...facts, relationsWritten: ["other.orders"] } },
    ])
      given(...history)
        .when({ ...use, ...other })
        .fails("approval.drift");
  });

  it("ends on time, and when it is taken back", () => {
    given(...history)
      .when(use, until)
      .fails("approval.expired");
    given(...history, revoked)
      .when(use)
      .fails("approval.expired");
    given(...history)
      .when({ type: "Expire" }, expiresAt)
      .gives();
    given(...history)
      .when({ type: "Expire" }, until)
      .gives({ type: "ApprovalExpired", data: { approvalId, expiresAt: until } });
  });

  it("is no use of what was granted once", () => {
    given(asked(1), givenBy("bo"), granted("bo")).when(use).fails("approval.expired");
    given(asked(1), givenBy("bo"), granted("bo"), used("s2", 7)).when(use).fails("approval.expired");
  });
});

describe("an approval for a session", () => {
  const history = [asked(2), sessionWide("bo", 3_600), sessionWide("cy", 900)] as const;
  const openFor = (end: string, ...approvers: string[]): ApprovalEvent => ({
    type: "ApprovalGranted",
    data: { approvalId, approvers, until: end, scope: "session" },
  });

  it("is what all of them agreed to, for the shortest time; otherwise it is for the same command", () => {
    given(...history.slice(0, 2))
      .when({ ...approve("cy", 900), scope: "session" })
      .gives(sessionWide("cy", 900), openFor(until, "bo", "cy"));
    given(...history.slice(0, 2))
      .when(approve("cy", 900))
      .gives(forAWhile("cy", 900), open(until, "bo", "cy"));
    given(...history.slice(0, 2))
      .when(approve("cy"))
      .gives(givenBy("cy"), granted("bo", "cy"));
  });

  it("needs a time, and a command of which facts tell enough", () => {
    given(asked(1))
      .when({ ...approve("bo"), scope: "session" })
      .fails("input.invalid");
    const opaque = asked(1);
    for (const told of [{ riskClass: "unclassified" }, { riskClass: "administrative" }, { hazards: ["ddl"] }] as const) {
      const command = { ...opaque.data.command, facts: { ...facts, ...told } };
      given({ ...opaque, data: { ...opaque.data, command } })
        .when({ ...approve("bo", 900), scope: "session" })
        .fails("input.invalid");
    }
  });

  it("is used by what does no more, in the session that asked alone", () => {
    const granting = [...history, openFor(until, "bo", "cy")];
    const inSession = { ...use, sessionId: "s1", digest: "d7" };
    given(...granting)
      .when(inSession)
      .gives({ type: "ApprovalUsed", data: { approvalId, sessionId: "s1", commandId: 7, digest: "d7" } });
    for (const other of [
      { sessionId: "s2" },
      { requestedBy: "eve" },
      { policyVersion: "p2" },
      { rules: ["r2"] },
      { facts: { ...facts, relationsWritten: ["orders", "payments"] } },
    ])
      given(...granting)
        .when({ ...inSession, ...other })
        .fails("approval.drift");
    given(...granting)
      .when(inSession, until)
      .fails("approval.expired");
  });
});
