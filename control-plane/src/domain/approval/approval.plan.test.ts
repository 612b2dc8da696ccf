import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { scenario } from "../given.ts";
import * as approval from "./approval.decider.ts";
import type { ApprovalEvent } from "./approval.events.ts";
import { approvalId, asked, givenBy, permitted } from "./approval.samples.ts";
import { mergedFacts } from "./plan.ts";

const given = scenario(approval, "2026-11-22T10:00:00.000Z");
const { facts } = asked(1).data.command;
const commands = ["p1", "p2", "p3"].map((digest) => ({ statement: `drop table ${digest}`, digest, facts, rules: ["r1"] }));
const plain = asked(1);
const request = { ...plain, data: { ...plain.data, sessionId: "", plan: { commands, forSeconds: 600, reason: "they go" } } };
const until = "2026-11-22T10:10:00.000Z";
const history: readonly ApprovalEvent[] = [request, givenBy("bo"), { type: "ApprovalGranted", data: { approvalId, approvers: ["bo"], until } }];
const used = (digest: string, commandId = 7): ApprovalEvent => ({ type: "ApprovalUsed", data: { approvalId, sessionId: "s2", commandId, digest } });
const use = (digest: string, more: object = {}) =>
  ({ type: "Use", sessionId: "s2", commandId: 7, digest, policyVersion: "p1", requestedBy: "ana", facts, rules: ["r1"], ...more }) as const;
const approve = { type: "Approve", by: { id: "bo", kind: "human" }, groups: [], comment: "", digest: undefined, decision: permitted } as const;

describe("a plan", () => {
  it("says what it is for", () => {
    const data = { ...request.data, plan: { ...request.data.plan, reason: "" } };
    given().when({ type: "Request", data }).fails("input.invalid");
  });

  it("is granted for as long as it says, from when it is granted", () => {
    given(request)
      .when(approve)
      .gives(...history.slice(1));
    given(request)
      .when({ ...approve, forSeconds: 900 })
      .fails("input.invalid");
  });

  it("is used in its order, each command once, and is then used up", () => {
    given(...history)
      .when(use("p1"))
      .gives(used("p1"));
    given(...history, used("p1"))
      .when(use("p2"))
      .gives(used("p2"));
    const done = given(...history, used("p1"), used("p2"))
      .when(use("p3"))
      .gives(used("p3"));
    assert.equal(done.value, "consumed");
    given(...history, used("p1"), used("p2"), used("p3"))
      .when(use("p1"))
      .fails("approval.expired");
  });

  it("does not let a command run before its turn, twice, or changed", () => {
    given(...history)
      .when(use("p2"))
      .fails("approval.drift");
    given(...history, used("p1"))
      .when(use("p1"))
      .fails("approval.drift");
    for (const other of [{ requestedBy: "eve" }, { policyVersion: "p2" }, { rules: ["r2"] }, { facts: { ...facts, hazards: [] } }])
      given(...history)
        .when(use("p1", other))
        .fails("approval.drift");
  });

  it("ends on time, and is of no use to the command of another approval", () => {
    given(...history)
      .when(use("p1"), until)
      .fails("approval.expired");
    given(...history)
      .when({ type: "Consume", sessionId: "", commandId: 1, digest: "d1", policyVersion: "p1" })
      .fails("approval.drift");
  });

  it("is not answered with another text", () => {
    const proposed = { statement: "select 1", digest: "d9", facts };
    given(request)
      .when({ ...approve, type: "Propose", proposed, onProposed: permitted })
      .fails("feature.unsupported");
  });

  it("leaves out what the machine would not: whatever is appended, its commands run in order, each once", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("p1", "p2", "p3", "d1"), { maxLength: 12 }), (digests) => {
        let state = history.reduce(approval.evolve, approval.initialState);
        const ran: string[] = [];
        for (const digest of digests) {
          const next = approval.evolve(state, used(digest));
          if (next !== state) ran.push(digest);
          state = next;
        }
        assert.deepEqual(
          ran,
          commands.slice(0, ran.length).map(({ digest }) => digest),
        );
        assert.equal(state.matches("consumed"), ran.length === commands.length);
      }),
    );
  });
});

describe("the facts of a plan", () => {
  it("are the worst of its commands, and everything that they touch", () => {
    const read = { ...facts, riskClass: "read" as const, verbs: ["SELECT"], hazards: [], relationsWritten: [], relationsRead: ["a"] };
    const merged = mergedFacts([read, facts]);
    assert.deepEqual(
      [merged.riskClass, merged.verbs, merged.hazards, merged.relationsRead, merged.relationsWritten, merged.statementCount],
      ["destructive", ["SELECT", "DROP TABLE"], ["drop"], ["a"], ["orders"], 2],
    );
  });

  it("only looks up a column that none of its commands searches through", () => {
    const looked = { ...facts, columnsFiltered: ["t.a", "t.b"], columnsMatched: ["t.a", "t.b"] };
    const searched = { ...facts, columnsFiltered: ["t.b"], columnsMatched: [] };
    assert.deepEqual(mergedFacts([looked, searched]).columnsMatched, ["t.a"]);
    assert.deepEqual(mergedFacts([searched, looked]).columnsMatched, ["t.a"]);
  });
});
