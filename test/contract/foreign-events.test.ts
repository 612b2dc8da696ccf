import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { binaryEvent, type EventData, EventStoreDBClient, type JSONType, jsonEvent } from "@eventstore/db-client";
import fc from "fast-check";
import { type Application, createApplication, systemClock } from "@sallyport/control-plane/src/application/application.ts";
import { ownRecord } from "@sallyport/control-plane/src/application/own-record.ts";
import { project } from "@sallyport/control-plane/src/application/projections/project.ts";
import { admin, collect, compiler, silent, until } from "@sallyport/control-plane/src/application/testing/stage.ts";
import { createTimeTravel } from "@sallyport/control-plane/src/application/time-travel/time-travel.ts";
import { tryOnHistory } from "@sallyport/control-plane/src/application/what-if/try-on-history.ts";
import { eventTypes } from "@sallyport/control-plane/src/domain/catalogue.ts";
import { openEventStoreDbLedger } from "@sallyport/control-plane/src/ledger/eventstoredb/eventstoredb-ledger.ts";
import type { Ledger, RecordedEvent } from "@sallyport/control-plane/src/ledger/ledger.ts";
import { sealedLedger } from "@sallyport/control-plane/src/sealing/sealed-ledger.ts";
import { openSealing } from "@sallyport/control-plane/src/sealing/sealing.ts";
import { atEnd } from "../support/cleanup.ts";
import { LedgerServer } from "../support/ledger-server.ts";
import { tempDir } from "../support/temp-dir.ts";

/** Each run is a whole stream of some dozen events into a ledger that all of them share. */
const RUNS = 40;
const goldenFolder = new URL("../fixtures/events/", import.meta.url);
const goldens = readdirSync(goldenFolder).map((file) => JSON.parse(readFileSync(new URL(file, goldenFolder), "utf8")) as Golden);

interface Golden {
  readonly type: string;
  readonly data: Record<string, unknown>;
  readonly metadata: Record<string, unknown>;
}

/** What somebody else may append: kinds of content, under types of ours and of nobody. */
interface Garbage {
  readonly stream: string;
  readonly event: EventData;
}

const categories = [
  "session",
  "recording",
  "approval",
  "delegation",
  "erasure",
  "grant",
  "policy",
  "agent",
  "agentname",
  "forwarding",
  "resource",
  "retention",
  "identity",
  "node",
  "notification",
  "log",
];
const make = (type: string, data: unknown, metadata: unknown): EventData =>
  jsonEvent({ type, data: data as Record<string, unknown>, ...(metadata === undefined ? {} : { metadata: metadata as Record<string, unknown> }) });

const garbage = (ids: readonly string[]): fc.Arbitrary<Garbage> => {
  const stream = fc
    .tuple(fc.constantFrom(...categories), fc.constantFrom("1", "main", "garbage", "checkpoints", "one", ...ids))
    .map(([category, id]) => `${category}-${id}`);
  const type = fc.oneof(fc.constantFrom(...eventTypes), fc.constantFrom("X", "SessionX", "toString", "__proto__"));
  const json = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<JSONType>;
  const object = fc.dictionary<string, JSONType>(fc.string({ maxLength: 8 }), json, { maxKeys: 4 });
  const actor = fc.constantFrom(undefined, null, "root", {}, { kind: "human" }, { kind: "human", id: 7 }, { kind: "god", id: "root" }, { id: "subject:x" });
  const metadata = fc.oneof(
    fc.constant(undefined),
    object,
    fc.record({ actor, schemaVersion: fc.constantFrom(1, 2, 0, "1"), at: fc.constantFrom("2026-11-22T10:00:00.000Z", "soon"), $correlationId: fc.string() }),
  );
  const ours = { actor: { kind: "human", id: "root" }, schemaVersion: 1, at: "2026-11-22T10:00:00.000Z", $correlationId: "c" };
  const event = fc.oneof(
    fc.tuple(type, fc.oneof(object, json), metadata).map(([name, data, meta]) => make(name, data, meta)),
    // Of a good type with metadata of ours, and the wrong fields.
    fc.tuple(fc.constantFrom(...eventTypes), object).map(([name, data]) => make(name, data, ours)),
    // As it was recorded, without whoever caused it; or with one field gone.
    fc.constantFrom(...goldens).map(({ type: name, data }) => make(name, data, undefined)),
    fc.constantFrom(...goldens).map(({ type: name, data, metadata: meta }) => make(name, Object.fromEntries(Object.entries(data).slice(1)), meta)),
    fc.tuple(type, fc.uint8Array({ maxLength: 40 })).map(([name, data]) => binaryEvent({ type: name, data })),
  );
  return fc.record({ stream, event });
};

describe("what a third party writes into our streams", () => {
  it("is set aside everywhere, live and at the next start, and the product goes on", { timeout: 240_000 }, async (t) => {
    const { stranger, ledger, all, setAside, start } = await world(t);
    let app = await start();
    await app.recovery.run("1");
    await app.identities.put({ id: "ana", kind: "human", groups: [] }, admin);
    await app.policies.publish([{ name: "a", text: "approvers: bo" }], "", admin);
    const identity = (await collect(ledger.readAll({ filter: { by: "stream", prefixes: ["identity-"] } })))[0]?.stream ?? assert.fail();
    const written = new Set<string>();
    let put = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(garbage([identity.slice("identity-".length)]), { minLength: 1, maxLength: 24 }), fc.boolean(), async (planted, restarts) => {
        for (const { stream, event } of planted) {
          await stranger.appendToStream(stream, event);
          written.add(event.id);
        }
        if (restarts) {
          await app.live.close();
          app = await start();
          await app.erasures.recover();
          await app.recovery.run("1");
        }
        // In the same streams, behind it; seen only when everything before it was.
        const groups = [`g${String(put++)}`];
        await app.identities.put({ id: "ana", kind: "human", groups }, admin);
        await until("seen by a view", () => app.identities.list().some(({ id, groups: seen }) => id === "ana" && seen[0] === groups[0]));
        assert.equal(app.live.failure, undefined);
        assert.equal(app.policies.current()?.version.length, 13);
        await app.sessions.list(50);
      }),
      { numRuns: RUNS },
    );
    // Whatever else reads the log.
    const travel = createTimeTravel({ ledger, clock: systemClock, compiler });
    const state = await travel.state({ kind: "instant", at: new Date() });
    assert.equal(state.identities.get("identity-ana")?.state.identityId, "ana");
    assert.deepEqual(state.openSessions(), []);
    const question = { version: "p", files: [], since: new Date(0), until: new Date(), identity: "", resource: "" };
    assert.equal((await tryOnHistory({ ledger, compiler }, question)).decisions, 0);
    // The lists count each as unreadable, and nothing is in them that is not ours.
    const stored = await collect(all.readAll());
    const ours = new Set((await collect(ledger.readAll())).map(({ id }) => id));
    assert.deepEqual(new Set(stored.flatMap(({ id }) => (ours.has(id) ? [] : [id]))), written);
    assert.equal(setAside.size, written.size);
    const unreadable = stored.filter((event) => project(event).kind === "unreadable");
    assert.ok(unreadable.length > 0);
    for (const { id } of unreadable) assert.ok(!ours.has(id));
    for (const event of stored) if (!ours.has(event.id)) assert.ok(project(event).kind === "unreadable" || !projected(event), event.stream);
    await app.close();
  });
});

/** Whether its category is one that lists are made of. */
const projected = ({ stream }: RecordedEvent): boolean =>
  ["agent", "approval", "erasure", "grant", "identity", "policy", "resource", "retention", "session"].includes(stream.slice(0, stream.indexOf("-")));

async function world(t: TestContext) {
  const server = await LedgerServer.start(t, { credentials: "gate:keeper\n" });
  const stranger = EventStoreDBClient.connectionString(server.url("gate:keeper"));
  const folder = tempDir(t, "foreign");
  const { sealer, subjects } = openSealing(join(folder, "subject-keys"));
  const all: Ledger = sealedLedger(await openEventStoreDbLedger(server.url("gate:keeper")), sealer);
  const setAside = new Set<bigint>();
  const ledger = ownRecord(all, ({ position }) => setAside.add(position));
  atEnd(t, async () => {
    await stranger.dispose();
    await all.close();
  });
  const start = (): Promise<Application> => createApplication({ ledger, clock: systemClock, log: silent, compiler, subjects, nodeId: "one" });
  return { stranger, ledger, all, setAside, start };
}
