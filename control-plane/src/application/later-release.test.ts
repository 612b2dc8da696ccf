import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import { erasureStream } from "../domain/erasure/erasure.events.ts";
import { approvalStream } from "../domain/approval/approval.events.ts";
import { grantStream } from "../domain/grant/grant.events.ts";
import { identityStream } from "../domain/identity/identity.events.ts";
import { policyStream } from "../domain/policy/policy.events.ts";
import { resourceStream } from "../domain/resource/resource.events.ts";
import { sessionStream } from "../domain/session/session.events.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { approvalRequest, human, orders } from "./testing/samples.ts";
import { admin, collect, fails, setStage, type Stage, until } from "./testing/stage.ts";

/** What a later release would write: a type that nobody knows here yet. */
async function writeLater(ledger: Ledger, stream: string, schemaVersion = 1, type = "SomethingNewer"): Promise<void> {
  const [last] = await collect(ledger.readStream(stream, { direction: "backwards", limit: 1 }));
  const metadata = { $correlationId: "c", actor: admin.actor, schemaVersion, at: "2026-11-22T10:00:00.000Z" };
  await ledger.append(stream, [{ id: randomUUID(), type, data: {}, metadata }], last?.revision ?? "none");
}

/** Until the view is behind it. */
async function closed({ app }: Pick<Stage, "app">, stream: string): Promise<void> {
  await until(`${stream} is closed`, () => app.live.closed.whyClosed(stream) !== undefined);
}

describe("an event of a later release", () => {
  it("closes its stream: nothing of it is found or listed, its decider refuses with a code, and others go on (V6)", async (t) => {
    const stage = await setStage(t);
    const { app, ledger } = stage;
    for (const id of ["ana", "bo"]) await app.identities.put(human(id), admin);
    await writeLater(ledger, identityStream("ana"));
    await closed(stage, identityStream("ana"));
    assert.equal(app.identities.find("ana"), undefined);
    assert.deepEqual(
      app.identities.list().map(({ id }) => id),
      ["bo"],
    );
    await assert.rejects(app.identities.disable("ana", "", admin), fails("ledger.newer"));
    await app.identities.put({ ...human("bo"), groups: ["dba"] }, admin);
    assert.equal(app.live.failure, undefined);
    assert.equal(app.live.closed.size, 1);
  });

  it("is the same where it is a later version of an event that is known", async (t) => {
    const stage = await setStage(t);
    await stage.app.identities.put(human("ana"), admin);
    await writeLater(stage.ledger, identityStream("ana"), 99, "RolesChanged");
    await closed(stage, identityStream("ana"));
    await assert.rejects(stage.app.identities.put({ ...human("ana"), groups: ["dba"] }, admin), fails("ledger.newer"));
  });

  it("lets nobody in by a token of its identity, which may have been revoked, and says why", async (t) => {
    const stage = await setStage(t);
    const { app, ledger } = stage;
    await app.identities.put(human("ana"), admin);
    const { token } = await app.identities.issueToken("ana", 60, "", admin);
    await writeLater(ledger, identityStream("ana"));
    await closed(stage, identityStream("ana"));
    await assert.rejects(app.identities.authenticate(token, "192.0.2.1:1"), fails("ledger.newer"));
  });

  it("ends the sessions of its identity, and of its resource", async (t) => {
    const stage = await setStage(t);
    const { app, ledger } = stage;
    const ended: string[] = [];
    for (const [sessionId, identityId, resource] of [
      ["s1", "ana", "orders"],
      ["s2", "bo", "stock"],
      ["s3", "bo", "orders"],
    ] as const)
      app.running.register({ sessionId, identityId, tokenId: "t", resource }, (cause) => ended.push(`${sessionId} ${cause}`));
    await writeLater(ledger, identityStream("ana"));
    await closed(stage, identityStream("ana"));
    assert.deepEqual(ended, ["s1 ledger_lost"]);
    await writeLater(ledger, resourceStream("stock"));
    await closed(stage, resourceStream("stock"));
    assert.deepEqual(ended, ["s1 ledger_lost", "s2 ledger_lost"]);
  });

  it("takes one resource from an agent that offers it, and not the others", async (t) => {
    const stage = await setStage(t);
    const { app, ledger } = stage;
    await writeLater(ledger, resourceStream("orders"));
    await closed(stage, resourceStream("orders"));
    const refused = await app.resources.offer("agent-1", [orders, { ...orders, name: "stock" }]);
    assert.deepEqual(
      refused.map(({ name, code }) => [name, code]),
      [["orders", "ledger.newer"]],
    );
    assert.throws(() => app.resources.requireReadable("orders"), fails("ledger.newer"));
    assert.equal(app.resources.find("stock")?.name, "stock");
  });

  it("tells whoever waits for its approval, which is used for nothing", async (t) => {
    const stage = await setStage(t);
    const { app, ledger } = stage;
    await app.policies.publish([{ name: "a", text: "approvers: bo" }], "", admin);
    const request = approvalRequest("s1", app.policies.current()?.version ?? "", 1);
    await app.approvals.request("ap1", request, admin);
    const waits = app.approvals.settled("ap1", new AbortController().signal);
    await writeLater(ledger, approvalStream("ap1"));
    await assert.rejects(waits, fails("ledger.newer"));
    await assert.rejects(app.approvals.settled("ap1", new AbortController().signal), fails("ledger.newer"));
    assert.equal(app.approvals.find("ap1"), undefined);
    assert.deepEqual(app.approvals.list(), []);
    await assert.rejects(app.approvals.approve("ap1", human("bo"), "", undefined, admin), fails("ledger.newer"));
  });

  it("lets the deadlines of its approval pass, rather than try for ever to record that", async (t) => {
    const stage = await setStage(t);
    const { app, ledger, time } = stage;
    await app.policies.publish([{ name: "a", text: "approvers: bo" }], "", admin);
    await app.approvals.request("ap1", approvalRequest("s1", app.policies.current()?.version ?? "", 1), admin);
    await writeLater(ledger, approvalStream("ap1"));
    await closed(stage, approvalStream("ap1"));
    const reads = t.mock.method(ledger, "readStream");
    time.advance(86_400_000);
    assert.ok(!reads.mock.calls.some(({ arguments: [stream] }) => stream === approvalStream("ap1")));
  });

  it("ends what goes by its grant", async (t) => {
    const stage = await setStage(t);
    const { app, ledger } = stage;
    await writeLater(ledger, grantStream("g1"));
    await closed(stage, grantStream("g1"));
    assert.throws(() => app.grants.requireOpen("g1"), fails("ledger.newer"));
    await assert.rejects(app.grants.load("g1"), fails("ledger.newer"));
  });

  it("lets nothing be decided where it is about policy, and says why; what is not decided goes on", async (t) => {
    const stage = await setStage(t);
    const { app, ledger } = stage;
    await app.identities.put(human("ana"), admin);
    await app.policies.publish([{ name: "a", text: "approvers: bo" }], "", admin);
    const { token } = await app.identities.issueToken("ana", 60, "", admin);
    await writeLater(ledger, policyStream());
    await closed(stage, policyStream());
    assert.equal(app.policies.current(), undefined);
    await assert.rejects(app.identities.authenticate(token, "192.0.2.1:1"), fails("ledger.newer"));
    await app.identities.put(human("bo"), admin);
    assert.equal(app.identities.find("bo")?.id, "bo");
  });

  it("leaves nobody alone with the policy: whom nothing can be said of may be an administrator, and must be asked (I5)", async (t) => {
    const stage = await setStage(t);
    const { app, ledger } = stage;
    for (const id of ["root", "bo"]) await app.identities.put({ ...human(id), groups: ["admins"] }, admin);
    const publish = (approvers: string): Promise<string> => app.policies.publish([{ name: "a", text: `approvers: ${approvers}` }], "", admin);
    const version = await publish("bo");
    await writeLater(ledger, identityStream("bo"));
    await closed(stage, identityStream("bo"));
    await assert.rejects(publish("root"), fails("policy.unapproved"));
    assert.equal(app.policies.published()?.version, version);
  });

  it("lets nobody be forgotten whose end cannot be recorded: their tokens would open something again after the update", async (t) => {
    const stage = await setStage(t);
    const { app, ledger, sealing } = stage;
    for (const id of ["root", "ana", "bo", "cy"]) await app.identities.put(human(id), admin);
    const { id } = await app.erasures.request("ana", "they asked", human("root"), admin);
    await writeLater(ledger, identityStream("ana"));
    await closed(stage, identityStream("ana"));
    await app.erasures.approve(id, human("bo"), "", admin);
    assert.equal((await app.erasures.approve(id, human("cy"), "", admin)).state, "granted");
    const again = await stage.restart();
    await again.erasures.recover();
    assert.equal((await again.erasures.list())[0]?.state, "granted");
    assert.ok(sealing.subjects.find("ana"), "her key is there");
    await assert.rejects(again.erasures.request("ana", "they asked again", human("root"), admin), fails("ledger.newer"));
  });

  it("does not keep a control plane from starting, nor its session from staying as it is in the record", async (t) => {
    const { app, ledger, restart } = await setStage(t);
    await app.recovery.run("1");
    await app.identities.put(human("ana"), admin);
    const streams = [identityStream("ana"), sessionStream("s1"), approvalStream("ap1"), erasureStream("e1")];
    for (const stream of streams) await writeLater(ledger, stream);
    await writeLater(ledger, sessionStream("s1"), 99, "SessionRequested");
    const again = await restart();
    await again.erasures.recover();
    assert.equal((await again.recovery.run("2")).sessions, 0);
    assert.deepEqual(
      (await collect(ledger.readStream(sessionStream("s1")))).map(({ type }) => type),
      ["SomethingNewer", "SessionRequested"],
    );
    await assert.rejects(again.erasures.list(), fails("ledger.newer"));
  });

  it("is met by a view built from zero as by one that was there (V1)", async (t) => {
    const stage = await setStage(t);
    const { app, ledger, restart } = stage;
    for (const id of ["ana", "bo"]) await app.identities.put(human(id), admin);
    await writeLater(ledger, identityStream("ana"));
    await closed(stage, identityStream("ana"));
    const again = await restart();
    assert.deepEqual([again.identities.list(), again.live.closed.size], [app.identities.list(), app.live.closed.size]);
  });
});
