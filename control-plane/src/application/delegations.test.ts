import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { approvalStream } from "../domain/approval/approval.events.ts";
import type { Principal } from "../domain/decision.ts";
import { delegationStream } from "../domain/delegation/delegation.events.ts";
import { createCedarCompiler } from "../policy/compiler.ts";
import { grantStream } from "../domain/grant/grant.events.ts";
import { MAX_DELEGATIONS_OF_ONE } from "./delegations.ts";
import { approvalRequest, human, machine, orders } from "./testing/samples.ts";
import { admin, collect, fails, setStage, typesIn, until } from "./testing/stage.ts";

const policy = `
  @id("ask") permit (principal, action == Action::"request", resource) when { context.approvals >= 1 };
  @id("approve") permit (principal in Group::"approvers", action == Action::"approve", resource);`;
const ana: Principal = { ...human("ana"), groups: ["approvers"] };
const bo: Principal = { ...human("bo"), groups: ["approvers", "dba"] };
const di = human("di");
const eve = human("eve");
const robot = machine("robot");
const away = { seconds: 3_600, reason: "at the dentist" };
const HOUR_MS = 3_600_000;

async function scene(t: TestContext, quorum = 1) {
  const stage = await setStage(t, { policies: createCedarCompiler() });
  const { app } = stage;
  for (const who of [ana, bo, di, eve, robot]) await app.identities.put(who, admin);
  await app.resources.offer("a1", [orders]);
  const version = await app.policies.publish([{ name: "a.cedar", text: policy }], "first", admin);
  await app.approvals.request("ap1", approvalRequest("s1", version, quorum, "2026-11-22T20:00:00.000Z"), admin);
  const approve = (by: Principal) => app.approvals.approve("ap1", by, "", undefined, admin);
  return { ...stage, version, approve };
}

describe("somebody in another's place", () => {
  it("agrees to what the other may agree to, and is recorded with both", async (t) => {
    const { app, ledger, approve } = await scene(t);
    await assert.rejects(approve(di), fails("auth.forbidden"));
    assert.equal(app.approvals.mayDecide(app.approvals.find("ap1") ?? assert.fail(), di), false);
    await app.delegations.give({ ...away, to: "di" }, bo, admin);
    assert.equal(app.approvals.mayDecide(app.approvals.find("ap1") ?? assert.fail(), di), true);
    const view = await approve(di);
    assert.deepEqual([view.state, view.approvers], ["granted", ["di"]]);
    const [, given] = await collect(ledger.readStream(approvalStream("ap1")));
    const { by, onBehalfOf, decision } = (given ?? assert.fail()).data as { by: string; onBehalfOf: string; decision: { rules: readonly string[] } };
    assert.deepEqual([by, onBehalfOf, decision.rules], ["di", "bo", ["approve"]]);
  });

  it("refuses in it too", async (t) => {
    const { app } = await scene(t);
    await app.delegations.give({ ...away, to: "di" }, bo, admin);
    assert.equal((await app.approvals.deny("ap1", di, "no", admin)).state, "denied");
  });

  it("revokes in it, and is recorded with both; in their own name where they may themselves", async (t) => {
    const { app, ledger, approve } = await scene(t);
    const access = { resource: "orders", durationSeconds: 600, reason: "incident", ticket: "" };
    const { id } = await app.grants.request(access, ana, admin);
    const grant = await app.grants.approve(id, bo, "", admin);
    await app.approvals.approve("ap1", bo, "", undefined, admin, { seconds: 600 });
    const approval = app.approvals.find("ap1") ?? assert.fail();
    assert.deepEqual([app.grants.inWhoseName(grant, di), app.approvals.inWhoseName(approval, di)], [undefined, undefined]);
    await app.delegations.give({ ...away, to: "di" }, bo, admin);
    await app.delegations.give({ ...away, to: "ana" }, bo, admin);
    assert.deepEqual(app.grants.inWhoseName(grant, ana), { id: "ana", kind: "human" });
    const [ofGrant, ofApproval] = [app.grants.inWhoseName(grant, di), app.approvals.inWhoseName(approval, di)];
    assert.deepEqual([ofGrant?.onBehalfOf, ofApproval?.onBehalfOf], ["bo", "bo"]);
    await app.grants.revoke(id, ofGrant ?? assert.fail(), "over", admin);
    await app.approvals.revoke("ap1", ofApproval ?? assert.fail(), "over", admin);
    for (const stream of [grantStream(id), approvalStream("ap1")]) {
      const last = (await collect(ledger.readStream(stream))).at(-1);
      const { by, onBehalfOf } = (last ?? assert.fail()).data as { by: string; onBehalfOf: string };
      assert.deepEqual([by, onBehalfOf], ["di", "bo"]);
    }
    await assert.rejects(approve(di), fails("approval.already_decided"));
  });

  it("counts as one with whoever's place it is, whichever of them speaks first", async (t) => {
    const { app, approve } = await scene(t, 2);
    await app.delegations.give({ ...away, to: "di" }, bo, admin);
    await approve(di);
    await assert.rejects(approve(bo), fails("approval.already_decided"));
    assert.equal(app.approvals.find("ap1")?.state, "pending");
    const second = await scene(t, 2);
    await second.app.delegations.give({ ...away, to: "di" }, bo, admin);
    await second.approve(bo);
    await assert.rejects(second.approve(di), fails("approval.already_decided"));
    assert.equal(second.app.approvals.find("ap1")?.state, "pending");
  });

  it("is not the requester, nor in the requester's place", async (t) => {
    const { app, approve } = await scene(t);
    await app.delegations.give({ ...away, to: "ana" }, bo, admin);
    await assert.rejects(approve(ana), fails("approval.self"));
    await app.delegations.give({ ...away, to: "di" }, ana, admin);
    await assert.rejects(approve(di), fails("approval.self"));
  });

  it("speaks for whoever still counts, when others whose place they may take do not", async (t) => {
    const { app, approve } = await scene(t, 2);
    for (const who of [ana, bo, { ...eve, groups: ["approvers"] }]) {
      await app.identities.put(who, admin);
      await app.delegations.give({ ...away, to: "di" }, who, admin);
    }
    await approve(bo);
    assert.equal((await approve(di)).state, "granted");
    assert.deepEqual(app.approvals.find("ap1")?.votes.at(-1), { by: "di", step: 0, onBehalfOf: "eve" });
  });

  it("refuses for whoever may, when it is the requester who let them decide first", async (t) => {
    const { app } = await scene(t);
    for (const who of [ana, bo]) await app.delegations.give({ ...away, to: "di" }, who, admin);
    assert.equal((await app.approvals.deny("ap1", di, "no", admin)).state, "denied");
  });

  it("has what the other has now: nothing of who was disabled or left, and nothing that was only lent", async (t) => {
    const { app, approve } = await scene(t);
    await app.delegations.give({ ...away, to: "di" }, bo, admin);
    await app.delegations.give({ ...away, to: "eve" }, di, admin);
    await assert.rejects(approve(eve), fails("auth.forbidden"));
    await app.identities.put({ ...bo, groups: [] }, admin);
    await assert.rejects(approve(di), fails("auth.forbidden"));
    await app.identities.put(bo, admin);
    await app.identities.disable("bo", "left", admin);
    await assert.rejects(approve(di), fails("auth.forbidden"));
  });

  it("ends when either takes it back, and on time by the clock", async (t) => {
    const { app, time, ledger, approve, restart } = await scene(t);
    const first = await app.delegations.give({ ...away, to: "di" }, bo, admin);
    await app.delegations.end(first.id, di, "", admin);
    await assert.rejects(approve(di), fails("auth.forbidden"));
    await assert.rejects(app.delegations.end(first.id, bo, "", admin), fails("approval.already_decided"));
    const { id } = await app.delegations.give({ ...away, to: "di" }, bo, admin);
    assert.equal((await restart()).delegations.find(id)?.state, "open");
    time.advance(HOUR_MS);
    await assert.rejects(approve(di), fails("auth.forbidden"));
    await until("its end is recorded", async () => (await typesIn(ledger, delegationStream(id))).at(-1) === "DelegationExpired");
  });

  it("begins when it says, by the clock, and is shown as scheduled until then", async (t) => {
    const { app, time, ledger, approve, restart } = await scene(t);
    const startsAt = new Date(time.now().getTime() + HOUR_MS);
    const { id, state } = await app.delegations.give({ ...away, to: "di", startsAt }, bo, admin);
    assert.equal(state, "scheduled");
    await assert.rejects(approve(di), fails("auth.forbidden"));
    time.advance(HOUR_MS - 1);
    await assert.rejects(approve(di), fails("auth.forbidden"));
    assert.equal(app.delegations.find(id)?.state, "scheduled");
    const restarted = await restart();
    assert.deepEqual(
      restarted.delegations.list().map((each) => each.state),
      ["scheduled"],
    );
    time.advance(1);
    assert.equal(restarted.delegations.find(id)?.state, "open");
    assert.equal((await approve(di)).state, "granted");
    time.advance(HOUR_MS);
    assert.equal(app.delegations.find(id)?.state, "expired");
    await until("its end is recorded", async () => (await typesIn(ledger, delegationStream(id))).at(-1) === "DelegationExpired");
  });

  it("that is scheduled can be taken back, and is one of the few", async (t) => {
    const { app, time, approve } = await scene(t);
    const startsAt = new Date(time.now().getTime() + HOUR_MS);
    const given = [];
    for (let n = 0; n < MAX_DELEGATIONS_OF_ONE; n++) given.push(await app.delegations.give({ ...away, to: "di", startsAt }, bo, admin));
    await assert.rejects(app.delegations.give({ ...away, to: "di" }, bo, admin), fails("session.limit"));
    for (const { id } of given) assert.equal((await app.delegations.end(id, bo, "at home after all", admin)).state, "ended");
    time.advance(HOUR_MS);
    await assert.rejects(approve(di), fails("auth.forbidden"));
  });

  it("is for people, and for few at a time", async (t) => {
    const { app } = await scene(t);
    await assert.rejects(app.delegations.give({ ...away, to: "robot" }, bo, admin), fails("approval.machine"));
    await assert.rejects(app.delegations.give({ ...away, to: "di" }, robot, admin), fails("approval.machine"));
    await assert.rejects(app.delegations.give({ ...away, to: "nobody" }, bo, admin), fails("input.invalid"));
    for (let n = 0; n < MAX_DELEGATIONS_OF_ONE; n++) await app.delegations.give({ ...away, to: "di" }, bo, admin);
    await assert.rejects(app.delegations.give({ ...away, to: "eve" }, bo, admin), fails("session.limit"));
    for (let n = 1; n < MAX_DELEGATIONS_OF_ONE; n++) await app.delegations.give({ ...away, to: "di" }, human(`p${n}`), admin);
    await assert.rejects(app.delegations.give({ ...away, to: "di" }, eve, admin), fails("session.limit"));
  });

  it("decides on access too", async (t) => {
    const { app } = await scene(t);
    await app.delegations.give({ ...away, to: "di" }, bo, admin);
    const { id } = await app.grants.request({ resource: "orders", durationSeconds: 600, reason: "stuck", ticket: "" }, eve, admin);
    assert.deepEqual((await app.grants.approve(id, di, "", admin)).state, "open");
  });

  it("is forgotten like everything else", async (t) => {
    const { app } = await scene(t);
    const { id } = await app.delegations.give({ ...away, to: "di" }, bo, admin);
    app.live.rename("bo", "forgotten-1");
    const { from, to, reason } = app.delegations.find(id) ?? assert.fail();
    assert.deepEqual([from, to, reason], ["forgotten-1", "di", "(forgotten)"]);
  });
});
