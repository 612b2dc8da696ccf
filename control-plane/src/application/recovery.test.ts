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

  it("leaves alone what belongs to another node", async (t) => {
    const { app, ledger, restart, join } = await setStage(t);
    await app.recovery.run("0.1.0");
    const other = await join("two");
    assert.deepEqual(await other.recovery.run("0.1.0"), { sessions: 0, approvals: 0, agents: 0 });
    const [here, there] = [randomUUID(), randomUUID()];
    for (const [node, nodeId, id] of [
      [app, "one", here],
      [other, "two", there],
    ] as const) {
      const { secret, agentId } = await node.agents.issueJoinSecret(`agent-${nodeId}`, 60, admin);
      await node.agents.enrol(`agent-${nodeId}`, secret);
      await node.agents.connected(agentId, { version: "0.1.0", address: "192.0.2.7:1", certificateFingerprint: "ff", resources: [] });
      await node.openRecord(id).append([requested(id, undefined, undefined, nodeId), opened(id), held(1, `ap-${nodeId}`)], admin);
      await node.approvals.request(`ap-${nodeId}`, approvalRequest(id, "p1", 1), admin);
    }

    const again = await restart();
    assert.deepEqual(await again.recovery.run("0.1.0"), { sessions: 1, approvals: 1, agents: 1 });
    assert.equal((await typesIn(ledger, sessionStream(there))).length, 3);
    assert.deepEqual(await typesIn(ledger, approvalStream("ap-two")), ["ApprovalRequested"]);
    assert.deepEqual(
      again.agents.list().map(({ name, connected }) => [name, connected]),
      [
        ["agent-one", false],
        ["agent-two", true],
      ],
    );
    assert.deepEqual(await (await join("two")).recovery.run("0.1.0"), { sessions: 1, approvals: 1, agents: 1 });
  });

  it("withdraws an approval whose session was ended in the record before it was killed again", async (t) => {
    const { app, restart } = await setStage(t);
    await app.recovery.run("0.1.0");
    const id = randomUUID();
    await app.openRecord(id).append([requested(id), opened(id), held(1, "ap1"), ended(id)], admin);
    await app.approvals.request("ap1", approvalRequest(id, "p1", 1), admin);
    assert.deepEqual(await (await restart()).recovery.run("0.1.0"), { sessions: 0, approvals: 1, agents: 0 });
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
