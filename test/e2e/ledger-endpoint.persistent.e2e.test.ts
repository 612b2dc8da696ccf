import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import {
  EventStoreDBClient,
  jsonEvent,
  type PersistentSubscriptionToAll,
  type PersistentSubscriptionToStream,
  persistentSubscriptionToAllSettingsFromDefaults,
  persistentSubscriptionToStreamSettingsFromDefaults,
  type PersistentSubscriptionToStreamSettings,
  streamNameFilter,
} from "@eventstore/db-client";
import { LedgerServer } from "../support/ledger-server.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";

type Subscription = PersistentSubscriptionToStream | PersistentSubscriptionToAll;

interface Received {
  readonly number: number;
  readonly retries: number;
  answer(action: "ack" | "park" | "skip" | "retry" | "stop"): Promise<void>;
}

/** What one consumer gets, in the order in which it came. */
class ConsumerProbe {
  readonly received: Received[] = [];
  readonly subscription: Subscription;
  readonly failed: Promise<unknown>;
  #seen = 0;
  #more: (() => void) | undefined;

  constructor(subscription: Subscription, onEvent: (received: Received) => void = () => undefined) {
    this.subscription = subscription;
    this.failed = once(subscription, "error").then(([error]: unknown[]) => error);
    subscription.on("data", (resolved) => {
      const received: Received = {
        number: (resolved.event?.data as { number?: number } | undefined)?.number ?? -1,
        retries: resolved.retryCount,
        answer: (action) => (action === "ack" ? subscription.ack(resolved) : subscription.nack(action, `said ${action}`, resolved)),
      };
      this.received.push(received);
      onEvent(received);
      this.#more?.();
    });
  }

  get numbers(): readonly number[] {
    return this.received.map(({ number }) => number);
  }

  /** The next ones that were not asked for yet. */
  async next(count: number): Promise<readonly Received[]> {
    while (this.received.length < this.#seen + count) await new Promise<void>((resolve) => (this.#more = resolve));
    this.#seen += count;
    return this.received.slice(this.#seen - count, this.#seen);
  }
}

const acknowledging = (received: Received): void => void received.answer("ack");

describe("persistent subscriptions, used with EventStoreDB's client", () => {
  const cleanup = suiteCleanup();
  const clients: EventStoreDBClient[] = [];
  let server: LedgerServer;
  let client: EventStoreDBClient;
  const connect = (): EventStoreDBClient => {
    const connected = EventStoreDBClient.connectionString(server.url("stranger:secret"));
    clients.push(connected);
    return connected;
  };
  before(async () => {
    server = await LedgerServer.start(cleanup, { credentials: "stranger:secret\n" });
    client = connect();
  });
  after(() => Promise.all(clients.map((one) => one.dispose())));

  const streamOf = (): string => `orders-${randomUUID()}`;
  const append = (stream: string, from: number, count: number) =>
    client.appendToStream(
      stream,
      Array.from({ length: count }, (_, i) => jsonEvent({ type: "OrderPlaced", data: { number: from + i } })),
    );
  const settings = (changes: Partial<PersistentSubscriptionToStreamSettings> = {}): PersistentSubscriptionToStreamSettings =>
    persistentSubscriptionToStreamSettingsFromDefaults({
      startFrom: "start",
      checkPointLowerBound: 1,
      checkPointUpperBound: 1,
      checkPointAfter: 100,
      ...changes,
    });
  const consume = (stream: string, group: string, onEvent?: (received: Received) => void, bufferSize = 10, by = client): ConsumerProbe =>
    new ConsumerProbe(by.subscribeToPersistentSubscriptionToStream(stream, group, { bufferSize }), onEvent);
  const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
  const sorted = (numbers: readonly number[]): number[] => numbers.toSorted((a, b) => a - b);
  const parked = async (stream: string, group: string) => (await client.getPersistentSubscriptionToStreamInfo(stream, group)).stats.parkedMessageCount;

  it("hand each event to one of two consumers, what is stored as well as what comes", async () => {
    const stream = streamOf();
    await append(stream, 0, 20);
    await client.createPersistentSubscriptionToStream(stream, "workers", settings());
    let count = 0;
    let all: (() => void) | undefined;
    const done = new Promise<void>((resolve) => (all = resolve));
    const counting = (received: Received): void => {
      acknowledging(received);
      if (++count === 100) all?.();
    };
    const first = consume(stream, "workers", counting, 5);
    const second = consume(stream, "workers", counting, 5);
    await Promise.all([once(first.subscription, "confirmation"), once(second.subscription, "confirmation")]);
    await append(stream, 20, 80);
    await done;
    assert.deepEqual(sorted([...first.numbers, ...second.numbers]), upTo(100));
    assert.ok(first.numbers.length >= 25 && second.numbers.length >= 25, `${first.numbers.length} and ${second.numbers.length}`);
    await Promise.all([first.subscription.unsubscribe(), second.subscription.unsubscribe()]);
  });

  it("go round their consumers, one event each", async () => {
    const stream = streamOf();
    await client.createPersistentSubscriptionToStream(stream, "round", settings());
    const consumers = [consume(stream, "round"), consume(stream, "round"), consume(stream, "round")];
    await Promise.all(consumers.map(({ subscription }) => once(subscription, "confirmation")));
    await append(stream, 0, 9);
    await Promise.all(consumers.map((consumer) => consumer.next(3)));
    assert.deepEqual(
      consumers.map(({ numbers }) => numbers).toSorted((a, b) => (a[0] ?? 0) - (b[0] ?? 0)),
      [
        [0, 3, 6],
        [1, 4, 7],
        [2, 5, 8],
      ],
    );
  });

  it("give the first consumer all that it has room for, and the second what is over, when they dispatch to a single one", async () => {
    const stream = streamOf();
    await append(stream, 0, 8);
    await client.createPersistentSubscriptionToStream(stream, "single", settings({ consumerStrategyName: "DispatchToSingle" }));
    const first = consume(stream, "single", undefined, 5);
    await first.next(5);
    const second = consume(stream, "single", undefined, 5);
    await second.next(3);
    assert.deepEqual([first.numbers, second.numbers], [upTo(5), [5, 6, 7]], "no more than its buffer while nothing is answered");
  });

  it("hand what a lost consumer has not answered to the other one, and nothing else twice", async () => {
    const stream = streamOf();
    await append(stream, 0, 10);
    await client.createPersistentSubscriptionToStream(stream, "lost", settings({ consumerStrategyName: "DispatchToSingle" }));
    const doomed = connect();
    const first = consume(stream, "lost", ({ number, answer }) => void (number < 2 && answer("ack")), 4, doomed);
    await first.next(6);
    const second = consume(stream, "lost", acknowledging);
    await second.next(4);
    assert.deepEqual(second.numbers, [6, 7, 8, 9]);
    await doomed.dispose();
    const again = await second.next(4);
    assert.deepEqual(
      again.map(({ number, retries }) => [number, retries]),
      [2, 3, 4, 5].map((number) => [number, 1]),
    );
  });

  it("send again what is not answered in time or is refused, so often, and then park it", async () => {
    const stream = streamOf();
    await append(stream, 0, 2);
    await client.createPersistentSubscriptionToStream(stream, "slow", settings({ messageTimeout: 300, maxRetryCount: 1 }));
    const slow = consume(stream, "slow", ({ number, answer }) => void (number === 1 && answer("retry")));
    const received = await slow.next(4);
    assert.deepEqual(received.map(({ number, retries }) => `${number}:${retries}`).toSorted(), ["0:0", "0:1", "1:0", "1:1"]);
    await append(stream, 2, 1);
    const later = await slow.next(1);
    assert.ok(later[0]?.number === 2);
    await later[0].answer("ack");
    while ((await parked(stream, "slow")) < 2n) await new Promise(setImmediate);
  });

  it("let a consumer stop at an event, which goes to another one", async () => {
    const stream = streamOf();
    await append(stream, 0, 1);
    await client.createPersistentSubscriptionToStream(stream, "stopping", settings());
    const stopping = consume(stream, "stopping", ({ answer }) => void answer("stop"));
    assert.equal(((await stopping.failed) as { type?: unknown }).type, "persistent-subscription-dropped");
    const [event] = await consume(stream, "stopping", acknowledging).next(1);
    assert.deepEqual([event?.number, event?.retries], [0, 1]);
  });

  it("keep what is parked, and send it once more when they are told to; what is skipped is done", async () => {
    const stream = streamOf();
    await append(stream, 0, 4);
    await client.createPersistentSubscriptionToStream(stream, "parking", settings());
    const actions = ["park", "skip", "park", "ack"] as const;
    const consumer = consume(stream, "parking", ({ number, answer }) => void (consumer.received.length <= 4 && answer(actions[number] ?? "ack")));
    await consumer.next(4);
    while ((await parked(stream, "parking")) < 2n) await new Promise(setImmediate);
    const links: unknown[] = [];
    for await (const { event } of client.readStream(`$persistentsubscription-${stream}::parking-parked`)) links.push(event?.data);
    assert.deepEqual(links, [
      { revision: "0", stream, reason: "said park" },
      { revision: "2", stream, reason: "said park" },
    ]);
    await client.replayParkedMessagesToStream(stream, "parking", { stopAt: 1 });
    const [first] = await consumer.next(1);
    assert.ok(first?.number === 0);
    assert.equal(await parked(stream, "parking"), 1n);
    await client.replayParkedMessagesToStream(stream, "parking");
    const [second] = await consumer.next(1);
    assert.ok(second?.number === 2);
    await first.answer("ack");
    await second.answer("park");
    while ((await parked(stream, "parking")) !== 1n) await new Promise(setImmediate);
  });

  it("go on behind the checkpoint after the server was killed, with what was parked", async () => {
    const stream = streamOf();
    await append(stream, 0, 6);
    await client.createPersistentSubscriptionToStream(stream, "lasting", settings());
    const early = consume(stream, "lasting", ({ number, answer }) => void (number !== 4 && answer(number === 1 ? "park" : "ack")), 6);
    await early.next(6);
    const info = () => client.getPersistentSubscriptionToStreamInfo(stream, "lasting");
    while ((await info()).stats.lastCheckpointedEventRevision !== 3n) await new Promise(setImmediate);
    await server.kill();
    await early.failed;
    await server.restart();
    client = connect();
    const consumer = consume(stream, "lasting", acknowledging);
    await consumer.next(2);
    assert.deepEqual(consumer.numbers, [4, 5], "5 was answered, but behind 4, which was not");
    assert.equal(await parked(stream, "lasting"), 1n);
    await client.replayParkedMessagesToStream(stream, "lasting");
    assert.deepEqual((await consumer.next(1))[0]?.number, 1);
    const { settings: kept } = await info();
    assert.deepEqual([kept.startFrom, kept.checkPointUpperBound, kept.consumerStrategyName], ["start", 1, "RoundRobin"]);
  });

  it("begin where the end was when they were created, also when nobody consumed before a restart", async () => {
    const stream = streamOf();
    await append(stream, 0, 3);
    await client.createPersistentSubscriptionToStream(stream, "later", settings({ startFrom: "end" }));
    await client.createPersistentSubscriptionToStream(stream, "fromTwo", settings({ startFrom: 2n }));
    await append(stream, 3, 2);
    await server.kill("SIGTERM");
    await server.restart();
    client = connect();
    const later = consume(stream, "later", acknowledging);
    const fromTwo = consume(stream, "fromTwo", acknowledging);
    await Promise.all([later.next(2), fromTwo.next(3)]);
    assert.deepEqual(
      [later.numbers, fromTwo.numbers],
      [
        [3, 4],
        [2, 3, 4],
      ],
    );
  });

  it("follow all through a filter, and never their own state", async () => {
    const prefix = `filtered${randomUUID().replaceAll("-", "")}`;
    const all = persistentSubscriptionToAllSettingsFromDefaults({ startFrom: "start", checkPointLowerBound: 1, checkPointUpperBound: 1, checkPointAfter: 100 });
    await client.createPersistentSubscriptionToAll("filtered", all, { filter: streamNameFilter({ prefixes: [prefix] }) });
    await client.createPersistentSubscriptionToAll("everything", { ...all, startFrom: "end" });
    await append(`${prefix}-1`, 0, 2);
    await append(streamOf(), 7, 1);
    await append(`${prefix}-2`, 2, 1);
    const filtered = new ConsumerProbe(client.subscribeToPersistentSubscriptionToAll("filtered"), acknowledging);
    const everything = new ConsumerProbe(client.subscribeToPersistentSubscriptionToAll("everything"), acknowledging);
    await Promise.all([filtered.next(3), everything.next(4)]);
    while ((await client.getPersistentSubscriptionToAllInfo("everything")).stats.lastCheckpointedEventPosition === undefined) await new Promise(setImmediate);
    await append(`${prefix}-3`, 3, 1);
    await Promise.all([filtered.next(1), everything.next(1)]);
    assert.deepEqual([filtered.numbers, everything.numbers], [upTo(4), [0, 1, 7, 2, 3]]);
    assert.deepEqual((await client.listPersistentSubscriptionsToAll()).map(({ groupName }) => groupName).toSorted(), ["everything", "filtered"]);
    await client.deletePersistentSubscriptionToAll("everything");
    assert.equal(((await everything.failed) as { type?: unknown }).type, "persistent-subscription-dropped");
  });

  it("have nothing to give of a stream that was closed for good, and say so", async () => {
    const stream = streamOf();
    await append(stream, 0, 1);
    await client.createPersistentSubscriptionToStream(stream, "closed", settings());
    await client.tombstoneStream(stream);
    for (const _ of [1, 2]) assert.equal(((await consume(stream, "closed").failed) as { type?: unknown }).type, "stream-deleted");
  });

  it("are changed, listed and deleted; consumers are cut off for it, and who comes too much is refused", async () => {
    const stream = streamOf();
    const type = (name: string) => ({ type: name });
    await client.createPersistentSubscriptionToStream(stream, "g", settings());
    await assert.rejects(client.createPersistentSubscriptionToStream(stream, "g", settings()), type("persistent-subscription-exists"));
    await assert.rejects(
      client.createPersistentSubscriptionToStream(stream, "p", settings({ consumerStrategyName: "Pinned" })),
      /RoundRobin and DispatchToSingle/u,
    );
    await assert.rejects(client.updatePersistentSubscriptionToStream(stream, "none", settings()), type("persistent-subscription-does-not-exist"));
    await append(stream, 0, 1);
    const consumer = consume(stream, "g", acknowledging);
    await consumer.next(1);
    await client.updatePersistentSubscriptionToStream(stream, "g", settings({ maxSubscriberCount: 1 }));
    assert.equal(((await consumer.failed) as { type?: unknown }).type, "persistent-subscription-dropped");
    const back = consume(stream, "g", acknowledging);
    await once(back.subscription, "confirmation");
    assert.equal(((await consume(stream, "g").failed) as { type?: unknown }).type, "maximum-subscribers-reached");
    await append(stream, 1, 1);
    await back.next(1);
    assert.deepEqual(back.numbers, [1], "what was done stays done");
    const [listed] = await client.listPersistentSubscriptionsToStream(stream);
    assert.deepEqual([listed?.groupName, listed?.settings.maxSubscriberCount, listed?.connections[0]?.username], ["g", 1, "stranger"]);
    await client.deletePersistentSubscriptionToStream(stream, "g");
    await assert.rejects(client.getPersistentSubscriptionToStreamInfo(stream, "g"), type("persistent-subscription-does-not-exist"));
    assert.equal(((await consume(stream, "g").failed) as { type?: unknown }).type, "persistent-subscription-does-not-exist");
    await client.createPersistentSubscriptionToStream(stream, "g", settings());
    const anew = consume(stream, "g", acknowledging);
    await anew.next(2);
    assert.deepEqual(anew.numbers, [0, 1], "of the one before nothing is left");
  });
});
