import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { SallyportError } from "@sallyport/proto/errors";
import { scenario } from "../given.ts";
import * as approval from "./approval.decider.ts";
import type { ApprovalEvent } from "./approval.events.ts";
import { asked, consumed, denied, deniedBy, expired, expiresAt, givenBy, granted, permitted, revoked, withdrawn } from "./approval.samples.ts";

const given = scenario(approval, "2026-11-22T10:00:00.000Z");
const approve = (id: string, more: Partial<Extract<approval.ApprovalCommand, { type: "Approve" }>> = {}) =>
  ({ type: "Approve", by: { id, kind: "human" }, groups: [], comment: "", digest: undefined, decision: permitted, ...more }) as const;
const deny = (id: string) => ({ type: "Deny", by: { id, kind: "human" }, groups: [], comment: "", decision: permitted }) as const;
const consume = { type: "Consume", sessionId: "s1", commandId: 3, digest: "d1", policyVersion: "p1" } as const;

describe("asking for approval", () => {
  it("happens once; the same again changes nothing", () => {
    given()
      .when({ type: "Request", data: asked(1).data })
      .gives(asked(1));
    given(asked(1))
      .when({ type: "Request", data: asked(1).data })
      .gives();
    given(asked(1))
      .when({ type: "Request", data: { ...asked(1).data, sessionId: "s2" } })
      .isDefect();
  });

  it("needs somebody to agree, and time to do so", () => {
    given()
      .when({ type: "Request", data: asked(0).data })
      .isDefect();
    given()
      .when({ type: "Request", data: asked(1).data }, expiresAt)
      .fails("approval.expired");
  });
});

describe("approving", () => {
  it("by the only one needed grants at once", () => {
    given(asked(1))
      .when(approve("bo", { comment: "ok" }))
      .gives(givenBy("bo", "ok"), granted("bo"));
  });

  it("by the first of two does not, and by the second does", () => {
    given(asked(2)).when(approve("bo")).gives(givenBy("bo"));
    given(asked(2), givenBy("bo")).when(approve("cy")).gives(givenBy("cy"), granted("bo", "cy"));
  });

  it("twice by the same person counts once", () => {
    given(asked(2), givenBy("bo")).when(approve("bo")).gives();
  });

  it("is not for the requester, whoever the requester acts for, or a delegate of either", () => {
    given(asked(1)).when(approve("ana")).fails("approval.self");
    given(asked(1, "eve")).when(approve("eve")).fails("approval.self");
    given(asked(1))
      .when(approve("bo", { by: { id: "bo", kind: "human", onBehalfOf: "ana" } }))
      .fails("approval.self");
    given(asked(1)).when(deny("ana")).fails("approval.self");
  });

  it("is not for machines", () => {
    given(asked(1))
      .when(approve("ci", { by: { id: "ci", kind: "machine" } }))
      .fails("approval.machine");
    given(asked(1))
      .when({ ...deny("ci"), by: { id: "ci", kind: "machine" } })
      .fails("approval.machine");
  });

  it("is refused when what was shown is not what is held, or when the policy changed", () => {
    given(asked(1))
      .when(approve("bo", { digest: "d2" }))
      .fails("approval.drift");
    given(asked(1))
      .when(approve("bo", { decision: { ...permitted, policyVersion: "p2" } }))
      .fails("approval.drift");
    given(asked(1))
      .when(approve("bo", { digest: "d1" }))
      .gives(givenBy("bo"), granted("bo"));
  });

  it("is refused to whom policy does not let decide, after the approval's own rules", () => {
    for (const effect of ["deny", "needs_approval"] as const) {
      const decision = { ...permitted, effect };
      given(asked(1)).when(approve("bo", { decision })).fails("auth.forbidden");
      given(asked(1))
        .when({ ...deny("bo"), decision })
        .fails("auth.forbidden");
      given(asked(1)).when(approve("ana", { decision })).fails("approval.self");
      given(asked(1), denied).when(approve("bo", { decision })).fails("approval.already_decided");
    }
  });

  it("is too late at the deadline, even when nobody has recorded that yet", () => {
    given(asked(1)).when(approve("bo"), expiresAt).fails("approval.expired");
    given(asked(1)).when(deny("bo"), expiresAt).fails("approval.expired");
    given(asked(1), expired).when(approve("bo")).fails("approval.expired");
  });

  it("is refused once it is decided, and of what was never asked", () => {
    for (const decided of [[denied], [withdrawn], [givenBy("bo"), granted("bo")], [givenBy("bo"), granted("bo"), consumed]]) {
      given(asked(1), ...decided)
        .when(approve("cy"))
        .fails("approval.already_decided");
    }
    given().when(approve("bo")).fails("approval.not_found");
  });
});

describe("denying", () => {
  it("takes one person, whatever the quorum, also after others agreed", () => {
    given(asked(2), givenBy("bo")).when(deny("cy")).gives(deniedBy("cy"));
  });

  it("comes too late after it was granted", () => given(asked(1), givenBy("bo"), granted("bo")).when(deny("cy")).fails("approval.already_decided"));
});

describe("expiring", () => {
  it("happens at the deadline, to what is pending or granted, and once", () => {
    given(asked(1)).when({ type: "Expire" }).gives();
    given(asked(1)).when({ type: "Expire" }, expiresAt).gives(expired);
    given(asked(1), givenBy("bo"), granted("bo")).when({ type: "Expire" }, expiresAt).gives(expired);
    given(asked(1), denied).when({ type: "Expire" }, expiresAt).gives();
  });
});

describe("consuming", () => {
  const history = [asked(1), givenBy("bo"), granted("bo")] as const;

  it("happens once", () => {
    given(...history)
      .when(consume)
      .gives(consumed);
    given(...history, consumed)
      .when(consume)
      .fails("approval.already_decided");
  });

  it("is refused to any other command, session, text or policy", () => {
    for (const other of [{ commandId: 4 }, { sessionId: "s2" }, { digest: "d2" }, { policyVersion: "p2" }])
      given(...history)
        .when({ ...consume, ...other })
        .fails("approval.drift");
  });

  it("is refused after the deadline, after a withdrawal, and after a revocation", () => {
    given(...history)
      .when(consume, expiresAt)
      .fails("approval.expired");
    given(...history, withdrawn)
      .when(consume)
      .fails("approval.already_decided");
    given(...history, revoked)
      .when(consume)
      .fails("approval.already_decided");
    given(asked(1), denied).when(consume).fails("approval.already_decided");
  });

  it("of what nobody granted is a defect of the caller", () => given(asked(2), givenBy("bo")).when(consume).isDefect());
});

describe("withdrawing and revoking", () => {
  it("withdraws what is open, and changes nothing afterwards", () => {
    given(asked(1)).when({ type: "Withdraw", cause: "client_gone" }).gives(withdrawn);
    given(asked(1), denied).when({ type: "Withdraw", cause: "client_gone" }).gives();
  });

  it("revokes what is granted only", () => {
    given(asked(1), givenBy("bo"), granted("bo"))
      .when({ type: "Revoke", by: { id: "cy" }, reason: "no" })
      .gives(revoked);
    given(asked(1), givenBy("bo"), granted("bo"))
      .when({ type: "Revoke", by: { id: "cy" }, reason: " " })
      .fails("input.invalid");
    given(asked(1))
      .when({ type: "Revoke", by: { id: "cy" }, reason: "no" })
      .fails("approval.already_decided");
  });
});

describe("a quorum", () => {
  const person = fc.constantFrom("ana", "bo", "cy", "di", "ed", "ci");
  const click = fc.record({ who: person, says: fc.constantFrom("approve", "approve", "approve", "deny"), seesVersion: fc.nat(6) });

  it("counts distinct people other than the requester, under any interleaving of stale decisions (I5)", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(click, { maxLength: 14 }), (quorum, clicks) => {
        const log: ApprovalEvent[] = [asked(quorum)];
        for (const { who, says, seesVersion } of clicks) {
          // Each decides on what it saw; the ledger takes it only if nobody was faster, and then it decides again.
          for (const seen of [Math.max(1, log.length - seesVersion), log.length]) {
            const state = log.slice(0, seen).reduce(approval.evolve, approval.initialState);
            const by = { id: who, kind: who === "ci" ? "machine" : "human" } as const;
            try {
              const events = approval.decide(says === "deny" ? { ...deny(who), by } : approve(who, { by }), state, "2026-11-22T10:00:00.000Z");
              if (seen !== log.length) continue;
              log.push(...events);
            } catch (error) {
              assert.ok(error instanceof SallyportError);
            }
          }
        }
        const deniedAt = clicks.findIndex(({ who, says }) => says === "deny" && who !== "ana" && who !== "ci");
        const inTime = clicks.slice(0, deniedAt === -1 ? clicks.length : deniedAt);
        const people = new Set(inTime.filter(({ who, says }) => says === "approve" && who !== "ana" && who !== "ci").map(({ who }) => who));
        const grants = log.filter(({ type }) => type === "ApprovalGranted");
        assert.equal(grants.length, people.size >= quorum ? 1 : 0);
        for (const { data } of grants) assert.ok("approvers" in data && new Set(data.approvers).size === quorum);
        const final = log.reduce(approval.evolve, approval.initialState);
        assert.equal(final.matches("denied"), people.size < quorum && deniedAt !== -1);
      }),
    );
  });
});
