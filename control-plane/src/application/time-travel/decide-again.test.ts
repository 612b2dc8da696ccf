import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it, type TestContext } from "node:test";
import { createCedarCompiler } from "../../policy/compiler.ts";
import { type Decision, noObligations, recordDecision } from "../../domain/decision.ts";
import { policyStream } from "../../domain/policy/policy.events.ts";
import { type SessionEvent, sessionStream } from "../../domain/session/session.events.ts";
import type { Ledger } from "../../ledger/ledger.ts";
import { newEvent } from "../new-event.ts";
import { policyVersion } from "../policy-version.ts";
import { denied, human, requested } from "../testing/samples.ts";
import { admin, fails } from "../testing/stage.ts";
import { RECORD_LAG_MS } from "./decide-again.ts";
import { holds } from "./explain.ts";
import { createTimeTravel } from "./time-travel.ts";
import { files, makeWorld, type World } from "./world.fixture.ts";

const compiler = createCedarCompiler();
const world = (t: TestContext, behindMs = 0): Promise<World> => makeWorld(t, compiler, behindMs);

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
