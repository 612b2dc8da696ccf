import assert from "node:assert/strict";
import { once } from "node:events";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";
import {
  type AllStreamResolvedEvent,
  binaryEvent,
  eventTypeFilter,
  excludeSystemEvents,
  EventStoreDBClient,
  jsonEvent,
  type RecordedEvent,
  streamNameFilter,
} from "@eventstore/db-client";
import { LedgerServer } from "../support/ledger-server.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";

/** The official client, used as its documentation shows, by somebody who has never heard of us. */
describe("a stranger's program on EventStoreDB's client, against the endpoint", () => {
  const cleanup = suiteCleanup();
  let client: EventStoreDBClient;
  before(async () => {
    const server = await LedgerServer.start(cleanup, { credentials: "stranger:secret\n" });
    client = EventStoreDBClient.connectionString(server.url("stranger:secret"));
  });
  after(() => client.dispose());

  const streamOf = (): string => `orders-${randomUUID()}`;
  const placed = (number: number) => jsonEvent({ type: "OrderPlaced", data: { number } });
  const events = async (read: AsyncIterable<{ event?: RecordedEvent }>): Promise<RecordedEvent[]> => {
    const all: RecordedEvent[] = [];
    for await (const { event } of read) if (event !== undefined) all.push(event);
    return all;
  };
  const failsAs = (type: string, act: Promise<unknown>): Promise<void> => assert.rejects(act, (error) => (error as { type?: unknown }).type === type);

  it("appends, is told of a conflict with the revision that there is, and reads backwards what it wrote", async () => {
    const stream = streamOf();
    const { nextExpectedRevision, position } = await client.appendToStream(stream, [placed(1), placed(2)], { expectedRevision: "no_stream" });
    assert.equal(nextExpectedRevision, 1n);
    await assert.rejects(client.appendToStream(stream, placed(3), { expectedRevision: 0n }), {
      type: "wrong-expected-version",
      expectedVersion: 0n,
      actualVersion: 1n,
      streamName: stream,
    });
    await failsAs("wrong-expected-version", client.appendToStream(stream, placed(3), { expectedRevision: "no_stream" }));
    await failsAs("wrong-expected-version", client.appendToStream(streamOf(), placed(3), { expectedRevision: "stream_exists" }));
    await client.appendToStream(stream, placed(3), { expectedRevision: "stream_exists" });
    const read = await events(client.readStream(stream, { direction: "backwards", fromRevision: "end", maxCount: 2 }));
    assert.deepEqual(
      read.map(({ data, revision }) => [data, revision]),
      [
        [{ number: 3 }, 2n],
        [{ number: 2 }, 1n],
      ],
    );
    assert.deepEqual(read[1]?.position, position);
    await failsAs("stream-not-found", events(client.readStream(streamOf())));
  });

  it("is told of a conflict in the same words when it signs each call by itself", async () => {
    const stream = streamOf();
    const credentials = { username: "stranger", password: "secret" };
    await client.appendToStream(stream, placed(1), { credentials, expectedRevision: "no_stream" });
    await assert.rejects(client.appendToStream(stream, placed(2), { credentials, expectedRevision: 7n }), {
      type: "wrong-expected-version",
      actualVersion: 0n,
    });
    await failsAs("access-denied", client.appendToStream(stream, placed(2), { credentials: { ...credentials, password: "guessed" } }));
  });

  it("gets back bytes, numbers and metadata as they were, whatever they are", async () => {
    const stream = streamOf();
    const bytes = Uint8Array.from(Buffer.from([0, 255, 254, 10, 0]));
    const proposed = [
      binaryEvent({ type: "Blob", data: bytes, metadata: bytes }),
      jsonEvent({ type: "Text", data: "just text" }),
      jsonEvent({ type: "List", data: [1, null, "é😀"], metadata: { user: "ana" } }),
      jsonEvent({ type: "Lone", data: { text: "\ud800", $raw: 1 }, metadata: { $raw: { contentType: "a trap" } } }),
    ];
    await client.appendToStream(stream, proposed);
    const read = await events(client.readStream(stream));
    assert.deepEqual(
      read.map(({ id, type, isJson, data, metadata }) => ({ id, type, isJson, data, metadata })),
      proposed.map(({ id, type, contentType, data, metadata }) => ({ id, type, isJson: contentType === "application/json", data, metadata })),
    );
  });

  it("answers a retry without a fixed revision with the original position", async () => {
    const stream = streamOf();
    const order = placed(1);
    const first = await client.appendToStream(stream, order);
    await client.appendToStream(stream, placed(2));
    assert.deepEqual(await client.appendToStream(stream, order), first);
    assert.equal((await events(client.readStream(stream))).length, 2);
  });

  it("subscribes to all through a filter, catches up, follows, and resumes where it stopped", async () => {
    const prefix = `filtered${randomUUID().replaceAll("-", "")}`;
    for (let n = 0; n < 3; n++) await client.appendToStream(`${prefix}-${n}`, placed(n));
    for (let n = 0; n < 50; n++) await client.appendToStream(streamOf(), placed(n));
    const checkpoints: bigint[] = [];
    const filter = streamNameFilter({ prefixes: [prefix], checkpointReached: (_, { commit }) => void checkpoints.push(commit) });
    const subscription = client.subscribeToAll({ filter });
    const caughtUp = once(subscription, "caughtUp");
    const seen: AllStreamResolvedEvent[] = [];
    subscription.on("data", (event: AllStreamResolvedEvent) => seen.push(event));
    await caughtUp;
    assert.equal(seen.length, 3);
    assert.ok(checkpoints.length > 0, "though nothing matched for a while");
    const followed = once(subscription, "data");
    await client.appendToStream(`${prefix}-live`, placed(9));
    const [live] = (await followed) as [AllStreamResolvedEvent];
    assert.equal(live.event?.streamId, `${prefix}-live`);
    await subscription.unsubscribe();

    const second = seen[1]?.event?.position;
    assert.ok(second !== undefined);
    const resumed = client.subscribeToAll({ filter: eventTypeFilter({ regex: "^Order(Placed|Taken)$" }), fromPosition: second });
    const [next] = (await once(resumed, "data")) as [AllStreamResolvedEvent];
    assert.deepEqual(next.event?.position, seen[2]?.event?.position, "its start is exclusive");
    await resumed.unsubscribe();
  });

  it("follows one stream from a revision, and sees nothing of its namesakes", async () => {
    const stream = streamOf();
    await client.appendToStream(stream, [placed(1), placed(2)]);
    const subscription = client.subscribeToStream(stream, { fromRevision: 0n });
    const revisions: bigint[] = [];
    const two = new Promise<void>((resolve) =>
      subscription.on("data", ({ event }: { event?: RecordedEvent }) => {
        if (event !== undefined && revisions.push(event.revision) === 2) resolve();
      }),
    );
    await once(subscription, "caughtUp");
    await client.appendToStream(`${stream}0`, placed(4));
    await client.appendToStream(stream, placed(3));
    await two;
    assert.deepEqual(revisions, [1n, 2n]);
    await subscription.unsubscribe();
  });

  it("keeps streams short by their metadata, and deletes them softly and for good", async () => {
    const stream = streamOf();
    await client.appendToStream(stream, [1, 2, 3, 4, 5].map(placed));
    const revisions = async (): Promise<bigint[]> => (await events(client.readStream(stream))).map(({ revision }) => revision);
    await client.setStreamMetadata(stream, { maxCount: 2 });
    assert.deepEqual(await revisions(), [3n, 4n]);
    await client.setStreamMetadata(stream, { truncateBefore: 2 });
    assert.deepEqual(await revisions(), [2n, 3n, 4n]);
    assert.deepEqual((await client.getStreamMetadata(stream)).metadata, { truncateBefore: 2 });
    await client.setStreamMetadata(stream, { maxAge: 3_600 });
    assert.deepEqual(await revisions(), [0n, 1n, 2n, 3n, 4n]);

    await failsAs("wrong-expected-version", client.deleteStream(stream, { expectedRevision: 2n }));
    await failsAs("wrong-expected-version", client.deleteStream(`${stream}-é😀`, { expectedRevision: 2n }));
    await client.deleteStream(stream, { expectedRevision: 4n });
    await failsAs("stream-not-found", revisions());
    await client.appendToStream(stream, placed(6), { expectedRevision: "no_stream" });
    assert.deepEqual(await revisions(), [5n], "revisions go on behind what was deleted");

    await client.tombstoneStream(stream);
    await failsAs("stream-deleted", revisions());
    await failsAs("stream-deleted", client.appendToStream(stream, placed(7)));
    const everything = await events(client.readAll({ direction: "backwards", fromPosition: "end", maxCount: 20 }));
    assert.equal(everything.filter(({ streamId, type }) => streamId === stream && type === "OrderPlaced").length, 6, "the log still shows what was deleted");
  });

  it("cannot delete what belongs to the record, nor hide it by metadata", async () => {
    const stream = `session-${randomUUID()}`;
    await client.appendToStream(stream, jsonEvent({ type: "SessionRequested", data: {} }));
    await assert.rejects(client.deleteStream(stream), { type: "access-denied", message: /record/u });
    await assert.rejects(client.tombstoneStream(stream), { type: "access-denied", message: /record/u });
    await assert.rejects(client.setStreamMetadata(stream, { truncateBefore: 1 }), { type: "access-denied" });
    await assert.rejects(client.setStreamMetadata(stream, { maxCount: 1 }), { type: "access-denied" });
    assert.equal((await events(client.readStream(stream))).length, 1);
  });

  it("is refused when its password, its append or its pattern is not right, and the connection goes on", async () => {
    const stream = streamOf();
    const wrong = { username: "stranger", password: "guessed" };
    await failsAs("access-denied", events(client.readAll({ credentials: wrong, maxCount: 1 })));
    await failsAs("access-denied", events(client.readStream(stream, { credentials: { username: "nobody", password: "" } })));
    await failsAs("maximum-append-size-exceeded", client.appendToStream(stream, jsonEvent({ type: "Huge", data: { text: "x".repeat(1_100_000) } })));
    await assert.rejects(client.appendToStream(stream, { ...placed(1), id: "not a uuid" }));
    await assert.rejects(client.appendToStream(stream, jsonEvent({ type: "$streamDeleted", data: {} })));
    const subscription = client.subscribeToAll({ filter: streamNameFilter({ regex: "(a)\\1" }) });
    await assert.rejects(once(subscription, "data"), /regular expression/u);
    await client.appendToStream(stream, placed(1));
    assert.equal((await events(client.readStream(stream))).length, 1);
  });

  it("has each of a flood of large appends answered, in bounded memory", async () => {
    const text = "x".repeat(500_000);
    const streams = Array.from({ length: 100 }, streamOf);
    const answers = await Promise.all(streams.map((stream) => client.appendToStream(stream, jsonEvent({ type: "Large", data: { text } }))));
    assert.equal(new Set(answers.map(({ position }) => position?.commit)).size, streams.length);
  });

  it("leaves out the server's own events with the filter that the client ships", async () => {
    const stream = streamOf();
    const { position } = await client.appendToStream(stream, placed(1));
    assert.ok(position !== undefined);
    await client.setStreamMetadata(stream, { maxCount: 5 });
    await client.appendToStream(stream, placed(2));
    const subscription = client.subscribeToAll({ filter: excludeSystemEvents(), fromPosition: position });
    const [next] = (await once(subscription, "data")) as [AllStreamResolvedEvent];
    assert.equal(next.event?.type, "OrderPlaced");
    await subscription.unsubscribe();
  });
});
