import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import { admin, until } from "@sallyport/control-plane/src/application/testing/stage.ts";
import { newEvent } from "@sallyport/control-plane/src/application/new-event.ts";
import { command, requested } from "@sallyport/control-plane/src/application/testing/samples.ts";
import { noObligations } from "@sallyport/control-plane/src/domain/decision.ts";
import type { DomainEvent } from "@sallyport/control-plane/src/domain/events.ts";
import { notificationStream } from "@sallyport/control-plane/src/domain/notification/notification.events.ts";
import { sessionStream } from "@sallyport/control-plane/src/domain/session/session.events.ts";
import { eventId } from "@sallyport/control-plane/src/ledger/event-id.ts";
import { LATER_RELEASE, REST_LAST_MS } from "@sallyport/control-plane/src/notify/outbox-relay.ts";
import { Outbox } from "@sallyport/control-plane/src/notify/outbox.ts";
import { GIVE_UP_AFTER_MS, RETRY_LAST_MS } from "@sallyport/control-plane/src/notify/retry-schedule.ts";
import { WebhookServer } from "../support/webhook-server.ts";

import { about, bounds, emptied, HANG_MS, scene, titleOf, waitingFor } from "./notifications-scene.ts";

describe("notifications that are not delivered", { timeout: HANG_MS }, () => {
  it("that somebody asked for again just before a crash can be asked for again", async (t) => {
    const { channel, begin, happen, outboxFile, time } = await scene(t);
    const server = await WebhookServer.start(t);
    server.behaviours = [
      { kind: "answer", status: 410 },
      { kind: "answer", status: 204 },
    ];
    const notifications = await begin(channel("ops", server));
    await happen("edge");
    await until("it is given up", () => notifications.list(1).deliveries[0]?.state === "failed");
    const [dead] = notifications.list(1).deliveries;
    assert.ok(dead);
    await notifications.close();
    // As a crash leaves it: the retry is recorded, and the outbox does not know.
    const crashed = await begin(channel("ops", server));
    await crashed.retry(dead.id, "root", admin);
    await server.count(2);
    await emptied(crashed);
    await crashed.close();
    const outbox = new Outbox(outboxFile);
    outbox.bury(dead, 1, time.now(), "http 410");
    outbox.close();
    const again = await begin(channel("ops", server));
    await again.retry(dead.id.slice(0, 8), "root", admin);
    await server.count(3);
    await emptied(again);
  });

  it("because a later release wrote of them are dead letters that can be tried again, and hold nothing else up", async (t) => {
    const { channel, begin, ledger, time, happen, recorded } = await scene(t);
    const server = await WebhookServer.start(t);
    const notifications = await begin(channel("ops", server));
    const revoked: DomainEvent = { type: "AgentRevoked", data: { agentId: "a1", reason: "" } };
    const written = newEvent(randomUUID(), revoked, { actor: { kind: "system", id: "one" }, correlationId: "c" }, time.now().toISOString());
    await ledger.append("agent-a1", [{ ...written, data: { new: "field" }, metadata: { ...written.metadata, schemaVersion: 99 } }], "none");
    await happen("edge");
    await server.count(1);
    assert.match(titleOf(server.received[0] ?? { body: "" }), /edge/u);
    await until("it is given up", () => notifications.list(1, ["failed"]).deliveries[0]?.failure === LATER_RELEASE);
    assert.equal((await recorded("NotificationFailed")).length, 1);
    await notifications.close();
  });

  it("though a later release has given them up before hold nothing else up", async (t) => {
    const { channel, begin, ledger, time, happen } = await scene(t);
    const server = await WebhookServer.start(t);
    const notifications = await begin(channel("ops", server));
    const context = { actor: { kind: "system", id: "one" }, correlationId: "c" } as const;
    const revoked = newEvent(randomUUID(), { type: "AgentRevoked", data: { agentId: "a1", reason: "" } }, context, time.now().toISOString());
    const metadata = { ...revoked.metadata, schemaVersion: 99 };
    await ledger.append(notificationStream(`${revoked.id}_ops`), [{ id: randomUUID(), type: "NotificationFailed", data: {}, metadata }], "none");
    await ledger.append("agent-a1", [{ ...revoked, data: { new: "field" }, metadata }], "none");
    await happen("edge");
    await server.count(1);
    assert.match(titleOf(server.received[0] ?? { body: "" }), /edge/u);
    assert.equal(notifications.list(1, ["failed"]).deliveries[0]?.failure, LATER_RELEASE);
    await notifications.close();
  });

  it("of one who fills their share leave room for others, and are no reason not to tell of an alarm at once", async (t) => {
    const { channel, begin, ledger, recorded, time, happen } = await scene(t);
    const server = await WebhookServer.start(t);
    server.behaviours = [
      { kind: "answer", status: 503 },
      { kind: "answer", status: 204 },
    ];
    const notifications = await begin(channel("ops", server, { events: ["agents"], groups: ["ops"] }));
    const sessionId = randomUUID();
    const decision = { policyVersion: "p1", rules: ["r1"], reason: "because", notify: ["ops"] };
    const allowed = Array.from({ length: bounds.perSource + 10 }, (_, index): DomainEvent => ({
      type: "CommandAuthorized",
      data: { ...command(index + 1, "select 1"), decision, obligations: noObligations },
    }));
    const context = { actor: { kind: "human", id: "ana" }, correlationId: sessionId } as const;
    const events = [requested(sessionId), ...allowed].map((event, index) => newEvent(eventId(sessionId, index), event, context, time.now().toISOString()));
    await ledger.append(sessionStream(sessionId), events, "none");
    await until("their share is full", () => notifications.list(1).channels[0]?.failed === 10);
    assert.equal(notifications.list(1).channels[0]?.waiting, bounds.perSource);
    await until("the attempt has failed", () => server.received.length === 1);
    await happen("edge");
    const lost: DomainEvent = { type: "AgentDisconnected", data: { agentId: "a1", cause: "lost" } };
    const control = { actor: { kind: "system", id: "one" }, correlationId: "c" } as const;
    await ledger.append("agent-a1", [newEvent(randomUUID(), lost, control, time.now().toISOString())], "none");
    await until("others have room", () => notifications.list(1).channels[0]?.waiting === bounds.perSource + 2);
    time.advance(REST_LAST_MS);
    await server.count(2);
    assert.match(titleOf(server.received[1] ?? { body: "" }), /is offline/u);
    assert.equal((await recorded("NotificationFailed")).length, 1, "a record of every loss would be as much again as what is lost");
    await notifications.close();
  });

  it("for which there is no room are recorded each when they are alarms", async (t) => {
    const { channel, begin, ledger, recorded, time, outboxFile } = await scene(t);
    const server = await WebhookServer.start(t);
    const full = new Outbox(outboxFile, bounds);
    const waiting = Array.from({ length: bounds.waiting }, (_, index) => {
      const id = `e${index}`;
      return { id: `${id}_ops`, channel: "ops", eventId: id, eventType: "x", stream: "x", revision: 0n, urgency: "alarm", source: "" } as const;
    });
    full.take(waiting, 0n, new Date(time.now().getTime() + GIVE_UP_AFTER_MS));
    full.moveTo(undefined);
    full.close();
    const notifications = await begin(channel("ops", server));
    const control = { actor: { kind: "system", id: "one" }, correlationId: "c" } as const;
    const lost = (agentId: string): DomainEvent => ({ type: "AgentDisconnected", data: { agentId, cause: "lost" } });
    const gone = (agentId: string): DomainEvent => ({ type: "AgentRevoked", data: { agentId, reason: "gone" } });
    const events = [lost("a1"), gone("a1"), lost("a1"), gone("a1")].map((event) => newEvent(randomUUID(), event, control, time.now().toISOString()));
    await ledger.append("agent-a1", events, "none");
    await until("nothing had room", () => notifications.list(1).channels[0]?.failed === 4);
    await notifications.close();
    const types = (await recorded("NotificationFailed")).map((data) => ("eventType" in data ? data.eventType : ""));
    assert.deepEqual(types, ["AgentDisconnected", "AgentDisconnected"], "the queue was full before the others came: of those nothing is said twice");
  });

  it("of one channel never wait for another one that hangs", async (t) => {
    const { channel, begin, happen } = await scene(t);
    const [stuck, swift] = [await WebhookServer.start(t), await WebhookServer.start(t)];
    stuck.behaviours = [{ kind: "hang" }];
    const notifications = await begin(channel("stuck", stuck), channel("swift", swift));
    for (let i = 0; i < 20; i++) await happen(`edge${i}`);
    await swift.count(20);
    await until("the swift one is done", () => notifications.list(1).channels[1]?.waiting === 0);
    assert.deepEqual([stuck.received.length, notifications.list(1).channels[0]?.waiting], [1, 20]);
  });

  it("are given up at once where nobody wants them, in the record and in the list, and go when somebody tries again", async (t) => {
    const { channel, begin, happen, recorded } = await scene(t);
    const [server, watch] = [await WebhookServer.start(t), await WebhookServer.start(t)];
    server.behaviours = [
      { kind: "answer", status: 410 },
      { kind: "answer", status: 204 },
    ];
    const notifications = await begin(channel("ops", server, { events: ["agents", "notifications"] }), channel("watch", watch, { events: ["notifications"] }));
    await happen("edge");
    assert.match(titleOf(await watch.first(() => true)), /The channel ops could not be told of AgentRevoked/u);
    const dead = notifications.list(10).deliveries.find((delivery) => delivery.channel === "ops");
    assert.ok(dead);
    assert.deepEqual([dead.state, dead.failure, dead.attempts], ["failed", "http 410", 1]);
    const of = { eventId: dead.eventId, eventType: dead.eventType };
    assert.deepEqual(await recorded("NotificationFailed"), [{ notificationId: dead.id, channel: "ops", ...of, attempts: 1, failure: "http 410" }]);
    await notifications.retry(dead.id, "root", admin);
    await server.count(2);
    await emptied(notifications);
    assert.deepEqual(await recorded("NotificationRetried"), [{ notificationId: dead.id, by: "root" }]);
    await assert.rejects(notifications.retry(dead.id, "root", admin), { code: "input.invalid" });
    assert.equal(server.received.length, 2);
  });

  it("of a channel are not tried again in the place of one that waits, whose whole name theirs begins with", async (t) => {
    const { begin, channel, happen } = await scene(t);
    const [away, gone] = [await WebhookServer.start(t), await WebhookServer.start(t)];
    away.behaviours = [{ kind: "answer", status: 500 }];
    gone.behaviours = [{ kind: "answer", status: 410 }];
    const notifications = await begin(channel("ops", away), channel("ops-eu", gone));
    await happen("orders");
    const stateOf = (name: string): string => notifications.list(2).deliveries.find((each) => each.channel === name && each.attempts === 1)?.state ?? "";
    await until("one is tried again, the other is given up", () => stateOf("ops") === "waiting" && stateOf("ops-eu") === "failed");
    const waiting = notifications.list(2).deliveries.find(({ state }) => state === "waiting");
    await assert.rejects(notifications.retry(waiting?.id ?? "", "root", admin), { code: "input.invalid" });
    assert.equal(stateOf("ops-eu"), "failed");
  });

  it("are given up after a day of trying", async (t) => {
    const { channel, begin, happen, time, recorded } = await scene(t);
    const server = await WebhookServer.start(t);
    server.behaviours = [{ kind: "answer", status: 503 }];
    const notifications = await begin(channel("ops", server));
    await happen("edge");
    const began = time.now().getTime();
    for (let attempt = 1; notifications.list(1).deliveries[0]?.state !== "failed"; attempt++) {
      await server.count(attempt);
      await until(`attempt ${attempt} is over`, () => notifications.list(1).deliveries[0]?.attempts === attempt);
      if (notifications.list(1).deliveries[0]?.state === "waiting") time.advance(RETRY_LAST_MS);
    }
    assert.ok(time.now().getTime() - began >= GIVE_UP_AFTER_MS - RETRY_LAST_MS);
    assert.ok(time.now().getTime() - began <= GIVE_UP_AFTER_MS + RETRY_LAST_MS);
    assert.equal((await recorded("NotificationFailed")).length, 1);
  });

  it("are not given up while that cannot be recorded", async (t) => {
    const { channel, begin, happen, time, ledger, recorded } = await scene(t);
    const server = await WebhookServer.start(t);
    server.behaviours = [{ kind: "answer", status: 410 }];
    const notifications = await begin(channel("ops", server));
    await happen("edge");
    ledger.line = "refuse";
    await until("somebody tried to record it", () => ledger.appends.some(({ types }) => types.includes("NotificationFailed")));
    assert.deepEqual([notifications.list(1).deliveries[0]?.state, (await recorded("NotificationFailed")).length], ["waiting", 0]);
    ledger.line = "good";
    await until("it is given up", () => {
      time.advance(RETRY_LAST_MS);
      return notifications.list(1).deliveries[0]?.state === "failed";
    });
    assert.equal((await recorded("NotificationFailed")).length, 1);
  });

  it("of a channel that is no longer configured are dead letters, and what happens without channels is never told", async (t) => {
    const { channel, begin, happen, recorded } = await scene(t);
    const server = await WebhookServer.start(t);
    const first = await begin(channel("old", server));
    await server.die();
    await happen("one");
    await waitingFor(first, 1);
    await first.close();
    const none = await begin();
    await until("it is given up", () => none.list(1).deliveries[0]?.failure === "channel removed");
    assert.equal((await recorded("NotificationFailed")).length, 1);
    await happen("two");
    await none.close();
    await server.listen();
    await begin(channel("new", server));
    await happen("three");
    await server.first(about("three"));
    assert.equal(server.received.length, 1);
  });
});
