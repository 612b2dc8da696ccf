import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import { eventId } from "../ledger/event-id.ts";
import { recordingStream } from "../domain/session/recording.events.ts";
import type { RecordedDecision } from "../domain/decision.ts";
import type { SessionEndCause, SessionEvent } from "../domain/session/session.events.ts";
import { newEvent } from "./new-event.ts";
import { approvalRequest, authorized, completed, ended, held, human, opened, requested } from "./testing/samples.ts";
import { admin, collect, fails, setStage } from "./testing/stage.ts";

describe("the list of sessions", () => {
  it("shows the last ones first, each in its state", async (t) => {
    const { app } = await setStage(t);
    const [first, second, third] = [randomUUID(), randomUUID(), randomUUID()];
    await app.openRecord(first).append([requested(first), opened(first), authorized(1), completed(1), ended(first)], admin);
    await app.openRecord(second).append([requested(second), opened(second)], admin);
    await app.openRecord(third).append([requested(third), { type: "SessionRefused", data: { sessionId: third, code: "policy.denied", message: "no" } }], admin);
    const listed = await app.sessions.list();
    assert.deepEqual(
      listed.map(({ id, state }) => [id, state]),
      [
        [third, "refused"],
        [second, "open"],
        [first, "ended"],
      ],
    );
    assert.deepEqual(
      (await app.sessions.list(1)).map(({ id }) => id),
      [third],
    );
    await assert.rejects(app.sessions.list(0), fails("input.invalid"));
    await assert.rejects(app.sessions.list(100_000), fails("input.invalid"));
  });

  it("shows one in full", async (t) => {
    const { app } = await setStage(t);
    const id = randomUUID();
    await app.openRecord(id).append([requested(id), opened(id), authorized(1), completed(1), held(2, "ap1"), ended(id)], admin);
    const { commands, rows, maskedCells, cause, identity } = await app.sessions.get(id);
    assert.deepEqual(
      [commands, rows, maskedCells, cause, identity],
      [{ authorized: 1, denied: 0, held: 1, released: 0, completed: 1 }, 1, 2, "client_closed", "ana"],
    );
    await assert.rejects(app.sessions.get(randomUUID()), fails("session.not_found"));
  });
});

describe("replaying a session", () => {
  it("shows its events, its recording and its approvals in the order of the record, and no others", async (t) => {
    const { app, ledger } = await setStage(t);
    await app.policies.publish([{ name: "a", text: "approvers: bo" }], "", admin);
    await app.resources.offer("a1", [{ name: "orders", protocol: "postgres", labels: {} }]);
    const [id, other] = [randomUUID(), randomUUID()];
    const [record, noise] = [app.openRecord(id), app.openRecord(other)];
    const output = (sequence: number) =>
      newEvent(
        eventId(`${id}:recording`, sequence),
        { type: "OutputRecorded", data: { sequence, commandId: 1, bytes: 1, gzipBase64: "" } },
        admin,
        "2026-11-22T10:00:00.000Z",
      );
    await record.append([requested(id), opened(id), authorized(1)], admin);
    await noise.append([requested(other), opened(other)], admin);
    await ledger.append(recordingStream(id), [output(0)], "none");
    void record.append([completed(1)], admin);
    await record.drained();
    // Asked for before the event that names it.
    await app.approvals.request("ap1", approvalRequest(id, app.policies.current()?.version ?? "", 1), admin);
    await record.append([held(2, "ap1")], admin);
    await app.approvals.approve("ap1", human("bo"), "", undefined, admin);
    await ledger.append(recordingStream(id), [output(1)], 0n);
    await record.append([ended(id)], admin);
    const replayed = await collect(app.sessions.replay(id));
    assert.deepEqual(
      replayed.map(({ type }) => type),
      "SessionRequested SessionOpened CommandAuthorized OutputRecorded CommandCompleted ApprovalRequested CommandHeld ApprovalGiven ApprovalGranted OutputRecorded SessionEnded".split(
        " ",
      ),
    );
    assert.ok(replayed.every(({ position }, i) => i === 0 || position > (replayed[i - 1]?.position ?? 0n)));
    await assert.rejects(collect(app.sessions.replay(randomUUID())), fails("session.not_found"));
  });
});

describe("replaying a session that used a grant", () => {
  it("shows how it came to it, and what ended it, but not what others used it for", async (t) => {
    const { app } = await setStage(t);
    await app.policies.publish([{ name: "a", text: "approvers: bo" }], "", admin);
    await app.resources.offer("a1", [{ name: "orders", protocol: "postgres", labels: {} }]);
    await app.identities.put(human("ana"), admin);
    const asked = { resource: "orders", durationSeconds: 60, reason: "a bug", ticket: "T-1" };
    const { id: grantId } = await app.grants.request(asked, human("ana"), admin);
    const { id: next } = await app.grants.request(asked, human("ana"), admin);
    const [id, other] = [randomUUID(), randomUUID()];
    const records = new Map<string, ReturnType<typeof app.openRecord>>();
    for (const session of [other, id]) {
      const record = app.openRecord(session);
      records.set(session, record);
      await record.append([requested(session)], admin);
      await app.grants.use(grantId, session, human("ana"), "orders", admin);
      const begun = opened(session);
      assert.ok(begun.type === "SessionOpened");
      await record.append([{ ...begun, data: { ...begun.data, grantId } }], admin);
    }
    await app.grants.use(next, id, human("ana"), "orders", admin);
    const { decision } = opened(id).data as { decision: RecordedDecision };
    const goesOn: SessionEvent = { type: "SessionContinued", data: { sessionId: id, decision, formerGrantId: grantId, grantId: next } };
    await records.get(id)?.append([goesOn], admin);
    await app.grants.revoke(next, human("bo"), "over", admin);
    const replayed = await collect(app.sessions.replay(id));
    assert.deepEqual(
      replayed.map(({ type }) => type),
      "AccessRequested AccessGranted AccessRequested AccessGranted SessionRequested GrantUsed SessionOpened GrantUsed SessionContinued GrantRevoked".split(" "),
    );
  });
});

describe("running sessions", () => {
  it("are ended by an administrator, once, and only where they run", async (t) => {
    const { app } = await setStage(t);
    const ends: string[] = [];
    const unregister = app.running.register({ sessionId: "s1", identityId: "ana", tokenId: "t1", resource: "orders" }, (cause, message, by) =>
      ends.push(`${cause} ${message} ${by?.actor.id ?? ""}`),
    );
    app.running.end("s1", "maintenance", admin);
    assert.deepEqual(ends, ["ended_by_administrator maintenance root"]);
    unregister();
    assert.throws(() => app.running.end("s1", "maintenance", admin), fails("session.not_found"));
  });

  it("end when the identity is disabled or the token revoked, here or on another node; others go on", async (t) => {
    const { app, restart } = await setStage(t);
    for (const id of ["ana", "bo"]) await app.identities.put(human(id), admin);
    const [first, second] = [await app.identities.issueToken("ana", 60, "", admin), await app.identities.issueToken("ana", 60, "", admin)];
    const other = await restart();
    const ends = new Map<string, SessionEndCause>();
    const bothEnded = Promise.withResolvers<void>();
    const run = (sessionId: string, identityId: string, tokenId: string) =>
      app.running.register({ sessionId, identityId, tokenId, resource: "orders" }, (cause) => {
        ends.set(sessionId, cause);
        if (ends.size === 2) bothEnded.resolve();
      });
    run("s1", "ana", first.tokenId);
    run("s2", "ana", second.tokenId);
    run("s3", "bo", "t3");
    await app.identities.revokeToken(first.tokenId, admin);
    assert.deepEqual([...ends], [["s1", "token_revoked"]]);
    app.running.list();
    await other.identities.disable("ana", "left", admin);
    await bothEnded.promise;
    assert.equal(ends.get("s2"), "identity_disabled");
    assert.equal(ends.has("s3"), false);
  });
});
