import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { SallyportError } from "@sallyport/proto/errors";
import { plainTerms } from "../domain/approval/terms.ts";
import { type ApprovalEvent, approvalStream } from "../domain/approval/approval.events.ts";
import type { Principal } from "../domain/decision.ts";
import { MAX_DELEGATION_SECONDS } from "../domain/delegation/delegation.decider.ts";
import { evolveView } from "./approval-view.ts";
import * as approval from "../domain/approval/approval.decider.ts";
import type { Application } from "./application.ts";
import type { ApprovalView } from "./approval-ports.ts";
import { approvalRequest, command, requested } from "./testing/samples.ts";
import { admin, collect, setStage } from "./testing/stage.ts";

const groupsOf = {
  ana: ["support", "dba"],
  bo: ["support"],
  cy: ["support", "dba", "security"],
  di: ["dba"],
  ed: ["security"],
  meg: ["managers"],
  ci: ["dba"],
  // Decides in the place of cy, and has nothing of their own.
  ned: [],
} as const;
type Name = keyof typeof groupsOf;
const person = (id: Name): Principal => ({ id, kind: id === "ci" ? "machine" : "human", groups: groupsOf[id] });

const stepList = fc.constantFrom(
  [
    { people: 1, groups: ["support"] },
    { people: 2, groups: ["dba", "security"] },
  ],
  [{ people: 2, groups: ["support"] }],
  [
    { people: 1, groups: ["dba"] },
    { people: 1, groups: [] },
  ],
);
const who = fc.constantFrom<Name>("ana", "bo", "cy", "di", "ed", "meg", "ci", "ned");
const some = <Kind extends string>(weight: number, ...kinds: readonly Kind[]) => ({
  weight,
  arbitrary: fc.record({ kind: fc.constantFrom(...kinds), who, node: fc.nat(1) }),
});
const act = fc.oneof(
  some(12, "approve"),
  some(4, "approveForAWhile"),
  some(1, "deny", "expire", "escalate", "withdraw"),
  some(3, "propose"),
  some(3, "accept"),
  some(3, "consume", "use"),
);
type Act = typeof act extends fc.Arbitrary<infer Value> ? Value : never;
/** What happens in the same millisecond, and how far the clock goes before it; it may also go back. */
const moment = fc.record({ minutes: fc.constantFrom(0, 0, 1, 4, 6, -3), acts: fc.array(act, { minLength: 1, maxLength: 4 }) });

const finals: ReadonlySet<string> = new Set([
  "ApprovalCounterAccepted",
  "ApprovalDenied",
  "ApprovalExpired",
  "ApprovalWithdrawn",
  "ApprovalConsumed",
  "ApprovalRevoked",
]);
const EXPIRES = 10 * 60_000;

describe("a quorum on the real ledger", () => {
  it("is met by distinct people of the right groups or not at all, however two nodes, several people and the clock race (I5)", async (t) => {
    const { app, join, ledger, time } = await setStage(t);
    const nodes = [app, await join("two")] as const;
    const version = await app.policies.publish([{ name: "a", text: `approvers: ${Object.keys(groupsOf).join(" ")}` }], "first", admin);
    await app.resources.offer("a1", [{ name: "orders", protocol: "postgres", labels: {} }]);
    for (const name of ["ana", "cy", "ned"] as const) await app.identities.put(person(name), admin);
    await app.delegations.give({ to: "ned", seconds: MAX_DELEGATION_SECONDS, reason: "on leave" }, person("cy"), admin);
    await app.openRecord("s1").append([requested("s1", person("ana"))], admin);
    const other = { statement: "drop table old_orders", digest: "cd".repeat(32) };
    const perform = ({ approvals }: Application, { kind, who: name }: Act, id: string): Promise<unknown> => {
      const by = person(name);
      const { facts, digest } = command(2, "drop table orders");
      switch (kind) {
        case "approve":
          return approvals.approve(id, by, "", undefined, admin);
        case "approveForAWhile":
          return approvals.approve(id, by, "", undefined, admin, { seconds: 600, scope: "session" });
        case "deny":
          return approvals.deny(id, by, "", admin);
        case "propose":
          return approvals.propose(id, by, { ...other, facts }, "", undefined, admin);
        case "accept":
          return approvals.accept(id, person("ana"), other.digest, admin);
        case "consume":
          return approvals.consume(id, { sessionId: "s1", commandId: 2, digest, policyVersion: version }, admin);
        case "use":
          return approvals.use(id, { sessionId: "s1", commandId: 3, digest, policyVersion: version, requestedBy: name, facts, rules: ["r1"] }, admin);
        case "withdraw":
          return approvals.withdraw(id, "client_gone", admin);
        case "expire":
        case "escalate":
          return approvals[kind](id);
      }
    };
    let number = 0;
    const met = new Set<string>();
    await fc.assert(
      fc.asyncProperty(stepList, fc.array(moment, { minLength: 1, maxLength: 8 }), async (steps, moments) => {
        const id = `ap${String((number += 1))}`;
        const start = time.now().getTime();
        const quorum = steps.reduce((sum, { people }) => sum + people, 0);
        const asked = approvalRequest("s1", version, quorum, new Date(start + EXPIRES).toISOString());
        const terms = { ...plainTerms, steps, escalation: { to: "managers", afterSeconds: 300 } };
        await app.approvals.request(id, { ...asked, decision: { ...asked.decision, terms } }, admin);
        for (const { minutes, acts } of moments) {
          time.advance(minutes * 60_000);
          await Promise.all(
            acts.map((each) =>
              perform(nodes[each.node as 0 | 1], each, id).catch((error: unknown) =>
                assert.ok(
                  (error instanceof SallyportError && error.code !== "internal") || /still pending cannot be consumed/u.test(String(error)),
                  String(error),
                ),
              ),
            ),
          );
        }
        await check(id, steps, start);
        // The next one starts when this one has long ended, wherever the clock went.
        time.advance(60 * 60_000);
      }),
      { numRuns: 150 },
    );
    for (const type of ["ApprovalCounterProposed", "ApprovalCounterAccepted", "ApprovalConsumed", "ApprovalEscalated"]) assert.ok(met.has(type), type);

    async function check(id: string, steps: readonly { people: number; groups: readonly string[] }[], start: number): Promise<void> {
      const recorded = await collect(ledger.readStream(approvalStream(id)));
      const events = recorded.map(({ type, data }) => ({ type, data }) as ApprovalEvent);
      for (const { type } of events) met.add(type);
      const of = <T extends ApprovalEvent["type"]>(type: T) => events.filter((event): event is Extract<ApprovalEvent, { type: T }> => event.type === type);
      const ends = events.filter(({ type }) => ["ApprovalGranted", "ApprovalDenied"].includes(type));
      assert.ok(ends.length <= 1, "granted and denied, or one of them twice");
      const last = events.findIndex(({ type }) => finals.has(type));
      assert.ok(last === -1 || last === events.length - 1, "something follows its end");
      for (const [index, { type }] of events.entries())
        if (type === "ApprovalConsumed" || type === "ApprovalUsed")
          assert.ok(
            events.slice(0, index).some((before) => before.type === "ApprovalGranted"),
            type,
          );
      const taken = events.findIndex(({ type }) => type === "ApprovalCounterAccepted");
      assert.ok(taken === -1 || events.slice(0, taken).some(({ type }) => type === "ApprovalCounterProposed"), "taken before it was proposed");
      assert.ok(of("ApprovalCounterAccepted").every(({ data }) => data.by === "ana" && data.digest === other.digest));
      const votes = of("ApprovalGiven").map(({ data }) => data);
      const voices = votes.flatMap(({ by, onBehalfOf }) => (onBehalfOf === undefined ? [by] : [by, onBehalfOf]));
      assert.equal(new Set(voices).size, voices.length, "somebody counts twice, or beside whoever's place they took");
      if (of("ApprovalGranted").some(({ data }) => data.scope === "session")) assert.ok(votes.every(({ scope }) => scope === "session"));
      const escalated = events.findIndex(({ type }) => type === "ApprovalEscalated");
      for (const [index, event] of events.entries()) {
        if (event.type !== "ApprovalGiven") continue;
        const { by, onBehalfOf = by, step } = event.data;
        assert.ok(!["ana", "ci"].includes(by), `${by} counts`);
        const wanted = steps[step]?.groups ?? [];
        const also = escalated !== -1 && escalated < index && wanted.length > 0 ? ["managers"] : [];
        const own: readonly string[] = groupsOf[onBehalfOf as Name];
        assert.ok(wanted.length === 0 || [...wanted, ...also].some((group) => own.includes(group)), `${by} for step ${String(step)}`);
        assert.ok(Date.parse(recorded[index]?.metadata.at ?? "") < start + EXPIRES, "after the deadline");
      }
      const full = steps.every(({ people }, step) => votes.filter((vote) => vote.step === step).length === people);
      assert.equal(of("ApprovalGranted").length === 1, full, "granted just when every step is full");
      const state = events.reduce(approval.evolve, approval.initialState);
      let view: ApprovalView | undefined;
      for (const [index, event] of events.entries()) view = evolveView(view, event, recorded[index]?.metadata.at ?? "");
      assert.deepEqual([view?.state, view?.votes, view?.escalated], [state.value, state.context.votes, state.context.escalatedTo !== undefined]);
    }
  });
});

describe("an approval that escalates", () => {
  it("does so at its time, also when the control plane was down then", async (t) => {
    const { app, restart, time, ledger } = await setStage(t);
    const version = await app.policies.publish([{ name: "a", text: "approvers: bo meg" }], "first", admin);
    await app.resources.offer("a1", [{ name: "orders", protocol: "postgres", labels: {} }]);
    const asked = approvalRequest("s1", version, 1);
    const terms = { ...plainTerms, steps: [{ people: 1, groups: ["support"] }], escalation: { to: "managers", afterSeconds: 60 } };
    await app.approvals.request("ap1", { ...asked, decision: { ...asked.decision, terms } }, admin);
    await assert.rejects(app.approvals.approve("ap1", person("meg"), "", undefined, admin), { code: "approval.step" });
    await app.close();
    time.advance(61_000);
    const again = await restart();
    time.advance(0);
    const view = await again.approvals.approve("ap1", person("meg"), "", undefined, admin);
    assert.equal(view.state, "granted");
    assert.deepEqual(
      (await collect(ledger.readStream(approvalStream("ap1")))).map(({ type }) => type),
      ["ApprovalRequested", "ApprovalEscalated", "ApprovalGiven", "ApprovalGranted"],
    );
  });
});
