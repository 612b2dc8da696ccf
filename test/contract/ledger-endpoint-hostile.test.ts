import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { before, describe, it } from "node:test";
import { type ClientDuplexStream, credentials, type ServiceError, status } from "@grpc/grpc-js";
import type { BatchAppendReq, BatchAppendResp, ReadReq_Options } from "@sallyport/proto/gen/event_store/client/streams";
import { type GroupOptions, PersistentSubscriptionsClient, type ReadReq } from "@sallyport/proto/gen/event_store/client/persistent_subscriptions";
import { StreamsClient } from "@sallyport/proto/gen/event_store/client/streams";
import { atEnd } from "../support/cleanup.ts";
import { LedgerServer } from "../support/ledger-server.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";

describe("the ledger's endpoint, against a client that does not play by the rules", () => {
  const cleanup = suiteCleanup();
  let client: StreamsClient;
  let groups: PersistentSubscriptionsClient;
  before(async () => {
    const server = await LedgerServer.start(cleanup, { tls: false });
    client = new StreamsClient(`127.0.0.1:${server.port}`, credentials.createInsecure());
    groups = new PersistentSubscriptionsClient(`127.0.0.1:${server.port}`, credentials.createInsecure());
    atEnd(cleanup, () => client.close());
    atEnd(cleanup, () => groups.close());
  });

  const failed = (call: { on(event: "error", listener: (error: ServiceError) => void): unknown }): Promise<ServiceError> =>
    new Promise((resolve) => call.on("error", resolve));
  const part = (more: Partial<BatchAppendReq> = {}): BatchAppendReq => ({
    correlationId: { value: { $case: "string", value: randomUUID() } },
    options: { streamIdentifier: { streamName: Buffer.from(`h-${randomUUID()}`) }, expectedStreamPosition: { $case: "any", value: {} }, deadline: undefined },
    proposedMessages: [
      {
        id: { value: { $case: "string", value: randomUUID() } },
        metadata: { "type": "T", "content-type": "x" },
        customMetadata: Buffer.alloc(0),
        data: Buffer.from("{}"),
      },
    ],
    isFinal: false,
    ...more,
  });
  const answered = (call: ClientDuplexStream<BatchAppendReq, BatchAppendResp>): Promise<BatchAppendResp> =>
    new Promise((resolve) => call.once("data", resolve));

  it("cuts off who begins appends and never finishes them, by number and by bytes", async () => {
    const many = client.batchAppend();
    const cut = failed(many);
    for (let i = 0; i < 1_100; i++) many.write(part());
    assert.equal((await cut).code, status.INVALID_ARGUMENT);

    const large = client.batchAppend();
    const alsoCut = failed(large);
    const [message] = part().proposedMessages;
    assert.ok(message !== undefined);
    for (let i = 0; i < 40; i++) large.write(part({ proposedMessages: [{ ...message, data: Buffer.alloc(1_000_000) }] }));
    assert.equal((await alsoCut).code, status.INVALID_ARGUMENT);
  });

  it("answers an append in parts, one without a stream, one without events and one too large, each by itself", async () => {
    const call = client.batchAppend();
    call.on("error", () => undefined);
    const first = part();
    call.write(first);
    const whole = answered(call);
    call.write({ ...part({ isFinal: true }), correlationId: first.correlationId, options: undefined });
    assert.equal((await whole).result?.$case, "success");

    const empty = answered(call);
    call.write(part({ isFinal: true, proposedMessages: [] }));
    const refused = (await empty).result;
    assert.ok(refused?.$case === "error" && refused.value.details?.typeUrl.endsWith("/event_store.client.BadRequest") === true);

    const [message] = part().proposedMessages;
    assert.ok(message !== undefined);
    const tooLarge = answered(call);
    call.write(part({ isFinal: true, proposedMessages: [{ ...message, data: Buffer.alloc(1_048_577) }] }));
    const answer = (await tooLarge).result;
    assert.ok(answer?.$case === "error" && answer.value.details?.typeUrl.endsWith("/event_store.client.MaximumAppendSizeExceeded") === true);

    const ended = failed(call);
    call.write(part({ options: undefined }));
    assert.equal((await ended).code, status.INVALID_ARGUMENT);
  });

  it("refuses reads that name nothing, count nothing or follow backwards", async () => {
    const whole = { $case: "all", value: { allOption: { $case: "start", value: {} } } } as const;
    const base: ReadReq_Options = {
      streamOption: whole,
      readDirection: 0,
      resolveLinks: false,
      countOption: { $case: "count", value: 1n },
      filterOption: undefined,
      uuidOption: undefined,
      controlOption: undefined,
    };
    for (const options of [
      undefined,
      { ...base, streamOption: undefined },
      { ...base, countOption: undefined },
      { ...base, countOption: { $case: "count", value: 0n } as const },
      { ...base, countOption: { $case: "subscription", value: {} } as const, readDirection: 1 as const },
      { ...base, streamOption: { $case: "stream", value: { streamIdentifier: undefined, revisionOption: undefined } } as const },
    ]) {
      const call = client.read({ options });
      call.resume();
      assert.equal((await failed(call)).code, status.INVALID_ARGUMENT);
    }
  });

  it("gives ids in the form of two numbers to clients that ask for no other", async () => {
    const id = "00112233-4455-6677-8899-aabbccddeeff";
    const stream = Buffer.from(`h-${randomUUID()}`);
    const call = client.batchAppend();
    const done = answered(call);
    const structured = { mostSignificantBits: 0x0011223344556677n, leastSignificantBits: BigInt.asIntN(64, 0x8899aabbccddeeffn) };
    const message = { metadata: { "type": "T", "content-type": "x" }, customMetadata: Buffer.alloc(0), data: Buffer.from([1]) };
    const options = { streamIdentifier: { streamName: stream }, expectedStreamPosition: { $case: "noStream", value: {} } as const, deadline: undefined };
    call.write(part({ isFinal: true, options, proposedMessages: [{ id: { value: { $case: "structured", value: structured } }, ...message }] }));
    assert.equal((await done).result?.$case, "success");
    call.end();
    for (const form of ["structured", "string"] as const) {
      const read = client.read({
        options: {
          streamOption: { $case: "stream", value: { streamIdentifier: { streamName: stream }, revisionOption: { $case: "start", value: {} } } },
          readDirection: 0,
          resolveLinks: false,
          countOption: { $case: "count", value: 1n },
          filterOption: undefined,
          uuidOption: { content: { $case: form, value: {} } },
          controlOption: undefined,
        },
      });
      const all = await read.toArray();
      const [first] = all as { content: { $case: "event"; value: { event: { id: unknown } } } }[];
      assert.deepEqual(first?.content.value.event.id, { value: form === "string" ? { $case: form, value: id } : { $case: form, value: structured } });
    }
  });

  const group = (changes: Partial<GroupOptions> = {}, settings: Partial<NonNullable<GroupOptions["settings"]>> = {}): GroupOptions => ({
    streamOption: undefined,
    streamIdentifier: { streamName: Buffer.from("h-1") },
    groupName: "g",
    settings: {
      resolveLinks: false,
      revision: 0n,
      extraStatistics: false,
      messageTimeout: undefined,
      maxRetryCount: 1,
      checkpointAfter: undefined,
      minCheckpointCount: 1,
      maxCheckpointCount: 1,
      maxSubscriberCount: 0,
      liveBufferSize: 1,
      readBatchSize: 1,
      historyBufferSize: 1,
      namedConsumerStrategy: 1,
      consumerStrategy: "",
      ...settings,
    },
    ...changes,
  });
  const created = (options: GroupOptions | undefined): Promise<ServiceError | null> => new Promise((resolve) => groups.create({ options }, resolve));

  it("refuses persistent subscriptions that name nothing, or say what cannot be", async () => {
    const expression = { regex: "(a)\\1", prefix: [] };
    const lookBack = {
      $case: "filter",
      value: { filter: { $case: "eventType", value: expression }, window: undefined, checkpointIntervalMultiplier: 1 },
    } as const;
    for (const options of [
      undefined,
      group({ settings: undefined }),
      group({ groupName: "" }),
      group({ groupName: "x".repeat(1_001) }),
      group({ streamIdentifier: undefined }),
      group({ streamIdentifier: { streamName: Buffer.from("$persistentsubscription-h-1::g-checkpoint") } }),
      group({ streamOption: { $case: "all", value: { allOption: undefined, filterOption: lookBack } } }),
      group({}, { maxRetryCount: -1 }),
      group({}, { messageTimeout: { $case: "messageTimeoutTicks", value: 2n ** 60n } }),
      group({}, { namedConsumerStrategy: 2 }),
      group({}, { consumerStrategy: "PinnedByCorrelation" }),
    ])
      assert.equal(
        (await created(options))?.code,
        status.INVALID_ARGUMENT,
        JSON.stringify(options, (_, value: unknown) => String(value)),
      );
  });

  it("refuses to change a persistent subscription to what it could not be made as, and keeps it", async () => {
    const named = (settings = {}): GroupOptions => group({ groupName: "kept" }, settings);
    assert.equal(await created(named()), null);
    const refusal = await new Promise<ServiceError | null>((resolve) => groups.update({ options: named({ maxRetryCount: -1 }) }, resolve));
    assert.equal(refusal?.code, status.INVALID_ARGUMENT);
    assert.equal((await created(named()))?.code, status.ALREADY_EXISTS);
  });

  it("cuts off consumers who answer before they ask, ask twice, or for more than anybody takes; answers to what they never got count nothing", async () => {
    assert.equal(await created(group()), null);
    const wanted = (bufferSize: number): ReadReq => ({
      content: {
        $case: "options",
        value: { streamOption: { $case: "streamIdentifier", value: { streamName: Buffer.from("h-1") } }, groupName: "g", bufferSize, uuidOption: undefined },
      },
    });
    const ack = (...texts: string[]): ReadReq => ({
      content: { $case: "ack", value: { id: Buffer.alloc(0), ids: texts.map((value) => ({ value: { $case: "string", value } })) } },
    });
    for (const requests of [[ack("a")], [wanted(1), wanted(1)], [wanted(0)], [wanted(-1)], [wanted(1_001)]]) {
      const call = groups.read();
      const cut = failed(call);
      call.resume();
      for (const request of requests) call.write(request);
      assert.equal((await cut).code, status.INVALID_ARGUMENT);
    }
    const call = groups.read();
    const confirmed = new Promise((resolve) => call.once("data", resolve));
    call.write(wanted(1));
    await confirmed;
    call.write(ack("", "not-an-id", randomUUID()));
    const event = new Promise((resolve) => call.once("data", resolve));
    const options = {
      ...part().options,
      streamIdentifier: { streamName: Buffer.from("h-1") },
      expectedStreamPosition: { $case: "any", value: {} },
      deadline: undefined,
    };
    const batch = client.batchAppend();
    batch.write({ ...part({ isFinal: true }), options } as BatchAppendReq);
    await Promise.all([answered(batch), event]);
    batch.end();
    call.end();
    await once(call, "end");
  });
});
