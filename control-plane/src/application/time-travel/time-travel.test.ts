import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it, type TestContext } from "node:test";
import { areas, type Decision, noObligations, type Principal, recordDecision } from "../../domain/decision.ts";
import { grantStream } from "../../domain/grant/grant.events.ts";
import { identityStream } from "../../domain/identity/identity.events.ts";
import { policyStream } from "../../domain/policy/policy.events.ts";
import { type SessionEvent, sessionStream } from "../../domain/session/session.events.ts";
import type { Ledger } from "../../ledger/ledger.ts";
import { createCedarCompiler } from "../../policy/compiler.ts";
import { createApplication } from "../application.ts";
import { newEvent } from "../new-event.ts";
import { policyVersion } from "../policy-version.ts";
import { ManualTime } from "../testing/manual-time.ts";
import { approvalRequest, authorized, command, denied, human, opened, orders, requested } from "../testing/samples.ts";
import { admin, fails, openSealed, silent, typesIn, until } from "../testing/stage.ts";
import { RECORD_LAG_MS } from "./decide-again.ts";
import { holds } from "./explain.ts";
import { createTimeTravel } from "./time-travel.ts";

const compiler = createCedarCompiler();
const files = (group: string) => [
  {
    name: "a.cedar",
    text: `@id("open") permit (principal, action == Action::"open", resource);
      @id("run") permit (principal in Group::"${group}", action == Action::"run", resource);
      @id("approve") permit (principal, action == Action::"approve", resource);`,
  },
];

/** As if what stands up to there had been recorded long before the rest. */
const longAgo = (ledger: Ledger, upTo: bigint): Ledger => ({
  append: (...args) => ledger.append(...args),
  readAll: (options) => ledger.readAll(options),
  subscribeToAll: (options) => ledger.subscribeToAll(options),
  close: () => ledger.close(),
  async *readStream(stream, options) {
    for await (const event of ledger.readStream(stream, options)) {
      const earlier = event.position <= upTo ? RECORD_LAG_MS + 1 : 0;
      yield { ...event, recordedAt: new Date(event.recordedAt.getTime() - earlier) };
    }
  },
});

/** The real application over the real ledger, with Cedar; the clock of the ledger is the machine's, that of the application may be behind. */
async function world(t: TestContext, behindMs = 0) {
  const { ledger, sealing } = await openSealed(t);
  const clock = new ManualTime(new Date(Date.now() - behindMs).toISOString());
  const app = await createApplication({ ledger, clock, log: silent, compiler, subjects: sealing.subjects, nodeId: "one", scheduler: clock });
  const past = createTimeTravel({ ledger, clock: { now: () => new Date() }, compiler });
  t.after(() => Promise.all([app.failClosed.close(), app.live.close()]));
  await app.identities.put({ ...human("ana"), groups: ["engineers"] }, admin);
  await app.identities.put({ ...human("bo"), groups: [] }, admin);
  await app.resources.offer("a1", [orders]);
  const version = await app.policies.publish(files("engineers"), "first", admin);

  const head = async (): Promise<bigint> => {
    for await (const { position } of ledger.readAll({ direction: "backwards", limit: 1 })) return position;
    return 0n;
  };
  /** As the gateway decides, for a person as they are now. */
  const decide = (principal: Principal): Decision => {
    const decision = app.policies.current()?.decide({ principal, action: "run", resource: orders, facts: command(1).facts });
    assert.ok(decision);
    return decision;
  };
  /** A session of ana's with one command, decided so. */
  const record = async (event: SessionEvent): Promise<string> => {
    const id = randomUUID();
    const open = app.policies.current()?.decide({ principal: { ...human("ana"), groups: ["engineers"] }, action: "open", resource: orders });
    assert.ok(open);
    const begun = { ...opened(id), data: { ...opened(id).data, decision: recordDecision(open) } } as SessionEvent;
    await app.openRecord(id).append([requested(id, { ...human("ana"), groups: ["engineers"] }), begun, event], admin);
    return id;
  };
  const allowed = (decision: Decision, obligations = decision.obligations): SessionEvent =>
    ({ ...authorized(1), data: { ...authorized(1).data, decision: recordDecision(decision), obligations } }) as SessionEvent;
  const ana = (): Principal => app.identities.find("ana") ?? human("ana");
  return { ledger, app, past, version, head, decide, record, allowed, ana, clock };
}

describe("what was true at a moment", () => {
  it("is what the folds say up to there, by position and by instant", async (t) => {
    const { app, past, head, record, allowed, decide, ana, version } = await world(t);
    const id = await record(allowed(decide(ana())));
    const needs = approvalRequest(id, version, 1, new Date(Date.now() + 60_000).toISOString());
    const approvalId = randomUUID();
    await app.approvals.request(approvalId, needs, admin);
    const then = await head();
    const instant = new Date();
    await new Promise((resolve) => setTimeout(resolve, 2)); // the ledger's clock counts milliseconds
    await app.identities.disable("bo", "left", admin);
    await app.approvals.withdraw(approvalId, "cancelled", admin);
    await app.resources.offer("a1", []);
    const later = await app.policies.publish(files("nobody"), "second", admin);

    for (const moment of [{ kind: "position", position: then } as const, { kind: "instant", at: instant } as const]) {
      const state = await past.state(moment);
      assert.equal(state.asOf?.position, then);
      assert.equal(state.policy.published?.version, version);
      assert.deepEqual(
        state.openSessions().map((session) => session.id),
        [id],
      );
      assert.deepEqual(
        state.openApprovals().map((approval) => approval.id),
        [approvalId],
      );
      assert.equal(state.identities.get(identityStream("bo"))?.state.status, "active");
      const { access } = await past.access(moment, {});
      assert.deepEqual(
        access.map(({ principal, decisions }) => [principal.id, decisions.find(({ riskClass }) => riskClass === "read")?.decision.effect]),
        [
          ["ana", "allow"],
          ["bo", "deny"],
        ],
      );
      assert.equal((await past.policy(moment)).policy?.reason, "first");
    }
    const now = await past.state({ kind: "position", position: await head() });
    assert.equal(now.policy.published?.version, later);
    assert.deepEqual([now.openApprovals().length, now.identities.get(identityStream("bo"))?.state.status], [0, "disabled"]);
    assert.deepEqual((await past.access({ kind: "position", position: await head() }, {})).access, [], "no resource is served");
    assert.equal((await past.policy({ kind: "position", position: 0n })).policy, undefined);
    await assert.rejects(past.state({ kind: "position", position: (await head()) + 1n }), fails("input.invalid"));
    await assert.rejects(past.state({ kind: "instant", at: new Date(Date.now() + 120_000) }), fails("input.invalid"));
  });
});

describe("who could look at the record, and administer", () => {
  it("is told by the policy of the moment, by the built-in rule where it says nothing, and before there was any", async (t) => {
    const { app, past, head } = await world(t);
    await app.identities.put({ ...human("bo"), groups: ["auditors"] }, admin);
    await app.identities.put({ ...human("cy"), groups: ["admins"] }, admin);
    const untold = await head();
    const text = `@id("all") permit (principal, action == Action::"open", resource);
      @id("policy") permit (principal in Group::"admins", action == Action::"administer", resource) when { context.area == "policy" };
      @id("orders") permit (principal in Group::"auditors", action == Action::"replay", resource == Resource::"orders");`;
    await app.policies.publish([{ name: "a.cedar", text }], "own", { ...admin, actor: { kind: "human", id: "cy" } });
    const told = async (position: bigint, resource?: string): Promise<unknown> => {
      const { access, own } = await past.access({ kind: "position", position }, resource === undefined ? {} : { resource });
      const areasOf = (wanted: string, all: (typeof own)[number]["decisions"]): number | readonly string[] => {
        const allowed = all.filter(({ action, decision }) => action === wanted && decision.effect === "allow").map(({ area }) => area);
        return allowed.length === areas.length ? allowed.length : allowed;
      };
      return [
        own.map(({ principal, decisions }) => [principal.id, areasOf("replay", decisions), areasOf("administer", decisions)]),
        access
          .filter(({ decisions }) => decisions.some(({ action, decision }) => action === "replay" && decision.effect === "allow"))
          .map(({ principal }) => principal.id),
      ];
    };
    const all = areas.length;
    assert.deepEqual(await told(untold), [
      [
        ["ana", [], []],
        ["bo", all, []],
        ["cy", all, all],
      ],
      ["bo", "cy"],
    ]);
    assert.deepEqual(await told(await head()), [
      [
        ["ana", [], []],
        ["bo", [], []],
        ["cy", [], ["policy"]],
      ],
      ["bo"],
    ]);
    assert.deepEqual(await told(await head(), "orders"), [[], ["bo"]]);
  });
});

describe("a decision that is taken again", () => {
  it("comes to the same answer under the policy, the groups and the resource of its time", async (t) => {
    const { app, past, record, allowed, decide, ana } = await world(t);
    const id = await record(allowed(decide(ana())));
    const refused = decide({ ...human("bo"), groups: [] });
    await app.policies.publish(files("nobody"), "second", admin);
    await app.identities.put({ ...human("ana"), groups: [] }, admin);
    await app.resources.offer("a1", []);
    const explained = await past.explain(id, 1);
    assert.ok(holds(explained), JSON.stringify(explained.decision?.again.differences));
    assert.deepEqual(explained.decision?.again.principal?.groups, ["engineers"]);
    assert.ok(holds(await past.explain(id, 0)), "the opening of the session");
    assert.equal(refused.effect, "deny");
    await assert.rejects(past.explain(randomUUID(), 1), fails("session.not_found"));
    await assert.rejects(past.explain(id, 2), fails("input.invalid"));
  });

  it("differs loudly where the record says what policy did not", async (t) => {
    const { past, record, allowed, decide, ana, app } = await world(t);
    const right = decide(ana());
    const wrong: readonly (readonly [SessionEvent, RegExp])[] = [
      [allowed({ ...right, rules: ["another"] }), /^Rules: recorded another, now run\.$/],
      [allowed({ ...right, reason: "because" }), /^Reason: /],
      [allowed({ ...right, policyVersion: "p0123456789ab" }), /p0123456789ab is not in the ledger/],
      [
        { ...denied(1, "policy.denied"), data: { ...denied(1, "policy.denied").data, decision: recordDecision(right) } } as SessionEvent,
        /^Effect: recorded deny, now allow/,
      ],
    ];
    for (const [event, difference] of wrong) {
      const explained = await past.explain(await record(event), 1);
      assert.ok(!holds(explained));
      assert.match(explained.decision?.again.differences[0] ?? "", difference);
    }
    const older = await app.policies.publish(files("nobody"), "second", admin);
    const unforced = { ...right, policyVersion: older };
    await app.policies.publish(files("somebody"), "third", admin);
    const explained = await past.explain(await record(allowed(unforced)), 1);
    assert.ok(!holds(explained), "nobody may do this under the second policy");
  });

  it("differs when fewer obligations were recorded than policy asks for, and not when a unit asked for more", async (t) => {
    const { past, record, allowed, app, ana, decide } = await world(t);
    await app.policies.publish(
      [
        {
          name: "a.cedar",
          text: `@id("o") permit (principal, action == Action::"open", resource);\n@id("r") @rowCap("10") permit (principal, action == Action::"run", resource);`,
        },
      ],
      "",
      admin,
    );
    const decision = decide(ana());
    assert.equal(decision.obligations.rowCap, 10);
    assert.ok(holds(await past.explain(await record(allowed(decision)), 1)));
    assert.ok(holds(await past.explain(await record(allowed(decision, { ...noObligations, rowCap: 5 })), 1)));
    const less = await past.explain(await record(allowed(decision, noObligations)), 1);
    assert.match(less.decision?.again.differences.join() ?? "", /^Obligations/);
  });

  it("holds for what used up an approval, whether policy asked for one or allowed it anyway, and not for what policy denies", async (t) => {
    const { past, record, allowed, app, ana, decide } = await world(t);
    const rules = (asks: string) => [
      {
        name: "a.cedar",
        text: `@id("open") permit (principal, action == Action::"open", resource);\n@id("run") permit (principal in Group::"engineers", action == Action::"run", resource)${asks};`,
      },
    ];
    const used = async (decision: Decision): Promise<readonly string[]> => {
      const event = allowed(decision);
      const data = { ...event.data, approvalId: randomUUID() };
      const { decision: explained } = await past.explain(await record({ ...event, data } as SessionEvent), 1);
      return explained?.again.differences ?? ["nothing was explained"];
    };
    const freely = decide(ana());
    assert.equal(freely.effect, "allow");
    assert.deepEqual(await used(freely), []);
    await app.policies.publish(rules(" when { context.approvals >= 1 }"), "", admin);
    const asked = decide(ana());
    assert.equal(asked.effect, "needs_approval");
    assert.deepEqual(await used(asked), []);
    // What nobody asked for does not pass for what was asked for.
    assert.match((await used({ ...asked, reason: freely.reason })).join(), /^Reason: /);
    assert.match((await used({ ...asked, rules: ["another"] })).join(), /^Rules: /);
    await app.policies.publish(files("nobody"), "", admin);
    assert.match((await used(decide(ana()))).join(), /^Effect: recorded allow or needs_approval, now deny/);
  });

  it("holds for a change that came between the decision and its record, and says where that was", async (t) => {
    const { ledger, past, record, allowed, app, ana, decide, head } = await world(t);
    const decision = decide(ana());
    await app.identities.put({ ...human("ana"), groups: [] }, admin);
    const change = await head();
    const explained = await past.explain(await record(allowed(decision)), 1);
    assert.ok(holds(explained));
    assert.equal(explained.decision?.again.beforeChangeAt, change);

    // A role that was lost long before is no excuse.
    const late = createTimeTravel({ ledger: longAgo(ledger, change), clock: { now: () => new Date() }, compiler });
    assert.ok(!holds(await late.explain(explained.sessionId, 1)));
  });

  it("was under the version that a node kept, where it recorded that it could not load the one in force", async (t) => {
    const { ledger, record, allowed, ana, decide, app, version, head } = await world(t);
    const decision = decide(ana());
    const later = await app.policies.publish(files("nobody"), "second", admin);
    const past = createTimeTravel({ ledger: longAgo(ledger, await head()), clock: { now: () => new Date() }, compiler });
    const kept = await record(allowed(decision));
    assert.ok(!holds(await past.explain(kept, 1)));
    const failed = { type: "PolicyLoadFailed", data: { nodeId: "old", policyVersion: later, keeps: version, cause: "" } } as const;
    await ledger.append("node-old", [newEvent(randomUUID(), failed, admin, new Date().toISOString())], "none");
    const explained = await past.explain(await record(allowed(decision)), 1);
    assert.deepEqual([explained.decision?.again.verdict, explained.decision?.again.differences], ["same", []]);
  });

  it("is not taken under a text that is not the one of its version", async (t) => {
    const { ledger, past, record, allowed, ana, decide } = await world(t);
    const decision = decide(ana());
    const version = policyVersion(files("forged"));
    const forged = newEvent(
      randomUUID(),
      {
        type: "PolicyProposed",
        data: {
          version,
          digest: "",
          files: files("engineers"),
          names: { groups: [], labels: [] },
          reason: "",
          base: "",
          proposedBy: "ana",
          required: 0,
        },
      },
      admin,
      new Date().toISOString(),
    );
    await ledger.append(policyStream(), [forged], 1n);
    await assert.rejects(past.explain(await record(allowed({ ...decision, policyVersion: version })), 1), fails("ledger.corrupt"));
  });

  it("is told apart from what was never put to policy", async (t) => {
    const { ledger, past } = await world(t);
    const id = randomUUID();
    const events = [requested(id), { type: "SessionRefused", data: { sessionId: id, code: "resource.not_found", message: "no" } } as SessionEvent];
    await ledger.append(
      sessionStream(id),
      events.map((event) => newEvent(randomUUID(), event, admin, new Date().toISOString())),
      "none",
    );
    const explained = await past.explain(id, 0);
    assert.equal(explained.decision, undefined);
    assert.ok(holds(explained));
  });
});

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
