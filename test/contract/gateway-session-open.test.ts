import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { before, describe, it } from "node:test";
import { encodeStartupMessage } from "@sallyport/proto/wire/postgres/startup";
import type { Channel } from "@sallyport/proto/tunnel/channel";
import type { SessionEvent } from "../../control-plane/src/domain/session/session.events.ts";
import { turns } from "../support/event-loop.ts";
import { message, query } from "../support/frontend-messages.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import type { WireClient } from "../support/wire-client.ts";
import { GatewayBed, type Ground, HANG_MS, prepareGround, transcript } from "./gateway-session-harness.ts";
import { unwritten } from "./gateway-session-ports.ts";
import { type OpenTarget, ScriptedTarget } from "./gateway-session-target.ts";

/** Targets that greet when the test says so. */
class Waiting {
  readonly channels: Channel[] = [];
  readonly open: OpenTarget = (_open, channel) => {
    this.channels.push(channel);
    return { data: () => undefined, control: () => undefined, drained: () => undefined, closed: () => undefined };
  };

  greet(index = 0): void {
    const channel = this.channels[index];
    assert.ok(channel);
    void new ScriptedTarget(channel);
  }
}

/** Signs in, and waits for nothing. */
async function signIn(bed: GatewayBed): Promise<WireClient> {
  const client = await bed.connect();
  client.write(
    encodeStartupMessage(
      new Map([
        ["user", "ana"],
        ["database", "orders"],
      ]),
    ),
  );
  await client.more("R");
  client.write(message("p", "token\0"));
  return client;
}

const opens = (events: readonly SessionEvent[]): boolean => events.some(({ type }) => type === "SessionOpened");

describe("opening a session", { timeout: 6 * HANG_MS }, () => {
  const cleanup = suiteCleanup();
  let ground: Ground;
  before(async () => {
    ground = await prepareGround(cleanup);
  });

  /** A gateway with one client whose target has not greeted yet. */
  async function opening(
    t: Parameters<typeof GatewayBed.start>[0],
  ): Promise<{ readonly bed: GatewayBed; readonly waiting: Waiting; readonly client: WireClient }> {
    const waiting = new Waiting();
    const bed = await GatewayBed.start(t, ground, { target: waiting.open });
    const client = await signIn(bed);
    // The gateway answers the password before it asks for the target.
    await client.more("R");
    await bed.targets.until(() => bed.heard.length === 1);
    return { bed, waiting, client };
  }

  it("is refused, and leaves nothing behind, when the client goes before the target has greeted", { timeout: HANG_MS }, async (t) => {
    const { bed, client } = await opening(t);
    client.destroy();
    const [record] = bed.records;
    await record?.until(() => record.of("SessionRefused").length === 1);
    await bed.heard[0]?.until(() => bed.heard[0]?.closed === true);
    assert.deepEqual(
      record?.events.map(({ type }) => type),
      ["SessionRequested", "SessionRefused"],
    );
    assert.equal(bed.running.size, 0);
    assert.equal(bed.gateway.sessions, 0);
  });

  it("is ended, and leaves nothing behind, when the client goes while the opening is being recorded", { timeout: HANG_MS }, async (t) => {
    const { bed, waiting, client } = await opening(t);
    const [record] = bed.records;
    assert.ok(record);
    const recorded = Promise.withResolvers<void>();
    record.fate = (events) => (opens(events) ? recorded.promise : undefined);
    waiting.greet();
    await record.until(() => opens(record.events));
    client.destroy();
    await turns(50);
    recorded.resolve();
    await record.until(() => record.of("SessionEnded").length === 1);
    await bed.heard[0]?.until(() => bed.heard[0]?.closed === true);
    assert.equal(record.of("SessionEnded")[0]?.cause, "client_lost");
    assert.equal(bed.running.size, 0);
    assert.equal(bed.gateway.sessions, 0);
  });

  it("does not let in whoever is disabled meanwhile", { timeout: HANG_MS }, async (t) => {
    const { bed, waiting, client } = await opening(t);
    bed.endAll("identity_disabled");
    waiting.greet();
    await client.ended();
    assert.match(transcript(client.messages), /^R R E:57P01$/);
    const [record] = bed.records;
    await record?.until(() => record.of("SessionRefused").length === 1);
    await bed.heard[0]?.until(() => bed.heard[0]?.closed === true);
    assert.equal(bed.running.size, 0);
  });

  it("does not let in whoever is disabled while the request or the opening is being recorded", { timeout: HANG_MS }, async (t) => {
    for (const type of ["SessionRequested", "SessionOpened"]) {
      const waiting = new Waiting();
      const bed = await GatewayBed.start(t, ground, { target: (open, channel) => (setImmediate(() => waiting.greet()), waiting.open(open, channel)) });
      const recorded = Promise.withResolvers<void>();
      bed.onRecord = (record) => (record.fate = (events) => (events[0]?.type === type ? recorded.promise : undefined));
      const client = await signIn(bed);
      await client.more("R");
      const [record] = bed.records;
      await record?.until(() => record.events.at(-1)?.type === type);
      bed.endAll("identity_disabled");
      recorded.resolve();
      await client.ended();
      assert.match(transcript(client.messages), /^R R E:57P01$/, `${type}: no greeting`);
      await record?.until(() => record.events.length > (type === "SessionRequested" ? 1 : 2));
      if (type === "SessionOpened") assert.equal(record?.of("SessionEnded")[0]?.cause, "identity_disabled");
      else
        assert.deepEqual(
          record?.events.map((event) => event.type),
          ["SessionRequested", "SessionRefused"],
        );
      assert.equal(bed.running.size, 0);
    }
  });

  for (const recorded of ["unknown", "no"] as const) {
    it(
      `that the ledger did not answer about is refused, in the record too ${recorded === "no" ? "only if it is there" : "behind it"}`,
      { timeout: HANG_MS },
      async (t) => {
        const bed = await GatewayBed.start(t, ground, { target: new Waiting().open });
        bed.onRecord = (record) =>
          (record.fate = ([event]) => {
            if (event?.type !== "SessionRequested") return undefined;
            return recorded === "no" ? "refused" : Promise.reject(unwritten("unknown"));
          });
        const client = await signIn(bed);
        await client.ended();
        assert.equal(transcript(client.messages), "R R E:58030");
        const [record] = bed.records;
        if (recorded === "unknown") await record?.until(() => record.of("SessionRefused").length === 1);
        assert.deepEqual(
          record?.events.map(({ type }) => type),
          recorded === "unknown" ? ["SessionRequested", "SessionRefused"] : [],
        );
        if (recorded === "unknown") assert.equal(record.of("SessionRefused")[0]?.code, "ledger.unavailable");
        assert.equal(bed.heard.length, 0);
        assert.equal(bed.running.size, 0);
      },
    );
  }

  it("counts towards the bound on sessions, and gives its place back", { timeout: HANG_MS }, async (t) => {
    const waiting = new Waiting();
    const bed = await GatewayBed.start(t, ground, { target: waiting.open, limits: { sessions: 1 } });
    const first = await signIn(bed);
    await bed.targets.until(() => bed.heard.length === 1);
    const second = await signIn(bed);
    await second.ended();
    assert.equal(transcript(second.messages), "R E:53300");
    first.destroy();
    const [record] = bed.records;
    await record?.until(() => record.of("SessionRefused").length === 1);
    await turns();
    const third = await signIn(bed);
    await bed.targets.until(() => bed.heard.length === 2);
    waiting.greet(1);
    await third.more("Z");
  });

  it("cuts a client whose TLS is disturbed", { timeout: HANG_MS }, async (t) => {
    const bed = await GatewayBed.start(t, ground);
    const { port } = bed;
    let disturb = false;
    const between = createServer((socket) => {
      const onward = connect(port, "127.0.0.1");
      socket.on("data", (chunk: Buffer) => {
        if (disturb) chunk[chunk.length - 1] = (chunk.at(-1) ?? 0) ^ 1;
        onward.write(chunk);
      });
      onward.pipe(socket);
      for (const each of [socket, onward]) each.on("error", () => undefined);
      t.after(() => onward.destroy());
    });
    between.listen(0, "127.0.0.1");
    await once(between, "listening");
    t.after(() => void between.close());
    const address = between.address();
    assert.ok(typeof address === "object" && address !== null);
    bed.port = address.port;
    const { client, record } = await bed.open();
    disturb = true;
    client.write(query("SELECT 1"));
    await client.ended();
    await record.until(() => record.of("SessionEnded").length === 1);
    assert.equal(record.of("SessionEnded")[0]?.cause, "client_lost");
    assert.equal(record.commands.length, 0);
  });
});
