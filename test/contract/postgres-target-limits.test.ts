import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import type { Obligations } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { encodeFrame } from "@sallyport/proto/wire/postgres/frames";
import { frontend } from "@sallyport/proto/wire/postgres/message-types";
import { encodeQuery } from "@sallyport/proto/wire/postgres/query";
import { ForwardingTally } from "../../edge-agent/src/attestation/forwarding-tally.ts";
import { HeldBytes } from "../../edge-agent/src/targets/held-bytes.ts";
import { PostgresTarget } from "../../edge-agent/src/targets/postgres/postgres-target.ts";
import { pino } from "pino";
import { MemoryChannel } from "./postgres-target-channel.ts";
import { openedSession, openSession, resourceOf, startTargetServer, suiteCleanup, type TargetServer, timeouts } from "./postgres-target-server.ts";

const oblige = (obligations: Partial<Obligations>): Obligations => ({ maskColumns: [], detectors: [], rowCap: 0n, ...obligations });
const ready = (messages: readonly string[]): number => messages.filter((message) => message.startsWith("Z")).length;
const limits = (channel: MemoryChannel): unknown[] => channel.posted.flatMap((body) => (body.$case === "report" ? [body.value.limit] : []));

describe("limits of policy on PostgreSQL", { timeout: 60_000 }, () => {
  const cleanup = suiteCleanup();
  let server: TargetServer;
  before(async () => {
    server = await startTargetServer(cleanup);
  });
  const open = (obligations: Partial<Obligations>, tally = new ForwardingTally(() => undefined)) =>
    openedSession(resourceOf(server), { tally, open: { obligations: oblige(obligations) } });

  it("cuts what a COPY sends at the cap of bytes, as it does rows", async () => {
    const { channel, messages } = await open({ byteCap: 100n });
    channel.write(encodeQuery("copy (select repeat('x', 30) from generate_series(1, 10)) to stdout"));
    await channel.until(() => ready(messages) === 1);
    assert.equal(messages.filter((message) => message.startsWith("d")).length, 3);
    assert.match(messages.join("|"), /7 rows were withheld: policy allows at most 100 bytes of rows per command\./);
    assert.match(messages.join("|"), /CCOPY 3/);
    assert.deepEqual(limits(channel), ["bytes"]);
  });

  it("cancels a command at its time, says whose limit it was, and the session goes on", async () => {
    const { channel, messages } = await open({ timeoutMillis: 200 });
    channel.write(encodeQuery("select pg_sleep(60)"));
    await channel.until(() => ready(messages) === 1);
    assert.match(messages.join("|"), /SERROR\0.*C57014\0MStopped by policy: a command may run for 200 ms\.\0Dcode: command\.timeout/);
    assert.ok(!messages.join("|").includes("canceling statement"));
    channel.write(encodeQuery("select 'still here'"));
    await channel.until(() => ready(messages) === 2);
    assert.match(messages.join("|"), /still here/);
    assert.deepEqual(limits(channel), ["time", undefined]);
  });

  it("fails the transaction that the command stood in, as a cancel does", async () => {
    const { channel, messages } = await open({ timeoutMillis: 200 });
    channel.write(encodeQuery("begin"));
    await channel.until(() => ready(messages) === 1);
    channel.write(encodeQuery("select pg_sleep(60)"));
    await channel.until(() => ready(messages) === 2);
    assert.equal(messages.at(-1), "ZE");
  });

  it("measures each command of a pipeline by itself, and a text of several statements as one", async () => {
    const execute = (sql: string): Buffer =>
      Buffer.concat([
        encodeFrame(frontend.parse, Buffer.concat([Buffer.from(`\0${sql}\0`), Buffer.alloc(2)])),
        encodeFrame(frontend.bind, Buffer.alloc(8)),
        encodeFrame(frontend.execute, Buffer.alloc(5)),
      ]);
    const sync = encodeFrame(frontend.sync, Buffer.alloc(0));
    const { channel, messages } = await open({ timeoutMillis: 1_500 });
    channel.write(Buffer.concat([...Array.from({ length: 4 }, () => execute("select pg_sleep(0.5)")), sync]));
    await channel.until(() => ready(messages) === 1);
    assert.ok(!messages.join("|").includes("Stopped by policy"));
    channel.write(encodeQuery("select pg_sleep(0.5); ".repeat(8)));
    await channel.until(() => ready(messages) === 2);
    assert.match(messages.join("|"), /Stopped by policy/);
  });

  it("measures planning, too, in which the target works out constants", async () => {
    const prepare = (sql: string): Buffer =>
      Buffer.concat([
        encodeFrame(frontend.parse, Buffer.concat([Buffer.from(`\0${sql}\0`), Buffer.alloc(2)])),
        encodeFrame(frontend.bind, Buffer.alloc(8)),
        encodeFrame(frontend.flush, Buffer.alloc(0)),
      ]);
    const tally = new ForwardingTally(() => undefined);
    const { channel, messages } = await open({ timeoutMillis: 200 }, tally);
    channel.write(prepare(`select ${Array.from({ length: 40 }, (_, i) => `length(md5(repeat('a${i}', 100000000)))`).join(" + ")}`));
    await channel.until(() => messages.some((message) => message.startsWith("E")));
    assert.match(messages.join("|"), /Stopped by policy: a command may run for 200 ms/);
    assert.ok(!messages.includes("2"));
    assert.equal(tally.forwarded().commands, 0);
    channel.write(encodeFrame(frontend.sync, Buffer.alloc(0)));
    await channel.until(() => ready(messages) === 1);
    channel.hangUp();
  });

  it("passes what else the target says when it fails just then", async () => {
    const { channel, messages } = await open({ timeoutMillis: 200 });
    channel.write(encodeQuery("do $$ begin perform pg_sleep(60); exception when query_canceled then raise exception 'something else'; end $$"));
    await channel.until(() => ready(messages) === 1);
    assert.match(messages.join("|"), /something else/);
    assert.deepEqual(limits(channel), [undefined]);
  });

  it("ends the session that makes the agent hold too much, and no other", async () => {
    const heldBytes = new HeldBytes(100 * 1_048_576);
    const target = new PostgresTarget(resourceOf(server), { log: pino({ level: "silent" }), timeouts, maskKey: Buffer.alloc(32), heldBytes });
    const large = async (): Promise<MemoryChannel> => {
      // Enough for the description of the row.
      const channel = new MemoryChannel(1_000);
      await openSession(resourceOf(server), { target, channel, open: { obligations: oblige({ detectors: ["email"] }) } });
      channel.write(encodeQuery("select repeat('x', 40000000)"));
      await channel.until(() => channel.queuedBytes > 40_000_000 || channel.reason !== undefined);
      return channel;
    };
    const [one, two] = [await large(), await large()];
    const three = await large();
    assert.equal(three.reason?.code, "session.limit");
    assert.deepEqual([one.reason, two.reason], [undefined, undefined]);
    one.grant(50_000_000);
    await one.until(() => one.posted.some(({ $case }) => $case === "report"));
    const four = await large();
    assert.equal(four.reason, undefined);
    for (const channel of [one, two, four]) channel.hangUp();
  });

  it("ends the session of a command that ignores being cancelled", async () => {
    const { channel } = await open({ timeoutMillis: 200 });
    channel.write(encodeQuery("do $$ begin loop begin perform pg_sleep(60); exception when query_canceled then null; end; end loop; end $$"));
    await channel.until(() => channel.reason !== undefined);
    assert.equal(channel.reason?.code, "command.timeout");
    await server.admin.query("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'by_trust'");
  });
});
