import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import { type AllStreamResolvedEvent, EventStoreDBClient, type RecordedEvent, streamNameFilter } from "@eventstore/db-client";
import { freePort } from "../support/free-port.ts";
import { isType, type Person, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";

describe("an auditor who may read sessions and policies only", () => {
  const cleanup = suiteCleanup();
  const clients: EventStoreDBClient[] = [];
  let stack: Stack;
  let port: number;
  let session: string;
  before(async () => {
    port = await freePort();
    stack = await Stack.start(cleanup, {
      env: { SALLYPORT_LEDGER_ENDPOINT_PORT: String(port), SALLYPORT_LEDGER_ENDPOINT_STREAMS: "session-, policy-" },
    });
    await (await stack.connect("ana")).end();
    session = (await stack.event("session-", isType("SessionEnded"))).stream;
  });
  after(() => Promise.all(clients.map((client) => client.dispose())));

  const signedIn = (person: Person): EventStoreDBClient => {
    const tls = `tls=true&tlsCAFile=${encodeURIComponent(stack.caFile)}`;
    const client = EventStoreDBClient.connectionString(`esdb://${person}:${stack.tokens[person]}@localhost:${port}?${tls}`);
    clients.push(client);
    return client;
  };
  const read = async (items: AsyncIterable<{ event?: RecordedEvent }>): Promise<RecordedEvent[]> => {
    const all: RecordedEvent[] = [];
    for await (const { event } of items) if (event !== undefined) all.push(event);
    return all;
  };
  const kinds = (events: readonly RecordedEvent[]): string[] => [...new Set(events.map(({ streamId }) => streamId.replace(/-.*/su, "")))].toSorted();

  it("reads those streams; others are refused in the same words whether they exist or not", async () => {
    const client = signedIn("bo");
    assert.ok((await read(client.readStream(session))).length > 0);
    const [identity] = (await stack.events("identity-")).map(({ stream }) => stream);
    assert.ok(identity !== undefined);
    const refusal = async (items: AsyncIterable<{ event?: RecordedEvent }>): Promise<string> =>
      read(items).then(
        () => "none",
        (error: unknown) => `${String((error as { type?: unknown }).type)} ${(error as Error).message}`,
      );
    const refusals = await Promise.all([
      refusal(client.readStream(identity)),
      refusal(client.readStream("identity-nobody")),
      refusal(client.readStream(`$$${identity}`)),
      refusal(client.subscribeToStream(identity)),
      refusal(client.subscribeToStream("identity-nobody")),
    ]);
    assert.match(refusals[0], /^access-denied/u);
    assert.equal(new Set(refusals).size, 1, refusals.join("\n"));
  });

  it("sees nothing of the others on $all: read in either direction, by a filter for them, or live", async () => {
    const client = signedIn("bo");
    const both = [client.readAll({ maxCount: 10_000 }), client.readAll({ direction: "backwards", fromPosition: "end", maxCount: 10_000 })];
    for (const all of both) assert.deepEqual(kinds(await read(all)), ["policy", "session"]);

    const filtered = client.subscribeToAll({ fromPosition: "start", filter: streamNameFilter({ prefixes: ["identity-", "agent"] }) });
    filtered.on("data", () => assert.fail("This is not for an auditor."));
    await once(filtered, "caughtUp");

    const seen: RecordedEvent[] = [];
    const live = client.subscribeToAll({ fromPosition: "start" });
    const ended = new Promise<void>((resolve) =>
      live.on("data", ({ event }: AllStreamResolvedEvent) => {
        if (event === undefined) return;
        seen.push(event);
        if (event.streamId !== session && event.type === "SessionEnded") resolve();
      }),
    );
    await once(live, "caughtUp");
    await stack.token("bo");
    await (await stack.connect("ana")).end();
    await ended;
    assert.deepEqual(kinds(seen), ["policy", "session"]);
    await Promise.all([filtered.unsubscribe(), live.unsubscribe()]);
  });

  it("is not an administrator, who sees all", async () => {
    assert.ok(kinds(await read(signedIn("admin").readAll({ maxCount: 10_000 }))).includes("identity"));
  });
});
