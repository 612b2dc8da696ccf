import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { env } from "node:process";
import { promisify } from "node:util";
import { before, describe, it, type TestContext } from "node:test";
import { openWire } from "../e2e/gateway-wire.ts";
import { recordingPolicy, shownIn } from "../e2e/recorded-output.ts";
import { query } from "../support/frontend-messages.ts";
import { isType, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import type { WireClient } from "../support/wire-client.ts";

/** The full drill takes 20. */
const KILLS = Number(env["SALLYPORT_TEST_KILLS"] ?? 3);
/** The control plane dies when the client has seen up to so many rows of a kilobyte: anywhere in its first twenty chunks. */
const KILL_WITHIN_ROWS = 5_000;

/** More than a client ever takes here. */
const endless = query("select repeat(md5(g::text), 32) from generate_series(1, 1000000) g");
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

  it("ends where the record cannot be written any more, with an error, and the session goes on when it can", async () => {
    const limit = (soft: string): Promise<unknown> => promisify(execFile)("prlimit", [`--pid=${stack.controlPlane.pid}`, `--fsize=${soft}:`]);
    const client = await open("unwritable");
    client.write(endless);
    await client.until(() => rows(client) >= 1_000);
    await limit("1024");
    await client.more("Z");
    const [error, ready] = client.messages.slice(-2);
    assert.deepEqual([error?.type, ready?.type], ["E", "Z"]);
    assert.match(error?.bytes.toString("latin1") ?? "", /58030/u);
    assert.ok(rows(client) < 1_000_000);
    const { heard } = client;
    const seen = heard.subarray(0, heard.length - (error?.bytes.length ?? 0) - (ready?.bytes.length ?? 0));
    await limit("unlimited");
    await stack.event("node-", isType("FailClosedLeft"));
    const answered = client.more("Z");
    client.write(query("select 'again'"));
    await answered;
    assert.equal(client.messages.at(-3)?.type, "D");
    client.destroy();
    const recorded = await shown("unwritable");
    assert.ok(recorded.subarray(0, seen.length).equals(seen));
    assert.match(recorded.subarray(seen.length).toString("latin1"), /again/u);
  });

  it("is cut with an error where the recording of the session is full, and the next command is refused", async () => {
    await Promise.all([stack.killAgent("SIGTERM"), stack.killControlPlane("SIGTERM")]);
    await stack.startControlPlane({ SALLYPORT_PG_MAX_RECORDED_BYTES: String(2 * 1_048_576) });
    await stack.startAgent();
    const client = await open("full");
    for (const wanted of [1, 2]) {
      client.write(endless);
      await client.until((messages) => messages.filter(({ type }) => type === "Z").length === wanted);
      assert.match(client.messages.at(-2)?.bytes.toString("latin1") ?? "", /54000[^]*recording\.full/u);
    }
    client.destroy();
    const recorded = await shown("full");
    assert.ok(recorded.length <= 2 * 1_048_576 && recorded.length > 1_500_000, `${recorded.length} bytes were recorded`);
    assert.ok(client.heard.subarray(0, recorded.length).equals(recorded));
    const denied = (await stack.events("session-")).filter(isType("CommandDenied"));
    assert.deepEqual(
      denied.map(({ data }) => data.code),
      ["recording.full"],
    );
  });
});
