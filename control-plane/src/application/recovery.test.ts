import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import { approvalStream } from "../domain/approval/approval.events.ts";
import { nodeStream } from "../domain/node/node.events.ts";
import { sessionStream } from "../domain/session/session.events.ts";
import { approvalRequest, authorized, completed, ended, held, opened, requested } from "./testing/samples.ts";
import { admin, setStage, typesIn } from "./testing/stage.ts";

describe("recovering from a run that was killed", () => {
  it("ends its sessions, withdraws its approvals, disconnects its agents, and says that it started", async (t) => {
    const { app, ledger, restart } = await setStage(t);
    await app.recovery.run("0.1.0");
    const { secret, agentId } = await app.agents.issueJoinSecret("warehouse", 60, admin);
    await app.agents.enrol("warehouse", secret);
    await app.agents.connected(agentId, { version: "0.1.0", address: "192.0.2.7:1", certificateFingerprint: "ff", resources: [] });
    const [running, done] = [randomUUID(), randomUUID()];
    await app.openRecord(running).append([requested(running), opened(running), authorized(1), held(2, "ap1")], admin);
    await app.approvals.request("ap1", approvalRequest(running, "p1", 1), admin);
    await app.openRecord(done).append([requested(done), opened(done), authorized(1), completed(1), ended(done)], admin);

    const again = await restart();
    assert.deepEqual(await again.recovery.run("0.1.0"), { sessions: 1, approvals: 1, agents: 1 });
    assert.deepEqual((await typesIn(ledger, sessionStream(running))).slice(4), ["CommandCompleted", "SessionEnded"]);
    assert.equal((await typesIn(ledger, sessionStream(done))).length, 5);
    assert.deepEqual(await typesIn(ledger, approvalStream("ap1")), ["ApprovalRequested", "ApprovalWithdrawn"]);
    assert.equal(again.agents.requireEnrolled(agentId).connected, false);
    assert.deepEqual(await typesIn(ledger, nodeStream("one")), ["NodeStarted", "NodeStarted"]);
  });

  it("changes nothing when repeated, also after being killed half way", async (t) => {
    const { app, ledger, restart } = await setStage(t);
    await app.recovery.run("0.1.0");
    const ids = Array.from({ length: 40 }, () => randomUUID());
    for (const id of ids) await app.openRecord(id).append([requested(id), opened(id)], admin);
    const second = await restart();
    let left = 17;
    ledger.before = () => {
      if (left-- === 0) ledger.line = "refuse";
    };
    await assert.rejects(second.recovery.run("0.1.0"));
    ledger.before = undefined;
    ledger.line = "good";
    const third = await restart();
    const { sessions } = await third.recovery.run("0.1.0");
    assert.ok(sessions > 0 && sessions < 40);
    for (const id of ids) assert.deepEqual(await typesIn(ledger, sessionStream(id)), ["SessionRequested", "SessionOpened", "SessionEnded"]);
    assert.deepEqual(await (await restart()).recovery.run("0.1.0"), { sessions: 0, approvals: 0, agents: 0 });
  });

  it("finds nothing to do after an orderly stop", async (t) => {
    const { app, ledger, restart } = await setStage(t);
    await app.recovery.run("0.1.0");
    await app.close();
    assert.deepEqual(await (await restart()).recovery.run("0.1.0"), { sessions: 0, approvals: 0, agents: 0 });
    assert.deepEqual(await typesIn(ledger, nodeStream("one")), ["NodeStarted", "NodeStopped", "NodeStarted"]);
  });
});
