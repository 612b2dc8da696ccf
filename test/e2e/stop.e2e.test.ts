import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { TestProcess } from "../support/process.ts";
import { isType, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { tempDir } from "../support/temp-dir.ts";

const cli = fileURLToPath(new URL("../../cli/src/main.ts", import.meta.url));
const anyPorts = { SALLYPORT_PG_PORT: "0", SALLYPORT_API_PORT: "0", SALLYPORT_TUNNEL_PORT: "0" };

describe("a SIGTERM that comes twice, from a service manager and from the parent that passes it on", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup);
  });

  it("drains an agent once: what runs on it goes on", async () => {
    const client = await stack.connect();
    const { agent } = stack;
    agent.kill("SIGTERM");
    await agent.json(({ msg }) => typeof msg === "string" && msg.includes("drain"));
    agent.kill("SIGTERM");
    assert.deepEqual((await client.query("select 1 as one from pg_sleep(0.3)")).rows, [{ one: 1 }]);
    await client.end();
    assert.deepEqual(await agent.exited, { status: 0, signal: null });
    await stack.startAgent();
  });

  it("stops a control plane once: clients are told, and the ends of their sessions recorded", async () => {
    const client = await stack.connect();
    const told = new Promise<{ code?: string }>((resolve) => client.once("error", resolve));
    const { controlPlane } = stack;
    controlPlane.kill("SIGTERM");
    controlPlane.kill("SIGTERM");
    assert.equal((await told).code, "57P01");
    assert.deepEqual(await controlPlane.exited, { status: 0, signal: null });
    await stack.startControlPlane();
    const { data } = await stack.event("session-", (event) => isType("SessionEnded")(event) && event.data.cause === "shutdown");
    assert.ok("cause" in data);
  });

  it("stops `sallyport serve` and its child once, though each gets its own", async () => {
    const env = { ...anyPorts, SALLYPORT_DATA_DIR: tempDir(cleanup, "serve") };
    const parent = TestProcess.node(cleanup, cli, ["serve"], { env });
    const { pid } = await parent.json(({ msg }) => msg === "control plane ready");
    process.kill(Number(pid), "SIGTERM");
    parent.kill("SIGTERM");
    assert.deepEqual(await parent.exited, { status: 0, signal: null }, parent.stderr);
    assert.match(parent.stdout, /control plane stopped/u);
  });
});

describe("`sallyport serve`", () => {
  const cleanup = suiteCleanup();

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it(`passes a ${signal} on that only itself gets`, async () => {
      const env = { ...anyPorts, SALLYPORT_DATA_DIR: tempDir(cleanup, "serve") };
      const parent = TestProcess.node(cleanup, cli, ["serve"], { env });
      await parent.json(({ msg }) => msg === "control plane ready");
      parent.kill(signal);
      assert.deepEqual(await parent.exited, { status: 0, signal: null }, parent.stderr);
      assert.match(parent.stdout, /control plane stopped/u);
    });
  }

  it("says in its log, and nowhere else, what gRPC complains of", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    cleanup.after(async () => void taken.close());
    await once(taken, "listening");
    const env = { ...anyPorts, SALLYPORT_DATA_DIR: tempDir(cleanup, "serve"), SALLYPORT_API_PORT: String((taken.address() as AddressInfo).port) };
    const parent = TestProcess.node(cleanup, cli, ["serve"], { env });
    assert.deepEqual(await parent.exited, { status: 2, signal: null });
    assert.match(parent.stderr, /^config\.invalid: [^\n]*\n$/u);
    assert.match(parent.stdout, /No address added/u);
  });
});

describe("--print-config", () => {
  const cleanup = suiteCleanup();

  it("prints what `sallyport serve` would run with, and where each came from, and starts nothing", async () => {
    const run = TestProcess.node(cleanup, cli, ["serve", "--print-config"], { env: { SALLYPORT_PG_PORT: "5433" } });
    assert.deepEqual(await run.exited, { status: 0, signal: null });
    assert.match(run.stdout, /^SALLYPORT_PG_PORT: 5433 # environment$/mu);
    assert.match(run.stdout, /^SALLYPORT_API_PORT: 7444 # default$/mu);
    assert.doesNotMatch(run.stdout, /ready/u);
  });
});
