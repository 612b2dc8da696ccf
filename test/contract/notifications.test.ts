import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import type { Application } from "@sallyport/control-plane/src/application/application.ts";
import type { CommandContext } from "@sallyport/control-plane/src/application/ports.ts";
import { admin, until } from "@sallyport/control-plane/src/application/testing/stage.ts";
import { newEvent } from "@sallyport/control-plane/src/application/new-event.ts";
import { command, requested } from "@sallyport/control-plane/src/application/testing/samples.ts";
import { noObligations, type Principal } from "@sallyport/control-plane/src/domain/decision.ts";
import type { DomainEvent } from "@sallyport/control-plane/src/domain/events.ts";
import { sessionStream } from "@sallyport/control-plane/src/domain/session/session.events.ts";
import { eventId } from "@sallyport/control-plane/src/ledger/event-id.ts";
import { RETRY_LAST_MS } from "@sallyport/control-plane/src/notify/retry-schedule.ts";
import { isSigned, WebhookServer } from "../support/webhook-server.ts";

import { about, emptied, HANG_MS, newSecret, scene, SHORT_DEADLINE_MS, titleOf, waitingFor } from "./notifications-scene.ts";

const [ana, bo] = (["ana", "bo"] as const).map((id): Principal => ({ id, kind: "human", groups: ["admins"] })) as [Principal, Principal];
const as = ({ id, kind }: Principal): CommandContext => ({ ...admin, actor: { kind, id } });

/** Ana and bo administer, and a first policy is in force, which says nothing of that. */
async function administration({ identities, policies }: Application) {
  const files = (text: string) => [{ name: "a.policy", text: `approvers: ${text}` }];
  for (const each of [ana, bo]) await identities.put(each, admin);
  await policies.publish(files("first"), "", as(ana));
  return {
    propose: async (text: string): Promise<string> => (await policies.propose(files(text), "", ana, as(ana))).version,
    async publish(version: string): Promise<void> {
      await policies.approve(version, undefined, bo, "", as(bo));
      await policies.publishProposed(version, as(ana));
    },
  };
}

const policiesToldTo = ({ received }: WebhookServer): readonly (readonly [kind: string, version: string])[] =>
  received.map(({ body }) => {
    const { type, data } = JSON.parse(body) as { type: string; data: { fields: { version: string } } };
    return [type, data.fields.version];
  });

describe("notifications", { timeout: HANG_MS }, () => {
  it("begin at the end of the ledger, and tell what comes after it, signed, with the id of event and channel", async (t) => {
    const { channel, begin, happen, secretFile } = await scene(t);
    const server = await WebhookServer.start(t);
    await happen("before");
    await begin(channel("ops", server));
    await happen("after");
    const received = await server.first(about("after"));
    assert.ok(isSigned(received, readFileSync(secretFile, "utf8")));
    assert.ok(!isSigned(received, newSecret()));
    const payload = JSON.parse(received.body) as { type: string; data: { eventId: string; eventType: string } };
    assert.deepEqual([payload.type, payload.data.eventType, received.id], ["agent.revoked", "AgentRevoked", `${payload.data.eventId}_ops`]);
    assert.deepEqual(server.received.map(titleOf), ["The agent after was revoked"]);
  });

  it("go on where they were after a stop, and miss nothing of what happened meanwhile", async (t) => {
    const { channel, begin, happen } = await scene(t);
    const server = await WebhookServer.start(t);
    const first = await begin(channel("ops", server));
    await happen("one");
    await server.first(about("one"));
    await emptied(first);
    await first.close();
    await happen("two");
    await begin(channel("ops", server));
    await server.first(about("two"));
    assert.equal(server.received.length, 2);
  });

  it("are tried again with the same id when the other side fails, in whatever way, until it takes them", async (t) => {
    const { channel, begin, happen, time } = await scene(t);
    const server = await WebhookServer.start(t);
    server.behaviours = [
      { kind: "answer", status: 500 },
      { kind: "hang" },
      { kind: "cut" },
      { kind: "switch" },
      { kind: "answer", status: 429, headers: { "retry-after": "7200" } },
      { kind: "answer", status: 204 },
    ];
    const notifications = await begin(channel("ops", server, { deadlineMs: SHORT_DEADLINE_MS }));
    await happen("edge");
    const failures: string[] = [];
    for (let attempt = 1; attempt <= 5; attempt++) {
      await server.count(attempt);
      await waitingFor(notifications, attempt);
      failures.push(notifications.list(1).deliveries[0]?.failure ?? "");
      if (attempt === 5) {
        // It asked for two hours, and is given one, not less.
        time.advance(RETRY_LAST_MS - 60_000);
        await happen("later");
        await until("that waits too", () => notifications.list(2).deliveries.length === 2);
        assert.equal(server.received.length, 5);
        time.advance(60_000);
      } else time.advance(RETRY_LAST_MS);
    }
    await server.count(7);
    await emptied(notifications);
    assert.deepEqual(failures, ["http 500", "timeout", "econnreset", "http 101", "http 429"]);
    assert.equal(new Set(server.received.filter(about("edge")).map(({ id }) => id)).size, 1);
  });

  it("wait for a server that is gone, and reach it when it is back", async (t) => {
    const { channel, begin, happen, time } = await scene(t);
    const server = await WebhookServer.start(t);
    const notifications = await begin(channel("ops", server));
    await server.die();
    await happen("edge");
    await waitingFor(notifications, 1);
    assert.equal(notifications.list(1).deliveries[0]?.failure, "econnrefused");
    await server.listen();
    time.advance(RETRY_LAST_MS);
    await server.first(about("edge"));
  });

  it("are not brought to a channel that asked to be let alone, whichever they are, until it wants to hear again", async (t) => {
    const { channel, begin, happen, time } = await scene(t);
    const [busy, swift] = [await WebhookServer.start(t), await WebhookServer.start(t)];
    busy.behaviours = [
      { kind: "answer", status: 429, headers: { "retry-after": "600" } },
      { kind: "answer", status: 204 },
    ];
    const notifications = await begin(channel("busy", busy), channel("swift", swift));
    await happen("one");
    await until("the first attempt has failed", () => notifications.list(10).deliveries.some(({ attempts }) => attempts === 1));
    await happen("two");
    await swift.first(about("two"));
    await until("only the busy one has anything left", () => notifications.list(10).deliveries.length === 2);
    time.advance(599_000);
    await happen("three");
    await swift.first(about("three"));
    assert.equal(busy.received.length, 1);
    time.advance(1_000);
    await busy.count(4);
  });

  it("follow no redirect, and read no more of an answer than they need", async (t) => {
    const { channel, begin, happen } = await scene(t);
    const [server, elsewhere] = [await WebhookServer.start(t), await WebhookServer.start(t)];
    server.behaviours = [
      { kind: "answer", status: 302, headers: { location: elsewhere.url } },
      { kind: "answer", status: 200, body: "x".repeat(8 << 20) },
    ];
    const notifications = await begin(channel("ops", server));
    await happen("moved");
    await waitingFor(notifications, 1);
    assert.equal(notifications.list(1).deliveries[0]?.failure, "http 302");
    await happen("huge");
    await server.first(about("huge"));
    await until("only the redirected one waits", () => notifications.list(10).deliveries.length === 1);
    assert.equal(elsewhere.received.length, 0);
  });

  it("reach the channel of a group that a rule wants told, of decisions that nobody else hears of", async (t) => {
    const { channel, begin, ledger } = await scene(t);
    const [security, everybody] = [await WebhookServer.start(t), await WebhookServer.start(t)];
    await begin(channel("security", security, { events: [], groups: ["security"] }), channel("everybody", everybody, { events: ["all"] }));
    const [sessionId, other] = [randomUUID(), randomUUID()];
    const decision = { policyVersion: "p1", rules: ["r1"], reason: "because" };
    const write = async (id: string, notify: readonly string[] | undefined): Promise<void> => {
      const recorded = notify === undefined ? decision : { ...decision, notify };
      const events: DomainEvent[] = [
        requested(id),
        { type: "SessionOpened", data: { sessionId: id, agentId: "a1", decision: recorded } },
        { type: "CommandAuthorized", data: { ...command(1, "select secret from vault"), decision: recorded, obligations: noObligations } },
      ];
      const context = { actor: { kind: "human", id: "ana" }, correlationId: id } as const;
      await ledger.append(
        sessionStream(id),
        events.map((event, index) => newEvent(eventId(id, index), event, context, "2026-11-22T10:00:00.000Z")),
        "none",
      );
    };
    await write(other, ["dba"]);
    await write(sessionId, ["dba", "security"]);
    await security.count(2);
    const kinds = security.received.map(({ body }) => JSON.parse(body) as { type: string; data: { fields: { session: string } } });
    assert.deepEqual(
      kinds.map(({ type, data }) => [type, data.fields.session]),
      [
        ["session.opened", sessionId],
        ["command.authorized", sessionId],
      ],
    );
    for (const { body } of security.received) assert.doesNotMatch(body, /vault|\bana\b/u);
    assert.equal(everybody.received.length, 0);
  });

  it("reach the channel of a group that is asked about a policy, and again when it need not decide any more", async (t) => {
    const { channel, begin, app } = await scene(t);
    const [asked, others] = [await WebhookServer.start(t), await WebhookServer.start(t)];
    const { propose, publish } = await administration(app);
    await begin(channel("asked", asked, { events: [], groups: ["admins"] }), channel("others", others, { events: [], groups: ["dba"] }));
    const [withdrawn, rejected, superseded, published] = [await propose("one"), await propose("two"), await propose("three"), await propose("four")];
    await app.policies.withdraw(withdrawn, ana, as(ana));
    await app.policies.reject(rejected, bo, "", as(bo));
    await publish(published);
    await asked.count(8);
    const told = (version: string) => policiesToldTo(asked).flatMap(([kind, of]) => (of === version ? [kind] : []));
    assert.deepEqual(told(withdrawn), ["policy.proposed", "policy.withdrawn"]);
    assert.deepEqual(told(rejected), ["policy.proposed", "policy.rejected"]);
    assert.deepEqual(told(superseded), ["policy.proposed", "policy.superseded"]);
    assert.deepEqual(told(published), ["policy.proposed", "policy.published"]);
    assert.equal(others.received.length, 0);
  });

  it("tell a channel once of a policy that it listens for and that its group is asked about", async (t) => {
    const { channel, begin, app } = await scene(t);
    const server = await WebhookServer.start(t);
    const { propose, publish } = await administration(app);
    await begin(channel("both", server, { events: ["policies"], groups: ["admins"] }));
    await publish(await propose("next"));
    await server.count(3);
    assert.deepEqual(
      policiesToldTo(server).map(([kind]) => kind),
      ["policy.proposed", "policy.approved", "policy.published"],
    );
  });

  it("send nothing whose secret cannot be read, and go on when it can", async (t) => {
    const { channel, begin, happen, time, secretFile } = await scene(t);
    const server = await WebhookServer.start(t);
    const notifications = await begin(channel("ops", server));
    writeFileSync(secretFile, "");
    await happen("edge");
    await waitingFor(notifications, 1);
    assert.deepEqual([notifications.list(1).deliveries[0]?.failure, server.received.length], ["secret unreadable", 0]);
    const replaced = newSecret();
    writeFileSync(secretFile, replaced);
    time.advance(RETRY_LAST_MS);
    assert.ok(isSigned(await server.first(about("edge")), replaced));
  });
});
