import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it, type TestContext } from "node:test";
import type { SallyportError } from "@sallyport/proto/errors";
import fc from "fast-check";
import type { Principal } from "../domain/decision.ts";
import { type GrantEvent, grantStream } from "../domain/grant/grant.events.ts";
import * as grant from "../domain/grant/grant.decider.ts";
import { createCedarCompiler } from "../policy/compiler.ts";
import { streamsAbout } from "./audit-selection.ts";
import { deadlineOf, evolveGrant, isFinal, isSettled } from "./grant-view.ts";
import { MAX_PENDING_REQUESTS, REQUEST_TTL_MS } from "./grants.ts";
import type { GrantView } from "./grant-ports.ts";
import { human, machine, orders, requested } from "./testing/samples.ts";
import { admin, fails, setStage, typesIn, until } from "./testing/stage.ts";

const policies = createCedarCompiler();
const policy = (quorum: number, more = ""): { readonly name: string; readonly text: string }[] => [
  {
    name: "a.cedar",
    text: `@id("open") permit (principal, action in [Action::"open", Action::"run"], resource) when { context.granted };
      @id("request") @maxDuration("8h") permit (principal, action == Action::"request", resource) when { principal in Group::"engineers" && context.approvals >= ${quorum} };
      @id("approve") permit (principal in Group::"approvers", action == Action::"approve", resource);${more}`,
  },
];
const ana: Principal = { ...human("ana"), groups: ["engineers"] };
const bo: Principal = { ...human("bo"), groups: ["approvers"] };
const cy: Principal = { ...human("cy"), groups: ["approvers", "engineers"] };
const asked = { resource: "orders", durationSeconds: 1_800, reason: "stuck", ticket: "OPS-7" };

async function scene(t: TestContext, quorum = 1) {
  const stage = await setStage(t, { policies });
  const { app } = stage;
  for (const who of [ana, bo, cy]) await app.identities.put(who, admin);
  await app.resources.offer("a1", [orders]);
  await app.policies.publish(policy(quorum), "first", admin);
  const open = async (): Promise<string> => {
    const { id } = await app.grants.request(asked, ana, admin);
    await app.grants.approve(id, bo, "", admin);
    return id;
  };
  return { ...stage, open };
}

describe("access for a while", () => {
  it("opens for whoever asked when somebody else agrees, and is recorded step by step", async (t) => {
    const { app, time, ledger } = await scene(t);
    const pending = await app.grants.request(asked, ana, admin);
    assert.deepEqual([pending.state, pending.quorum, pending.rules], ["pending", 1, ["request"]]);
    assert.equal(app.grants.current("ana", "orders"), undefined);
    assert.throws(() => app.grants.requireOpen(pending.id), fails("grant.expired"));
    time.advance(60_000);
    await assert.rejects(app.grants.approve(pending.id, ana, "", admin), fails("approval.self"));
    await assert.rejects(app.grants.approve(pending.id, { ...machine("ci"), groups: ["approvers"] }, "", admin), fails("approval.machine"));
    await assert.rejects(app.grants.approve(pending.id, human("di"), "", admin), fails("auth.forbidden"));
    const open = await app.grants.approve(pending.id, bo, "go", admin);
    assert.deepEqual([open.state, open.approvers], ["open", ["bo"]]);
    assert.equal(open.endsAt?.getTime(), time.now().getTime() + 1_800_000, "from the grant, not from the request");
    assert.equal(app.grants.current("ana", "orders")?.id, open.id);
    assert.equal(app.grants.current("bo", "orders"), undefined);
    assert.equal(app.grants.current("ana", "payroll"), undefined);
    await app.grants.use(open.id, randomUUID(), ana, "orders", admin);
    await assert.rejects(app.grants.use(open.id, randomUUID(), cy, "orders", admin), fails("auth.forbidden"));
    assert.deepEqual(await typesIn(ledger, grantStream(open.id)), ["AccessRequested", "AccessApproved", "AccessGranted", "GrantUsed"]);
    assert.equal(app.grants.find(open.id)?.uses, 1);
  });

  it("is looked for by its kind, and of several is the one that ends last", async (t) => {
    const { app } = await scene(t);
    const give = async (durationSeconds: number): Promise<string> => {
      const { id } = await app.grants.request({ ...asked, durationSeconds }, ana, admin);
      await app.grants.approve(id, bo, "", admin);
      return id;
    };
    const [, longest] = [await give(60), await give(120), await give(90)];
    assert.deepEqual([app.grants.current("ana", "orders")?.id, app.grants.current("ana", "orders", true)?.id], [longest, longest]);
    assert.equal(app.grants.current("ana", "orders", "emergency"), undefined);
  });

  it("is refused to whom policy does not let ask, for what is not there, and to a script in a loop", async (t) => {
    const { app } = await scene(t);
    await assert.rejects(app.grants.request(asked, bo, admin), fails("policy.denied"));
    const standing = ` @id("standing") permit (principal in Group::"approvers", action == Action::"open", resource);`;
    await app.policies.publish(policy(1, standing), "bo may", admin);
    await assert.rejects(app.grants.request(asked, bo, admin), { code: "policy.denied", message: `"orders" is open to you as it is: connect to it.` });
    await assert.rejects(app.grants.request({ ...asked, resource: "nowhere" }, ana, admin), fails("resource.not_found"));
    await assert.rejects(app.grants.request({ ...asked, durationSeconds: 28_801 }, ana, admin), fails("input.invalid"));
    for (let count = 0; count < MAX_PENDING_REQUESTS; count++) await app.grants.request(asked, ana, admin);
    await assert.rejects(app.grants.request(asked, ana, admin), fails("session.limit"));
    await app.grants.request(asked, cy, admin);
  });

  it("needs anew what policy asks for when policy has become stricter, and when the requester may not ask any more", async (t) => {
    const { app } = await scene(t);
    const first = await app.grants.request(asked, ana, admin);
    await app.policies.publish(policy(2), "stricter", admin);
    await assert.rejects(app.grants.approve(first.id, bo, "", admin), fails("approval.drift"));
    await app.policies.publish(policy(1, " // the same"), "as before", admin);
    assert.equal((await app.grants.approve(first.id, bo, "", admin)).state, "open");
    const second = await app.grants.request(asked, ana, admin);
    await app.identities.put({ ...ana, groups: [] }, admin);
    await assert.rejects(app.grants.approve(second.id, bo, "", admin), fails("approval.drift"));
  });

  it("counts two people who agree in the same moment, and one who agrees twice once", async (t) => {
    const { app } = await scene(t, 2);
    const { id } = await app.grants.request(asked, ana, admin);
    await Promise.all([app.grants.approve(id, bo, "", admin), app.grants.approve(id, bo, "", admin)]);
    assert.equal(app.grants.find(id)?.state, "pending");
    const { id: other } = await app.grants.request(asked, ana, admin);
    await Promise.all([app.grants.approve(other, bo, "", admin), app.grants.approve(other, cy, "", admin)]);
    assert.deepEqual([app.grants.find(other)?.state, app.grants.find(other)?.approvers.length], ["open", 2]);
  });

  it("is agreed to in steps, by the groups, within the hours and in the time that the rule names", async (t) => {
    const { app, time } = await scene(t);
    const steps = (more: string): { readonly name: string; readonly text: string }[] => [
      {
        name: "a.cedar",
        text: `@id("request") @approvals("1 from support; 1 from dba") ${more}
          permit (principal in Group::"engineers", action == Action::"request", resource) when { context.approvals >= 1 };
          @id("approve") permit (principal in Group::"approvers", action == Action::"approve", resource);`,
      },
    ];
    const member = (id: string, ...groups: string[]): Principal => ({ ...human(id), groups: ["approvers", ...groups] });
    const [support, dba, manager, legal] = [member("sue", "support"), member("dan", "dba"), member("mia", "managers"), human("lea")];
    await app.policies.publish(steps(`@denyBy("legal") @escalate("10m to managers") @approvalTimeout("1h")`), "steps", admin);
    const first = await app.grants.request(asked, ana, admin);
    assert.deepEqual(
      first.steps.map(({ groups }) => groups),
      [["support"], ["dba"]],
    );
    assert.equal(first.expiresAt.getTime(), time.now().getTime() + 3_600_000);
    await assert.rejects(app.grants.approve(first.id, dba, "", admin), fails("approval.step"));
    assert.equal((await app.grants.approve(first.id, support, "", admin)).state, "pending");
    await assert.rejects(app.grants.approve(first.id, manager, "", admin), fails("approval.step"));
    assert.equal((await app.grants.approve(first.id, dba, "", admin)).state, "open");

    const second = await app.grants.request(asked, ana, admin);
    assert.equal(app.grants.mayDecide(second, { ...legal, groups: ["legal"] }), true);
    assert.equal((await app.grants.deny(second.id, { ...legal, groups: ["legal"] }, "no", admin)).state, "denied");

    const third = await app.grants.request(asked, ana, admin);
    time.advance(600_000);
    await until("it is escalated", () => app.grants.find(third.id)?.escalated === true);
    await app.grants.approve(third.id, manager, "", admin);
    assert.equal((await app.grants.approve(third.id, dba, "", admin)).state, "open");

    const fourth = await app.grants.request(asked, ana, admin);
    await app.policies.publish(steps(`@approverHours("mon-sun 00-01 UTC")`), "at night", admin);
    await assert.rejects(app.grants.approve(fourth.id, support, "", admin), fails("approval.drift"));
    const fifth = await app.grants.request(asked, ana, admin);
    await assert.rejects(app.grants.approve(fifth.id, support, "", admin), fails("approval.hours"));
  });

  it("ends on time, and a request that nobody decides on does too", async (t) => {
    const { app, time, open, ledger } = await scene(t);
    const id = await open();
    const waiting = await app.grants.request(asked, ana, admin);
    const ends: SallyportError[] = [];
    app.grants.onEnd(id, (why) => ends.push(why));
    time.advance(1_799_999);
    assert.equal(ends.length, 0);
    app.grants.requireOpen(id);
    time.advance(1);
    assert.deepEqual(
      ends.map(({ code }) => code),
      ["grant.expired"],
      "by the clock, not by the record",
    );
    assert.throws(() => app.grants.requireOpen(id), fails("grant.expired"));
    await assert.rejects(app.grants.use(id, randomUUID(), ana, "orders", admin), fails("grant.expired"));
    await until("the end is recorded", async () => (await typesIn(ledger, grantStream(id))).at(-1) === "GrantExpired");
    time.advance(REQUEST_TTL_MS);
    await assert.rejects(app.grants.approve(waiting.id, bo, "", admin), fails("approval.expired"));
    await until("the request lapses", () => app.grants.find(waiting.id)?.state === "lapsed");
    assert.equal(time.pending, 0, "no timer is left");
  });

  it("ends at once when it is revoked, by another node too, and tells each session once", async (t) => {
    const { app, time, open, join } = await scene(t);
    const id = await open();
    const ends: string[] = [];
    app.grants.onEnd(id, ({ code }) => ends.push(code));
    app.grants.onEnd(id, ({ code }) => ends.push(code));
    app.grants.onEnd(id, () => assert.fail("it was called off"))();
    await (await join("two")).grants.revoke(id, bo, "over", admin);
    await until("the news arrives", () => ends.length === 2);
    time.advance(REQUEST_TTL_MS);
    assert.deepEqual(ends, ["grant.revoked", "grant.revoked"]);
    assert.throws(() => app.grants.requireOpen(id), fails("grant.revoked"));
    const late: string[] = [];
    app.grants.onEnd(id, ({ code }) => late.push(code));
    assert.deepEqual(late, ["grant.revoked"], "a session that comes too late is told at once");
  });

  it("survives a restart, and what ended meanwhile is recorded at the start", async (t) => {
    const { app, time, open, restart, ledger } = await scene(t);
    const id = await open();
    const pending = await app.grants.request(asked, ana, admin);
    await app.close();
    const second = await restart();
    assert.equal(second.grants.current("ana", "orders")?.id, id);
    await second.close();
    time.advance(REQUEST_TTL_MS);
    assert.equal((await typesIn(ledger, grantStream(id))).at(-1), "AccessGranted", "nobody was there to record it");
    const third = await restart();
    time.advance(0);
    await until("both are recorded", () => third.grants.find(id)?.state === "expired" && third.grants.find(pending.id)?.state === "lapsed");
  });

  it("is in the hands of an auditor who asks about the person, the resource, or a session that used it", async (t) => {
    const { app, open, ledger } = await scene(t);
    const id = await open();
    const unused = await app.grants.request(asked, ana, admin);
    const sessionId = randomUUID();
    await app.openRecord(sessionId).append([requested(sessionId)], admin);
    await app.grants.use(id, sessionId, ana, "orders", admin);
    const about = async (kind: "session" | "identity" | "resource", value: string): Promise<readonly string[]> =>
      [...(await streamsAbout(ledger, { kind, value }))].filter((stream) => stream.startsWith("grant-")).toSorted();
    const both = [grantStream(id), grantStream(unused.id)].toSorted();
    assert.deepEqual(await about("identity", "ana"), both);
    assert.deepEqual(await about("resource", "orders"), both);
    assert.deepEqual(await about("session", sessionId), [grantStream(id)]);
    assert.deepEqual(await about("identity", "bo"), []);
  });

  it("lets 200 sessions open on one grant at once", async (t) => {
    const { app, open, ledger } = await scene(t);
    const id = await open();
    await Promise.all(Array.from({ length: 200 }, () => app.grants.use(id, randomUUID(), ana, "orders", admin)));
    assert.equal((await typesIn(ledger, grantStream(id))).filter((type) => type === "GrantUsed").length, 200);
  });

  it("reads of somebody who was forgotten as of nobody", async (t) => {
    const { app, open } = await scene(t);
    const id = await open();
    app.live.rename("ana", "forgotten-1");
    app.live.rename("bo", "forgotten-2");
    const { requestedBy, reason, approvers } = app.grants.find(id) as GrantView;
    assert.deepEqual([requestedBy, reason, approvers], ["forgotten-1", "(forgotten)", ["forgotten-2"]]);
    assert.equal(app.grants.current("ana", "orders"), undefined);
  });
});

describe("the view of a grant", () => {
  it("says what the machine says, whatever happens", () => {
    const at = "2026-11-22T10:00:00.000Z";
    const asking = { grantId: "g", requestedBy: "ana", resource: "orders", durationSeconds: 60, reason: "r", ticket: "" };
    const data = { ...asking, steps: [{ people: 2, groups: [] }], denyBy: [], approverHours: [], expiresAt: "2026-11-23T10:00:00.000Z" };
    const allow = policies.compile("v", policy(1)).decide({ principal: bo, action: "approve", resource: orders });
    const needs = policies.compile("v", policy(2)).decide({ principal: ana, action: "request", resource: orders });
    const command = fc.oneof(
      fc.constantFrom("bo", "cy", "di").map((id): grant.GrantCommand => ({
        type: "Approve",
        by: { id, kind: "human" },
        groups: [],
        comment: id,
        decision: allow,
        askedNow: needs,
      })),
      fc.constantFrom<grant.GrantCommand>(
        { type: "Deny", by: { id: "bo", kind: "human" }, groups: [], comment: "no", decision: allow },
        { type: "Withdraw", by: "ana" },
        { type: "Expire" },
        { type: "Use", sessionId: "s", by: "ana", resource: "orders" },
        { type: "Use", sessionId: "s", by: "ana", resource: "orders" },
        { type: "Revoke", by: { id: "bo" }, reason: "over" },
        { type: "Review", by: { id: "bo", kind: "human" }, verdict: "justified", comment: "fine", decision: allow },
        { type: "Review", by: { id: "ana", kind: "human" }, verdict: "misused", comment: "mine", decision: allow },
      ),
    );
    const minutes = fc.constantFrom(0, 0, 0, 0, 1, 1_500);
    fc.assert(
      fc.property(fc.array(fc.tuple(command, minutes), { maxLength: 12 }), fc.boolean(), (commands, emergency) => {
        let now = Date.parse(at);
        let state = grant.initialState;
        let view: GrantView | undefined;
        const take = (events: readonly GrantEvent[]): void => {
          for (const event of events) {
            state = grant.evolve(state, event);
            view = evolveGrant(view, event, new Date(now).toISOString());
          }
        };
        const first: grant.GrantCommand = emergency
          ? { type: "Request", data: { ...data, steps: [], emergency }, decision: allow }
          : { type: "Request", data, decision: needs };
        take(grant.decide(first, state, at));
        for (const [each, pass] of commands) {
          now += pass * 60_000;
          try {
            take(grant.decide(each, state, new Date(now).toISOString()));
          } catch {
            continue;
          }
          assert.ok(view);
          assert.equal(view.state, state.value);
          assert.deepEqual(view.approvers, state.context.approvers);
          assert.equal(view.uses, state.context.uses);
          assert.equal(view.endsAt?.toISOString(), state.context.grant?.endsAt);
          assert.equal(isFinal(view.state), !["pending", "open"].includes(state.value));
          assert.equal(deadlineOf(view) === undefined, isFinal(view.state));
          const { emergency: opened } = state.context;
          assert.deepEqual([view.emergency, view.verdict], [opened !== undefined, opened?.review?.verdict ?? ""]);
          assert.equal(view.escalatesAt?.toISOString(), opened?.escalatesAt);
          assert.equal(isSettled(view), isFinal(view.state) && (opened === undefined || opened.review !== undefined));
        }
      }),
    );
  });
});
