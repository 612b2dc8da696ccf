import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { approvalStream } from "../domain/approval/approval.events.ts";
import { approvalRequest, human, machine, orders } from "./testing/samples.ts";
import { admin, collect, fails, setStage, typesIn, until } from "./testing/stage.ts";

const never = new AbortController().signal;

async function setUp(t: TestContext, quorum = 1) {
  const stage = await setStage(t);
  const { app } = stage;
  const version = await app.policies.publish([{ name: "a", text: "approvers: bo cy di ci" }], "first", admin);
  await app.resources.offer("a1", [orders]);
  await app.approvals.request("ap1", approvalRequest("s1", version, quorum), admin);
  const bound = { sessionId: "s1", commandId: 2, digest: "ab".repeat(32), policyVersion: version };
  return { ...stage, version, bound, types: () => typesIn(stage.ledger, approvalStream("ap1")) };
}

describe("an approval", () => {
  it("waits until somebody decides, and tells who waits", async (t) => {
    const { app } = await setUp(t);
    const settled = app.approvals.settled("ap1", never);
    assert.equal(app.approvals.find("ap1")?.state, "pending");
    const view = await app.approvals.approve("ap1", human("bo"), "ok", undefined, admin);
    assert.deepEqual([view.state, view.approvers, view.decidedBy, view.comment], ["granted", ["bo"], "bo", "ok"]);
    assert.equal((await settled).state, "granted");
    assert.equal((await app.approvals.settled("ap1", never)).state, "granted");
  });

  it("stops waiting when told to, and only then", async (t) => {
    const { app } = await setUp(t);
    const stop = new AbortController();
    const settled = app.approvals.settled("ap1", stop.signal);
    stop.abort(new Error("client gone"));
    await assert.rejects(settled, /client gone/);
    await assert.rejects(app.approvals.settled("ap1", stop.signal), /client gone/);
  });

  it("decided on another node reaches who waits here", async (t) => {
    const { app, restart } = await setUp(t);
    const settled = app.approvals.settled("ap1", never);
    await (await restart()).approvals.deny("ap1", human("bo"), "no", admin);
    assert.equal((await settled).state, "denied");
  });

  it("by two at once, with a quorum of two, is granted once and loses nobody", async (t) => {
    const { app, restart, types } = await setUp(t, 2);
    const other = await restart();
    await Promise.all([app.approvals.approve("ap1", human("bo"), "", undefined, admin), other.approvals.approve("ap1", human("cy"), "", undefined, admin)]);
    assert.deepEqual(await types(), ["ApprovalRequested", "ApprovalGiven", "ApprovalGiven", "ApprovalGranted"]);
    await until("both see it", () => app.approvals.find("ap1")?.state === "granted" && other.approvals.find("ap1")?.state === "granted");
  });

  it("approved and denied at once is one of both", async (t) => {
    const { app, restart, types } = await setUp(t);
    const other = await restart();
    const results = await Promise.allSettled([
      app.approvals.approve("ap1", human("bo"), "", undefined, admin),
      other.approvals.deny("ap1", human("cy"), "", admin),
    ]);
    assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
    for (const result of results) if (result.status === "rejected") assert.ok(fails("approval.already_decided")(result.reason));
    const recorded = await types();
    assert.notEqual(recorded.includes("ApprovalGranted"), recorded.includes("ApprovalDenied"));
  });

  it("consumed by many at once is consumed once", async (t) => {
    const { app, restart, bound, types } = await setUp(t);
    await app.approvals.approve("ap1", human("bo"), "", undefined, admin);
    const other = await restart();
    const results = await Promise.allSettled([app, other, app, other].map(({ approvals }) => approvals.consume("ap1", bound, admin)));
    assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
    for (const result of results) if (result.status === "rejected") assert.ok(fails("approval.already_decided")(result.reason));
    assert.equal((await types()).filter((type) => type === "ApprovalConsumed").length, 1);
  });

  it("is not given by the requester, by a machine, by whom policy does not name, or for what was not shown", async (t) => {
    const { app } = await setUp(t);
    await assert.rejects(app.approvals.approve("ap1", human("ana"), "", undefined, admin), fails("approval.self"));
    await assert.rejects(app.approvals.approve("ap1", machine("ci"), "", undefined, admin), fails("approval.machine"));
    await assert.rejects(app.approvals.approve("ap1", human("ed"), "", undefined, admin), fails("auth.forbidden"));
    await assert.rejects(app.approvals.deny("ap1", human("ed"), "", admin), fails("auth.forbidden"));
    await assert.rejects(app.approvals.approve("ap1", human("bo"), "", "cd".repeat(32), admin), fails("approval.drift"));
    await assert.rejects(app.approvals.approve("none", human("bo"), "", undefined, admin), fails("approval.not_found"));
    const delegate = { ...admin, actor: { kind: "human", id: "bo", onBehalfOf: "ana" } } as const;
    await assert.rejects(app.approvals.approve("ap1", human("bo"), "", undefined, delegate), fails("approval.self"));
  });

  it("records with each yes and no the decision of policy that let this person decide (I14)", async (t) => {
    const { app, ledger, version } = await setUp(t, 2);
    await app.approvals.approve("ap1", human("bo"), "", undefined, admin);
    await app.approvals.deny("ap1", human("cy"), "", admin);
    const decisions = (await collect(ledger.readStream(approvalStream("ap1")))).slice(1).map(({ type, data }) => [type, "decision" in data && data.decision]);
    const decision = { policyVersion: version, rules: ["the-rule"], reason: "by the list" };
    assert.deepEqual(decisions, [
      ["ApprovalGiven", decision],
      ["ApprovalDenied", decision],
    ]);
  });

  it("is not given for a resource that is gone", async (t) => {
    const { app } = await setUp(t);
    await app.resources.offer("a1", []);
    await assert.rejects(app.approvals.approve("ap1", human("bo"), "", undefined, admin), fails("auth.forbidden"));
  });

  it("asked for through a delegate is not given by whom the delegate acts for", async (t) => {
    const { app, version } = await setUp(t);
    await app.approvals.request("ap2", approvalRequest("s1", version, 1), { ...admin, actor: { kind: "machine", id: "ana", onBehalfOf: "di" } });
    await assert.rejects(app.approvals.approve("ap2", human("di"), "", undefined, admin), fails("approval.self"));
  });

  it("is void once the policy changed, for who approves and for what runs", async (t) => {
    const { app, version, bound } = await setUp(t);
    await app.approvals.request("ap2", approvalRequest("s1", version, 1), admin);
    await app.approvals.approve("ap2", human("bo"), "", undefined, admin);
    const now = await app.policies.publish([{ name: "a", text: "approvers: bo" }], "second", admin);
    await assert.rejects(app.approvals.approve("ap1", human("bo"), "", undefined, admin), fails("approval.drift"));
    await assert.rejects(app.approvals.consume("ap2", { ...bound, policyVersion: now }, admin), fails("approval.drift"));
  });

  it("asked for again after a lost answer is asked for once", async (t) => {
    const { app, ledger, version } = await setUp(t);
    ledger.line = "lose";
    await assert.rejects(app.approvals.request("ap2", approvalRequest("s1", version, 1), admin), fails("ledger.unavailable"));
    ledger.line = "good";
    await app.approvals.request("ap2", approvalRequest("s1", version, 1), admin);
    assert.deepEqual(await typesIn(ledger, approvalStream("ap2")), ["ApprovalRequested"]);
  });
});

describe("the expiry of approvals", () => {
  it("is recorded at the deadline, told to who waits, and not before", async (t) => {
    const { app, time, types } = await setUp(t);
    const settled = app.approvals.settled("ap1", never);
    time.advance(10 * 60_000 - 1);
    assert.equal(app.approvals.find("ap1")?.state, "pending");
    time.advance(1);
    assert.equal((await settled).state, "expired");
    assert.deepEqual(await types(), ["ApprovalRequested", "ApprovalExpired"]);
    await assert.rejects(app.approvals.approve("ap1", human("bo"), "", undefined, admin), fails("approval.expired"));
  });

  it("is recorded after a restart that missed the deadline", async (t) => {
    const { app, restart, time } = await setUp(t);
    await app.close();
    time.advance(60 * 60_000);
    const again = await restart();
    time.advance(0);
    assert.equal((await again.approvals.settled("ap1", never)).state, "expired");
  });

  it("is tried again when the ledger was away at the deadline", async (t) => {
    const { app, time, ledger } = await setUp(t);
    ledger.line = "refuse";
    time.advance(10 * 60_000);
    await until("refused", () => app.failClosed.state().kind === "closed");
    assert.equal(app.approvals.find("ap1")?.state, "pending");
    ledger.line = "good";
    await until("expired", () => {
      time.advance(1_000);
      return app.approvals.find("ap1")?.state === "expired";
    });
  });

  it("of what was decided in time leaves no timer behind", async (t) => {
    const { app, time, bound } = await setUp(t);
    const before = time.pending;
    await app.approvals.approve("ap1", human("bo"), "", undefined, admin);
    assert.equal(time.pending, before);
    await app.approvals.consume("ap1", bound, admin);
    assert.equal(time.pending, before - 1);
  });
});
