import assert from "node:assert/strict";
import { memoryUsage } from "node:process";
import { before, describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { encodeFrame } from "@sallyport/proto/wire/postgres/frames";
import { frontend } from "@sallyport/proto/wire/postgres/message-types";
import { encodeQuery } from "@sallyport/proto/wire/postgres/query";
import { startTestPostgres } from "../support/postgres-server.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { MemoryChannel } from "./postgres-target-channel.ts";
import { openedSession, openSession, resourceOf, startSession, startTargetServer, suiteCleanup, type TargetServer } from "./postgres-target-server.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const MIB = 1 << 20;
const ready = (messages: readonly string[]) => messages.filter((message) => message.startsWith("Z")).length;
const terminate = encodeFrame(frontend.terminate, Buffer.alloc(0));

describe("a session on PostgreSQL", { timeout: 60_000 }, () => {
  const cleanup = suiteCleanup();
  let server: TargetServer;
  before(async () => {
    server = await startTargetServer(cleanup);
  });

  /** A session whose backend can be told from the others by `name`. */
  const named = (name: string, channel?: MemoryChannel) =>
    openedSession(resourceOf(server), { open: { parameters: { application_name: name } }, ...(channel === undefined ? {} : { channel }) });

  /** Asks the server again and again; its activity sends no event. */
  const backends = async (name: string, met: (states: readonly string[]) => boolean): Promise<void> => {
    for (;;) {
      const { rows } = await server.admin.query<{ state: string }>(
        "select state || coalesce(':' || wait_event, '') as state from pg_stat_activity where application_name = $1",
        [name],
      );
      if (met(rows.map(({ state }) => state))) return;
    }
  };
  const running = (name: string) => backends(name, ([state]) => state?.startsWith("active") ?? false);
  const ended = async (name: string): Promise<number> => {
    const start = performance.now();
    await backends(name, (states) => states.length === 0);
    return performance.now() - start;
  };

  const ways = {
    "plaintext": () => ({}),
    "TLS": () => ({ host: "localhost", tls: { caFile: server.certificate.caFile } }),
    "a Unix socket": () => ({ host: server.socketDirectory, tls: {} }),
  };
  for (const [way, more] of Object.entries(ways)) {
    it(`cancels over ${way} what runs when the control plane says so, and goes on afterwards`, async () => {
      const { channel, messages } = await openedSession(resourceOf(server, more()), { open: { parameters: { application_name: "cancel" } } });
      channel.write(encodeQuery("select pg_sleep(60)"));
      await running("cancel");
      channel.control({ $case: "cancel", value: {} });
      await channel.until(() => ready(messages) === 1);
      assert.match(messages.join("|"), /E.*57014/);
      channel.write(encodeQuery("select 'still here'"));
      await channel.until(() => ready(messages) === 2);
      assert.match(messages.join("|"), /still here/);
      channel.hangUp();
      await ended("cancel");
    });
  }

  const closings = {
    "an idle session": async () => undefined,
    "a session that sleeps in a query": async (channel: MemoryChannel, name: string) => {
      channel.write(encodeQuery("select pg_sleep(60)"));
      await running(name);
    },
    "a session with a second query waiting behind the first": async (channel: MemoryChannel, name: string) => {
      channel.write(Buffer.concat([encodeQuery("select pg_sleep(60)"), encodeQuery("select pg_sleep(61)")]));
      await running(name);
    },
    "a session in the middle of COPY … FROM STDIN": async (channel: MemoryChannel, name: string) => {
      channel.write(encodeQuery("create temp table t (x text); copy t from stdin"));
      await backends(name, ([state]) => state === "active:ClientRead");
    },
    "a session in the middle of a message": async (channel: MemoryChannel) => channel.write(encodeQuery("select pg_sleep(60)").subarray(0, -5)),
  };
  for (const [what, prepare] of Object.entries(closings)) {
    it(`ends the backend of ${what} when the control plane closes it`, async () => {
      const name = `closing${Object.keys(closings).indexOf(what)}`;
      const { channel } = await named(name);
      await prepare(channel, name);
      channel.hangUp();
      const ms = await ended(name);
      assert.ok(ms < 2_000, `took ${ms} ms`);
    });
  }

  it("ends the backend of a session that nobody reads when the control plane closes it", async () => {
    const { channel } = await named("unread", new MemoryChannel(0));
    channel.write(encodeQuery("select repeat('x', 1000) from generate_series(1, 1000000)"));
    await backends("unread", ([state]) => state === "active:ClientWrite");
    channel.hangUp({ code: "session.ended", message: "" });
    const ms = await ended("unread");
    assert.ok(ms < 2_000, `took ${ms} ms`);
  });

  it("leaves no backend behind when it is closed while it logs in", async () => {
    const { channel } = startSession(resourceOf(server), { open: { parameters: { application_name: "early" } } });
    channel.hangUp();
    await ended("early");
    assert.deepEqual(channel.posted, []);
  });

  it("ends in good order when the client says goodbye, or the server ends an idle session with its own words", async () => {
    const polite = await named("polite");
    polite.channel.write(terminate);
    await polite.channel.until(() => polite.channel.reason !== undefined);
    assert.deepEqual(polite.channel.reason, { code: "", message: "" });

    const idle = await named("dismissed");
    await server.admin.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'dismissed'");
    await idle.channel.until(() => idle.channel.reason !== undefined);
    assert.match(idle.messages.join("|"), /E.*57P01/);
    assert.equal(idle.channel.reason?.code, "");
  });

  it("says that the target is unreachable when the connection breaks under a command", async () => {
    const proxy = await TcpProxy.start(cleanup, { target: server });
    const { channel } = await openedSession(resourceOf(proxy), { open: { parameters: { application_name: "broken" } } });
    channel.write(encodeQuery("select pg_sleep(60)"));
    await running("broken");
    proxy.cut();
    await channel.until(() => channel.reason !== undefined);
    assert.equal(channel.reason?.code, "target.unreachable");
    await server.admin.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'broken'");
  });

  it("refuses data that comes before the session is open", async () => {
    const { channel } = startSession(resourceOf(server));
    channel.writeUnchecked(encodeQuery("select 1"));
    assert.equal(channel.reason?.code, "tunnel.violation");
  });

  it("passes a value of 64 MiB to a slow reader in bounded memory", async () => {
    const window = 256 * 1024;
    const channel = new MemoryChannel(window);
    await named("large", channel);
    channel.onData = () => undefined;
    const liveBytes = (): number => {
      collectGarbage();
      return memoryUsage().arrayBuffers;
    };
    const atFirst = liveBytes();
    let most = 0;
    let mostQueued = 0;
    channel.write(encodeQuery("select repeat('x', 64 << 20)"));
    for (let turns = 0; channel.deliveredBytes < 64 * MIB; turns++) {
      await turn();
      channel.grant(window);
      mostQueued = Math.max(mostQueued, channel.queuedBytes);
      if (turns % 100 === 0) most = Math.max(most, liveBytes() - atFirst);
    }
    assert.ok(mostQueued <= MIB, `queued ${mostQueued}`);
    assert.ok(most < 8 * MIB, `${most / MIB} MiB at most`);
    channel.hangUp();
  });

  it("stops its own socket only when its channel takes nothing more", async () => {
    const stalled = await named("stalled", new MemoryChannel(64 * 1024));
    stalled.channel.write(encodeQuery("select repeat('x', 1000) from generate_series(1, 20000)"));
    await backends("stalled", ([state]) => state === "active:ClientWrite");
    const neighbour = await named("neighbour");
    for (let i = 1; i <= 20; i++) {
      neighbour.channel.write(encodeQuery(`select ${i}, repeat('y', 100000)`));
      await neighbour.channel.until(() => ready(neighbour.messages) === i);
    }
    assert.ok(stalled.channel.queuedBytes <= MIB, `queued ${stalled.channel.queuedBytes}`);
    stalled.channel.grant(Number.POSITIVE_INFINITY);
    await stalled.channel.until(() => ready(stalled.messages) === 1);
    assert.equal(stalled.messages.filter((message) => message.startsWith("D")).length, 20_000, "and loses nothing by it");
    for (const { channel } of [stalled, neighbour]) channel.hangUp();
  });

  it("gives the client credit no faster than the target takes its bytes", async () => {
    const proxy = await TcpProxy.start(cleanup, { target: server });
    const { channel, messages } = await openedSession(resourceOf(proxy));
    channel.write(encodeQuery("create temp table sink (x text); copy sink from stdin"));
    await channel.until(() => messages.some((message) => message.startsWith("G")));
    proxy.pause();
    const row = encodeFrame(frontend.copyData, Buffer.from(`${"z".repeat(65_000)}\n`));
    const full = channel.room;
    let written = 0;
    for (let idle = 0; idle < 200 && written < 64 * MIB; idle++) {
      while (channel.room >= row.length && written < 64 * MIB) {
        channel.write(row);
        written += row.length;
        idle = 0;
      }
      await turn();
    }
    assert.ok(written < 64 * MIB, "the kernel's buffers and one window, not everything");
    assert.ok(channel.room < row.length);
    proxy.resume();
    await channel.until(() => channel.room === full);
    channel.write(Buffer.concat([encodeFrame(frontend.copyDone, Buffer.alloc(0)), encodeQuery("select count(*) from sink")]));
    await channel.until(() => ready(messages) === 2);
    assert.ok(messages.some((message) => message === `D\0\x01\0\0\0${String.fromCharCode(String(written / row.length).length)}${written / row.length}`));
    channel.hangUp();
  });

  it("refuses a server without TLS when the resource does not say that plaintext will do", async () => {
    const { host, port } = await startTestPostgres(cleanup, { auth: "trust" });
    const { outcome } = await openSession(resourceOf({ host, port }, { user: "app", database: "app", tls: {} }));
    assert.ok("code" in outcome && outcome.code === "target.refused");
    const { channel } = await openedSession(resourceOf({ host, port }, { user: "app", database: "app" }));
    channel.hangUp();
  });
});
