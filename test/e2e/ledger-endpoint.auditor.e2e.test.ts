import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import {
  EventStoreDBClient,
  jsonEvent,
  persistentSubscriptionToAllSettingsFromDefaults,
  persistentSubscriptionToStreamSettingsFromDefaults,
  type RecordedEvent,
  streamNameFilter,
} from "@eventstore/db-client";
import { freePort } from "../support/free-port.ts";
import { openPolicy, starterPolicy } from "../support/policies.ts";
import { isType, type Person, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";

describe("an auditor with EventStoreDB's client, while the product runs", () => {
  const cleanup = suiteCleanup();
  const clients: EventStoreDBClient[] = [];
  let stack: Stack;
  let port: number;
  before(async () => {
    port = await freePort();
    stack = await Stack.start(cleanup, { env: { SALLYPORT_LEDGER_ENDPOINT_PORT: String(port) } });
  });
  after(() => Promise.all(clients.map((client) => client.dispose())));

  const clientOf = (user: string, token: string): EventStoreDBClient => {
    const client = EventStoreDBClient.connectionString(`esdb://${user}:${token}@localhost:${port}?tls=true&tlsCAFile=${encodeURIComponent(stack.caFile)}`);
    clients.push(client);
    return client;
  };
  const signedIn = (person: Person): EventStoreDBClient => clientOf(person, stack.tokens[person]);
  const read = async (items: AsyncIterable<{ event?: RecordedEvent }>): Promise<RecordedEvent[]> => {
    const all: RecordedEvent[] = [];
    for await (const { event } of items) if (event !== undefined) all.push(event);
    return all;
  };

  let stream = "";
  it("reads a session's history as it is stored, event by event: what was done, and by whom sealed", async () => {
    const session = await stack.connect("ana", { application_name: "audited" });
    await session.query("select 42 as answer");
    await session.end();
    const requested = await stack.event("session-", (event) => event.type === "SessionRequested" && event.data.application === "audited");
    ({ stream } = requested);
    await stack.event(stream, isType("SessionEnded"));
    const ours = await stack.events(stream);
    const theirs = await read(signedIn("bo").readStream(stream));
    assert.deepEqual(
      theirs.map(({ type, position }) => ({ type, position: position?.commit })),
      ours.map(({ type, position }) => ({ type, position })),
    );
    assert.deepEqual(
      theirs.slice(1).map(({ data }) => data),
      ours.slice(1).map(({ data }) => data),
    );
    assert.match(JSON.stringify(theirs.map(({ data }) => data)), /select 42 as answer/u);
    const [first] = theirs;
    assert.ok(first);
    const { identity } = first.data as { readonly identity: { readonly id: string; readonly groups: readonly string[] } };
    assert.match(identity.id, /^sealed:1:[0-9a-f-]{36}:/u);
    assert.deepEqual(identity.groups, ["engineers"]);
  });

  it("follows what is happening, through a filter", async () => {
    const subscription = signedIn("bo").subscribeToAll({ fromPosition: "end", filter: streamNameFilter({ prefixes: ["session-"] }) });
    await once(subscription, "caughtUp");
    const first = once(subscription, "data") as Promise<[{ event: RecordedEvent }]>;
    const session = await stack.connect();
    const [{ event }] = await first;
    assert.equal(event.type, "SessionRequested");
    await session.end();
    await subscription.unsubscribe();
  });

  it("cannot append, delete or change metadata", async () => {
    const client = signedIn("admin");
    const denied = { type: "access-denied" };
    await assert.rejects(client.appendToStream("orders-1", jsonEvent({ type: "A", data: {} })), denied);
    await assert.rejects(client.setStreamMetadata("session-1", { maxCount: 1 }), denied);
    await assert.rejects(client.deleteStream("orders-1"), denied);
    await assert.rejects(client.tombstoneStream("orders-1"), denied);
  });

  it("cannot make, change, delete or consume a persistent subscription, which would write", async () => {
    const client = signedIn("admin");
    const denied = { type: "access-denied" };
    const settings = persistentSubscriptionToStreamSettingsFromDefaults();
    await assert.rejects(client.createPersistentSubscriptionToStream("orders-1", "g", settings), denied);
    await assert.rejects(client.createPersistentSubscriptionToAll("g", persistentSubscriptionToAllSettingsFromDefaults()), denied);
    await assert.rejects(client.updatePersistentSubscriptionToStream("orders-1", "g", settings), denied);
    await assert.rejects(client.deletePersistentSubscriptionToStream("orders-1", "g"), denied);
    await assert.rejects(client.replayParkedMessagesToStream("orders-1", "g"), denied);
    const consumer = client.subscribeToPersistentSubscriptionToStream("orders-1", "g");
    const [refusal] = (await once(consumer, "error")) as [{ type?: unknown }];
    assert.equal(refusal.type, denied.type);
  });

  it("is refused without the auditor's role, without a token, with another's, or with one that is made up", async () => {
    const denied = { type: "access-denied" };
    await assert.rejects(read(signedIn("ana").readAll({ maxCount: 1 })), denied);
    await assert.rejects(read(clientOf("bo", stack.tokens.ana).readAll({ maxCount: 1 })), denied);
    await assert.rejects(read(clientOf("bo", "made-up").readAll({ maxCount: 1 })), denied);
    const anonymous = EventStoreDBClient.connectionString(`esdb://localhost:${port}?tls=true&tlsCAFile=${encodeURIComponent(stack.caFile)}`);
    clients.push(anonymous);
    await assert.rejects(read(anonymous.readAll({ maxCount: 1 })), denied);
  });

  it("is cut off within seconds when its token is revoked", async () => {
    const { tokenId, token } = await stack.token("bo");
    const subscription = clientOf("bo", token).subscribeToAll({ fromPosition: "end" });
    await once(subscription, "caughtUp");
    const failed = once(subscription, "data"); // rejects with the first error; what comes before it is no answer to this
    await stack.call("admin", (api) => api.identities.revokeToken({ tokenId }));
    const refusal = new Promise((resolve) => subscription.on("error", resolve));
    await failed.catch(() => undefined);
    assert.equal(((await refusal) as { type?: unknown }).type, "access-denied");
  });

  it("is let in, and cut off, by the policy", async () => {
    const subscription = signedIn("bo").subscribeToAll({ fromPosition: "end", filter: streamNameFilter({ prefixes: ["nothing-"] }) });
    await once(subscription, "caughtUp");
    const refusal = new Promise((resolve) => subscription.on("error", resolve));
    const only = `@id("cy-replays") permit (principal == Identity::"cy", action == Action::"replay", resource);`;
    await stack.publish([...openPolicy, { name: "replay.cedar", text: only }]);
    assert.equal(((await refusal) as { type?: unknown }).type, "access-denied");
    await assert.rejects(read(signedIn("bo").readAll({ maxCount: 1 })), { type: "access-denied" });
    assert.equal((await read(signedIn("cy").readAll({ maxCount: 1 }))).length, 1);
    await stack.publish(starterPolicy);
    assert.equal((await read(signedIn("bo").readAll({ maxCount: 1 }))).length, 1);
  });

  it("reads it as the product itself reads it, where that is configured", async () => {
    await stack.killControlPlane("SIGTERM");
    await stack.startControlPlane({ SALLYPORT_LEDGER_ENDPOINT_PERSONAL_DATA: "readable" });
    const ours = await stack.events(stream);
    const theirs = await read(signedIn("bo").readStream(stream));
    assert.deepEqual(
      theirs.map(({ type, data, metadata, position }) => ({ type, data, metadata, position: position?.commit })),
      ours.map(({ type, data, metadata, position }) => ({ type, data, metadata, position })),
    );
    assert.match(JSON.stringify(theirs[0]?.data), /"id":"ana"/u);
  });
});
