import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { createExecute } from "@sallyport/control-plane/src/application/execute-command.ts";
import { admin, setStage, silent, type Stage, until } from "@sallyport/control-plane/src/application/testing/stage.ts";
import { newEvent } from "@sallyport/control-plane/src/application/new-event.ts";
import { command, requested } from "@sallyport/control-plane/src/application/testing/samples.ts";
import { systemContext } from "@sallyport/control-plane/src/application/use-case.ts";
import { noObligations } from "@sallyport/control-plane/src/domain/decision.ts";
import type { DomainEvent } from "@sallyport/control-plane/src/domain/events.ts";
import { sessionStream } from "@sallyport/control-plane/src/domain/session/session.events.ts";
import { eventId } from "@sallyport/control-plane/src/ledger/event-id.ts";
import type { Channel } from "@sallyport/control-plane/src/notify/channel.ts";
import { Notifications } from "@sallyport/control-plane/src/notify/notifications.process.ts";
import { REST_LAST_MS } from "@sallyport/control-plane/src/notify/courier.ts";
import { Outbox, type OutboxBounds } from "@sallyport/control-plane/src/notify/outbox.ts";
import { GIVE_UP_AFTER_MS, RETRY_LAST_MS } from "@sallyport/control-plane/src/notify/retry-schedule.ts";
import { typesOf } from "@sallyport/control-plane/src/notify/topics.ts";
import { webhookChannel } from "@sallyport/control-plane/src/notify/webhook/webhook-channel.ts";
import { tempDir } from "../support/temp-dir.ts";
import { isSigned, WebhookServer } from "../support/webhook-server.ts";

/** Nothing here takes long; what has not come by then never will. */
const HANG_MS = 20_000;
/** For servers that never answer, in tests that wait for that. */
const SHORT_DEADLINE_MS = 200;
const bounds: OutboxBounds = { waiting: 200, alarmShare: 20, perSource: 50, failed: 200 };

const newSecret = (): string => `whsec_${randomBytes(32).toString("base64")}`;

describe("notifications", { timeout: HANG_MS }, () => {
  interface Scene extends Stage {
    readonly secretFile: string;
    readonly outboxFile: string;
    readonly channel: (
      name: string,
      server: WebhookServer,
      more?: { readonly deadlineMs?: number; readonly events?: readonly string[]; readonly groups?: readonly string[] },
    ) => Channel;
    readonly begin: (...channels: readonly Channel[]) => Promise<Notifications>;
    /** One event that is told; answers what it is about. */
    readonly happen: (name: string) => Promise<string>;
    readonly recorded: (type: string) => Promise<readonly object[]>;
  }

  async function scene(t: TestContext): Promise<Scene> {
    const stage = await setStage(t);
    const folder = tempDir(t, "notifications");
    const secretFile = join(folder, "secret");
    writeFileSync(secretFile, newSecret());
    const outboxFile = join(folder, "notifications.db");
    const { ledger, time, app } = stage;
    return {
      ...stage,
      secretFile,
      outboxFile,
      channel: (name, server, { events = ["agents"], groups = [], ...more } = {}) =>
        webhookChannel(
          {
            name,
            types: typesOf(events),
            groups: new Set(groups),
            discretion: { people: false, statements: false },
            url: new URL(server.url),
            secrets: [{ file: secretFile }],
            privateAddresses: false,
            ...more,
          },
          time,
        ),
      async begin(...channels) {
        const notifications = await Notifications.start({
          ledger,
          outbox: new Outbox(outboxFile, bounds),
          channels,
          execute: createExecute({ ledger, clock: time }),
          context: systemContext("one"),
          agentName: (id) => app.agents.list().find((agent) => agent.id === id)?.name ?? id,
          clock: time,
          scheduler: time,
          random: () => 1,
          log: silent,
        });
        t.after(() => notifications.close());
        return notifications;
      },
      async happen(name) {
        const { agentId, secret } = await app.agents.issueJoinSecret(name, 600, admin);
        await app.agents.enrol(name, secret);
        await app.agents.revoke(agentId, "gone", admin);
        return agentId;
      },
      async recorded(type) {
        const found: object[] = [];
        for await (const event of ledger.readAll({ filter: { by: "type", prefixes: [type] } })) found.push(event.data);
        return found;
      },
    };
  }
  const titleOf = ({ body }: { readonly body: string }): string => (JSON.parse(body) as { data: { title: string } }).data.title;
  const about = (name: string) => (received: { readonly body: string }) => titleOf(received).includes(` ${name} `);
  const waitingFor = (notifications: Notifications, attempts: number) =>
    until(`attempt ${attempts} has failed`, () => notifications.list(1).deliveries.some((delivery) => delivery.attempts === attempts));

  const emptied = (notifications: Notifications) => until("nothing waits", () => notifications.list(1).deliveries.length === 0);

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
    await until("somebody tried to record it", () => ledger.appends.some(({ types }) => types.includes("NotificationFailed")) || server.received.length > 0);
    await server.count(1);
    assert.equal((await recorded("NotificationFailed")).length, 0);
    ledger.line = "good";
    await until("it is given up", () => {
      time.advance(RETRY_LAST_MS);
      return notifications.list(1).deliveries[0]?.state === "failed";
    });
    assert.equal((await recorded("NotificationFailed")).length, 1);
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
