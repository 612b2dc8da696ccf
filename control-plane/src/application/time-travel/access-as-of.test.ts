import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it, type TestContext } from "node:test";
import { createCedarCompiler } from "../../policy/compiler.ts";
import { type Decision, noObligations, recordDecision } from "../../domain/decision.ts";
import { grantStream } from "../../domain/grant/grant.events.ts";
import type { SessionEvent } from "../../domain/session/session.events.ts";
import { authorized, command, human, opened, orders, requested } from "../testing/samples.ts";
import { admin, typesIn, until } from "../testing/stage.ts";
import { holds } from "./explain.ts";
import { files, makeWorld, type World } from "./world.fixture.ts";

const compiler = createCedarCompiler();
const world = (t: TestContext, behindMs = 0): Promise<World> => makeWorld(t, compiler, behindMs);

describe("access for a while, in the past", () => {
  const onRequest = [
    {
      name: "a.cedar",
      text: `@id("open") permit (principal in Group::"engineers", action in [Action::"open", Action::"run"], resource) when { context.granted };
        @id("request") permit (principal in Group::"engineers", action == Action::"request", resource) when { context.approvals >= 1 };
        @id("approve") permit (principal == Identity::"bo", action == Action::"approve", resource);`,
    },
  ];

  it("is open from the grant to its end, whenever the end is recorded", async (t) => {
    const { app, past, head, ana, clock } = await world(t);
    await app.policies.publish(onRequest, "on request", admin);
    const { id } = await app.grants.request({ resource: "orders", durationSeconds: 60, reason: "stuck", ticket: "" }, ana(), admin);
    const before = await head();
    await app.grants.approve(id, human("bo"), "", admin);
    const during = await head();
    clock.advance(60_000);
    await until("the end is recorded", () => app.grants.find(id)?.state === "expired");
    const opens = async (moment: Parameters<typeof past.access>[0]): Promise<unknown> => {
      const [access] = (await past.access(moment, { identity: "ana" })).access;
      const of = (action: string) => access?.decisions.find((each) => each.action === action)?.decision.effect;
      return [access?.grant?.id, of("open"), of("run"), of("request")];
    };
    const states = async (moment: Parameters<typeof past.state>[0]) => (await past.state(moment)).openGrants().map(({ state }) => state);
    for (const [position, grants, answer] of [
      [before, ["pending"], [undefined, "deny", "deny", "needs_approval"]],
      [during, ["open"], [id, "allow", "allow", "needs_approval"]],
      [await head(), [], [undefined, "deny", "deny", "needs_approval"]],
    ] as const) {
      assert.deepEqual(await states({ kind: "position", position }), grants);
      assert.deepEqual(await opens({ kind: "position", position }), answer);
    }
  });

  it("is over when its time is, though nobody has recorded that yet", async (t) => {
    const { app, past, head, ana, ledger } = await world(t, 120_000);
    await app.policies.publish(onRequest, "on request", admin);
    const { id } = await app.grants.request({ resource: "orders", durationSeconds: 60, reason: "stuck", ticket: "" }, ana(), admin);
    await app.grants.approve(id, human("bo"), "", admin);
    assert.equal(app.grants.find(id)?.state, "open");
    assert.equal((await typesIn(ledger, grantStream(id))).at(-1), "AccessGranted");
    for (const moment of [{ kind: "instant", at: new Date() } as const, { kind: "position", position: await head() } as const]) {
      assert.deepEqual((await past.state(moment)).openGrants(), []);
      assert.equal((await past.access(moment, { identity: "ana" })).access[0]?.grant, undefined);
    }
  });

  it("is explained with the session that used it, on the same answers", async (t) => {
    const { app, past, ana } = await world(t);
    await app.policies.publish(onRequest, "on request", admin);
    const { id: grantId } = await app.grants.request({ resource: "orders", durationSeconds: 60, reason: "stuck", ticket: "" }, ana(), admin);
    await app.grants.approve(grantId, human("bo"), "go", admin);
    const facts = command(1).facts;
    const take = (granted: boolean, action: "open" | "run"): Decision => {
      const decision = app.policies.current()?.decide({ principal: ana(), action, resource: orders, granted, ...(action === "run" ? { facts } : {}) });
      assert.ok(decision);
      return decision;
    };
    const record = async (used: { readonly grantId?: string }): Promise<string> => {
      const id = randomUUID();
      const open = { ...opened(id), data: { ...opened(id).data, ...used, decision: recordDecision(take(true, "open")) } } as SessionEvent;
      const decision = take(true, "run");
      const ran = { ...authorized(1), data: { ...authorized(1).data, decision: recordDecision(decision), obligations: decision.obligations } } as SessionEvent;
      await app.openRecord(id).append([requested(id, { ...human("ana"), groups: ["engineers"] }), open, ran], admin);
      return id;
    };
    const used = await record({ grantId });
    const without = await record({});
    await app.grants.revoke(grantId, human("bo"), "over", admin);
    await app.policies.publish(files("nobody"), "another", admin);
    for (const commandId of [0, 1]) {
      const explained = await past.explain(used, commandId);
      assert.ok(holds(explained), JSON.stringify(explained.decision?.again.differences));
      assert.deepEqual([explained.access?.view.id, explained.access?.asked.again.decision?.quorum], [grantId, 1]);
      assert.deepEqual(
        explained.access?.votes.map(({ by, agreed, again }) => [by, agreed, again.verdict]),
        [["bo", true, "same"]],
      );
    }
    assert.ok(!holds(await past.explain(without, 0)), "what a grant opens is not opened without one");
    assert.ok(!holds(await past.explain(without, 1)));
  });

  it("is explained, where a session went on with another grant, by the grant of each command and the decision to go on", async (t) => {
    const { app, past, ana } = await world(t);
    await app.policies.publish(onRequest, "on request", admin);
    const grant = async (): Promise<string> => {
      const { id } = await app.grants.request({ resource: "orders", durationSeconds: 60, reason: "stuck", ticket: "" }, ana(), admin);
      await app.grants.approve(id, human("bo"), "go", admin);
      return id;
    };
    const [formerGrantId, grantId] = [await grant(), await grant()];
    const decided = (action: "open" | "run", granted = true): Decision => {
      const facts = action === "run" ? { facts: command(1).facts } : {};
      return app.policies.current()?.decide({ principal: ana(), action, resource: orders, granted, ...facts }) ?? assert.fail("no policy");
    };
    const record = async (goesOn: Decision): Promise<string> => {
      const id = randomUUID();
      const ran = (commandId: number): SessionEvent => ({
        type: "CommandAuthorized",
        data: { ...command(commandId), decision: recordDecision(decided("run")), obligations: noObligations },
      });
      const data = { ...opened(id).data, grantId: formerGrantId, decision: recordDecision(decided("open")) };
      const continued: SessionEvent = { type: "SessionContinued", data: { sessionId: id, decision: recordDecision(goesOn), formerGrantId, grantId } };
      const asked = requested(id, { ...human("ana"), groups: ["engineers"] });
      await app.openRecord(id).append([asked, { type: "SessionOpened", data } as SessionEvent, ran(1), continued, ran(2)], admin);
      return id;
    };
    const session = await record(decided("open"));
    const [first, second] = [await past.explain(session, 1), await past.explain(session, 2)];
    assert.deepEqual([first.access?.view.id, first.continued, holds(first)], [formerGrantId, undefined, true]);
    assert.deepEqual([second.access?.view.id, second.continued?.again.verdict, holds(second)], [grantId, "same", true]);
    const wrong = await past.explain(await record({ ...decided("open"), rules: ["another"] }), 2);
    assert.deepEqual([wrong.decision?.again.verdict, wrong.continued?.again.verdict, holds(wrong)], ["same", "different", false]);
  });
});
