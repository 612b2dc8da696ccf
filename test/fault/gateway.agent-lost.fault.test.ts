import assert from "node:assert/strict";
import { once } from "node:events";
import { before, describe, it } from "node:test";
import { Client } from "pg";
import { backends, gone, running } from "../e2e/backends.ts";
import { failure } from "../e2e/failure.ts";
import { openWire } from "../e2e/gateway-wire.ts";
import { query } from "../support/frontend-messages.ts";
import { openPolicy } from "../support/policies.ts";
import { residentBytes } from "../support/process-usage.ts";
import { isType, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";

const MIB = 1_048_576;
/** A result that would fill memory if anybody kept it. */
const ENDLESS = "select repeat('x', 10000) from generate_series(1, 1000000)";

describe("a session", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  let admin: Client;
  before(async () => {
    stack = await Stack.start(cleanup, { policy: openPolicy });
    admin = await stack.target.connectAsSuperuser();
  });

  const told = async (client: Client): Promise<readonly string[]> => {
    const [error] = (await once(client, "error")) as [{ code?: string; detail?: string }];
    return [error.code ?? "", error.detail ?? "no detail"];
  };
  const endOf = async (application: string): Promise<string> => {
    const requested = await stack.event("session-", (event) => event.type === "SessionRequested" && event.data.application === application);
    return (await stack.event(requested.stream, isType("SessionEnded"))).data.cause;
  };
  const connecting = async (): Promise<readonly string[]> => {
    const client = new Client(stack.gateway());
    client.on("error", () => undefined);
    const outcome = await failure(client.connect());
    await client.end().catch(() => undefined);
    return outcome;
  };

  it("whose reader stands still slows no other one, and fills no memory", async () => {
    const stalled = await openWire(cleanup, stack, "ana", { application_name: "stalled" });
    const before_ = { gateway: residentBytes(stack.controlPlane.pid), agent: residentBytes(stack.agent.pid) };
    stalled.pause();
    stalled.write(query(ENDLESS));
    const blocked = async (): Promise<void> => {
      for (;;) {
        const { rows } = await admin.query("select 1 from pg_stat_activity where application_name = 'stalled' and wait_event = 'ClientWrite'");
        if (rows.length > 0) return;
      }
    };
    await blocked();
    const other = await stack.connect();
    for (let n = 0; n < 300; n++) assert.equal((await other.query<{ n: number }>("select $1::int as n", [n])).rows[0]?.n, n);
    const { rows } = await other.query<{ length: number }>("select length(repeat('y', 20000000)) as length, repeat('y', 20000000) as value");
    assert.equal(rows[0]?.length, 20_000_000);
    await other.end();
    await blocked();
    const growth = { gateway: residentBytes(stack.controlPlane.pid) - before_.gateway, agent: residentBytes(stack.agent.pid) - before_.agent };
    assert.ok(growth.gateway < 200 * MIB && growth.agent < 200 * MIB, JSON.stringify(growth));
    stalled.destroy();
    await gone(admin, "stalled");
    assert.equal(await endOf("stalled"), "client_lost");
  });

  it("that never sends the end of a large message keeps no other one waiting", async () => {
    const slow = await openWire(cleanup, stack, "ana", { application_name: "slow" });
    slow.write(Buffer.concat([Buffer.from("Q"), Buffer.from([0x04, 0, 0, 0]), Buffer.alloc(2 * MIB, 0x20)]));
    const other = await stack.connect();
    assert.deepEqual((await other.query("select 1 as one")).rows, [{ one: 1 }]);
    slow.destroy();
    await gone(admin, "slow");
    await other.end();
  });

  it("that an administrator ends, ends at the target too, while it runs", async () => {
    const client = await stack.connect("ana", { application_name: "killed" });
    const sleeping = failure(client.query("select pg_sleep(60)"));
    await running(admin, "killed");
    const requested = await stack.event("session-", (event) => event.type === "SessionRequested" && event.data.application === "killed");
    const verb = stack.cli("admin", "sessions", "end", requested.stream.replace("session-", ""), "--reason", "lunch");
    assert.equal((await verb.exited).status, 0, verb.stderr);
    assert.deepEqual(await sleeping, ["57P01", "session.ended"]);
    await gone(admin, "killed");
    assert.equal(await endOf("killed"), "ended_by_administrator");
  });

  for (const [rows, width, told_] of [
    ["short rows", 100, true],
    // No place behind one is likely to be met, and in the middle of it nothing can be said.
    ["long rows", 500_000, false],
  ] as const) {
    it(`that ends in the middle of a result of ${rows} hears nothing in the middle of one`, { timeout: 60_000 }, async () => {
      for (const sql of [
        `select generate_series(1, 1000000000), repeat('x', ${width})`,
        `copy (select generate_series(1, 1000000000), repeat('x', ${width})) to stdout`,
      ]) {
        const wire = await openWire(cleanup, stack, "ana", { application_name: `cut ${rows} ${sql.length}` });
        const requested = await stack.event("session-", (event) => event.type === "SessionRequested" && event.data.application === `cut ${rows} ${sql.length}`);
        wire.write(query(sql));
        await wire.more(sql.startsWith("copy") ? "d" : "D", told_ ? 1_000 : 3);
        await stack.call("admin", (api) => api.sessions.endSession({ sessionId: requested.stream.replace("session-", ""), reason: "enough" }));
        await wire.ended();
        const last = wire.messages.at(-1);
        if (told_) assert.equal(last?.type, "E");
        const heardRows = wire.messages.reduce((sum, { type, bytes }) => sum + (type === "E" ? 0 : bytes.length), 0);
        assert.equal(wire.heard.subarray(0, heardRows).includes("FATAL"), false);
        if (last?.type !== "E") assert.equal(wire.heard.subarray(heardRows).includes("FATAL"), false);
      }
    });
  }

  it("that only its own user asks to end goes on", async () => {
    const client = await stack.connect("ana", { application_name: "unharmed" });
    const requested = await stack.event("session-", (event) => event.type === "SessionRequested" && event.data.application === "unharmed");
    const sessionId = requested.stream.replace("session-", "");
    await assert.rejects(
      stack.call("robot", (api) => api.sessions.endSession({ sessionId, reason: "" })),
      { code: "auth.forbidden" },
    );
    assert.deepEqual((await client.query("select 1 as one")).rows, [{ one: 1 }]);
    await client.end();
  });

  it("whose backend is terminated at the target ends, and says so", async () => {
    const client = await stack.connect("ana", { application_name: "terminated" });
    const ended = new Promise((resolve) => client.once("end", resolve));
    const sleeping = failure(client.query("select pg_sleep(60)"));
    await running(admin, "terminated");
    await admin.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'terminated'");
    const [code] = await sleeping;
    assert.equal(code, "57P01");
    await ended;
    assert.equal(await endOf("terminated"), "target_closed");
    assert.deepEqual(await connecting(), ["no error"]);
  });

  it("whose agent dies is told, while others are told that the agent is offline, until it is back", async () => {
    const client = await stack.connect("ana", { application_name: "orphan" });
    const sleeping = failure(client.query("select pg_sleep(60)"));
    await running(admin, "orphan");
    await stack.killAgent();
    const [sqlstate, code] = await sleeping;
    assert.deepEqual([sqlstate, code], ["57P01", "session.ended"]);
    assert.equal(await endOf("orphan"), "agent_lost");
    assert.deepEqual(await connecting(), ["08001", "agent.offline"]);
    assert.ok(stack.controlPlane.running);
    await stack.startAgent();
    const again = await stack.connect();
    assert.deepEqual((await again.query("select 1 as one")).rows, [{ one: 1 }]);
    await again.end();
    // The backend finds nobody there when it has slept; that is the target's to notice.
    await admin.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'orphan'");
  });

  it("goes on while its agent drains; new ones are not opened there; the agent ends with the last one", async () => {
    const client = await stack.connect();
    await client.query("begin");
    const agent = stack.agent;
    agent.kill("SIGTERM");
    for (let outcome = await connecting(); outcome[1] !== "agent.offline"; outcome = await connecting()) assert.equal(outcome[0], "no error");
    assert.deepEqual((await client.query("select 'still here' as it")).rows, [{ it: "still here" }]);
    assert.ok(agent.running);
    await client.end();
    assert.deepEqual(await agent.exited, { status: 0, signal: null });
    await stack.startAgent();
  });

  it("is told when the control plane stops, ends at the target, and is recorded as such", async () => {
    const client = await stack.connect("ana", { application_name: "shut down" });
    const ended = told(client);
    await client.query("select 1");
    await stack.killControlPlane("SIGTERM");
    assert.deepEqual(await ended, ["57P01", "code: session.ended; cause: shutdown"]);
    assert.deepEqual(await stack.controlPlane.exited, { status: 0, signal: null });
    await backends(admin, "shut down", ({ length }) => length === 0);
    await stack.startControlPlane();
    assert.equal(await endOf("shut down"), "shutdown");
    const node = (await stack.events("node-")).map(({ type }) => type);
    assert.deepEqual(node.slice(-2), ["NodeStopped", "NodeStarted"]);
  });
});
