import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { env } from "node:process";
import { promisify } from "node:util";
import { before, describe, it, type TestContext } from "node:test";
import { openWire } from "../e2e/gateway-wire.ts";
import { recordingPolicy, shownIn } from "../e2e/recorded.ts";
import { query } from "../support/frontend-messages.ts";
import { isType, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import type { WireClient } from "../support/wire-client.ts";

/** The full drill takes 20. */
const KILLS = Number(env["SALLYPORT_TEST_KILLS"] ?? 3);
/** The control plane dies when the client has seen up to so many rows of a kilobyte: anywhere in its first twenty chunks. */
const KILL_WITHIN_ROWS = 5_000;

const MIB = 1_048_576;
/** A gigabyte: more than a client ever takes here. */
const ENDLESS_ROWS = 1_000_000;
const endless = query(`select repeat(md5(g::text), 32) from generate_series(1, ${ENDLESS_ROWS}) g`);
const rows = (client: WireClient): number => client.messages.filter(({ type }) => type === "D").length;

describe("output that policy has recorded", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup, { policy: recordingPolicy() });
  });

  const open = (application: string): Promise<WireClient> => openWire(cleanup, stack, "ana", { application_name: application });

  async function shown(application: string): Promise<Buffer> {
    const requested = await stack.event("session-", (event) => event.type === "SessionRequested" && event.data.application === application);
    await stack.event(requested.stream, isType("SessionEnded"));
    return shownIn(await stack.events(requested.stream.replace("session", "recording")));
  }

  it(`is in the record to the last byte that the client got when the control plane is killed, ${KILLS} times over`, async (t: TestContext) => {
    for (let round = 1; round <= KILLS; round++) {
      const name = `killed ${round}`;
      const client = await open(name);
      client.write(endless);
      const wanted = Math.floor(Math.random() * KILL_WITHIN_ROWS) + 1;
      await client.until(() => rows(client) >= wanted);
      await stack.killControlPlane();
      await client.ended();
      await Promise.all([stack.killAgent(), stack.startControlPlane()]);
      await stack.startAgent();
      const recorded = await shown(name);
      const { heard } = client;
      t.diagnostic(`the client had ${heard.length} bytes, the record ${recorded.length}`);
      assert.ok(heard.length > 1_000);
      assert.ok(recorded.subarray(0, heard.length).equals(heard));
    }
  });

  it("ends where the record cannot be written any more, with an error", async () => {
    const limit = (soft: string): Promise<unknown> => promisify(execFile)("prlimit", [`--pid=${stack.controlPlane.pid}`, `--fsize=${soft}:`]);
    const client = await open("unwritable");
    client.write(endless);
    await client.until(() => rows(client) >= 1_000);
    await limit("1024");
    await client.ended();
    const error = client.messages.at(-1)?.bytes ?? Buffer.alloc(0);
    assert.match(error.toString("latin1"), /^E[^]*58030[^]*ledger\.unavailable/u);
    assert.ok(rows(client) < ENDLESS_ROWS);
    const seen = client.heard.subarray(0, client.heard.length - error.length);
    await limit("unlimited");
    await stack.event("node-", isType("FailClosedLeft"));
    const recorded = await shown("unwritable");
    assert.ok(recorded.subarray(0, seen.length).equals(seen));
  });

  it("is cut with an error where the recording of the session is full, and whoever connects again has a new one", async () => {
    await Promise.all([stack.killAgent("SIGTERM"), stack.killControlPlane("SIGTERM")]);
    await stack.startControlPlane({ SALLYPORT_PG_MAX_RECORDED_BYTES: String(2 * MIB) });
    await stack.startAgent();
    for (const name of ["full", "full again"]) {
      const client = await open(name);
      client.write(endless);
      await client.ended();
      const error = client.messages.at(-1)?.bytes ?? Buffer.alloc(0);
      assert.match(error.toString("latin1"), /^E[^]*54000[^]*recording\.full/u);
      const recorded = await shown(name);
      assert.ok(recorded.length <= 2 * MIB && recorded.length > 1.5 * MIB, `${recorded.length} bytes were recorded`);
      assert.ok(client.heard.subarray(0, client.heard.length - error.length).equals(recorded));
    }
  });
});
