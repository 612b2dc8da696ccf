import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it, type TestContext } from "node:test";
import { createCedarCompiler } from "../../policy/compiler.ts";
import { areas } from "../../domain/decision.ts";
import { identityStream } from "../../domain/identity/identity.events.ts";
import { approvalRequest, human } from "../testing/samples.ts";
import { admin, fails } from "../testing/stage.ts";
import { files, makeWorld, type World } from "./world.fixture.ts";

const compiler = createCedarCompiler();
const world = (t: TestContext, behindMs = 0): Promise<World> => makeWorld(t, compiler, behindMs);

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
