import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { env } from "node:process";
import { before, describe, it, type TestContext } from "node:test";
import { promisify } from "node:util";
import { gone } from "../e2e/backends.ts";
import { openWire } from "../e2e/gateway-wire.ts";
import { recordingPolicy, sentIn } from "../e2e/recorded.ts";
import { copyData, copyDone, query } from "../support/frontend-messages.ts";
import { isType, type Recorded, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import type { WireClient } from "../support/wire-client.ts";

/** The full drill takes 20. */
const KILLS = Number(env["SALLYPORT_TEST_KILLS"] ?? 3);
/** The control plane dies when the target has taken up to so many rows of a kilobyte: anywhere in the first twenty chunks. */
const KILL_WITHIN_ROWS = 5_000;

const MIB = 1_048_576;
const ROW = `${"x".repeat(1_023)}\n`;
/** 64 MiB: more than any COPY here gets through. */
const messages = Buffer.concat(Array.from({ length: 1_024 }, () => copyData(ROW.repeat(64))));
/** The rows that have ended in what was sent or recorded. */
const rowsIn = (bytes: Buffer): number => bytes.reduce((rows, byte) => rows + (byte === 10 ? 1 : 0), 0);

describe("COPY data that policy has recorded", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup, { policy: recordingPolicy("", "input") });
    // What a COPY that fails has done is undone, but not that it has counted.
    await (await stack.connectDirect()).query("create sequence taken; create table sink (line text, n bigint default nextval('taken'))");
  });

  const open = (application: string): Promise<WireClient> => openWire(cleanup, stack, "ana", { application_name: application });

  async function copying(application: string): Promise<WireClient> {
    await (await stack.connectDirect()).query("alter sequence taken restart");
    const client = await open(application);
    client.write(query("copy sink (line) from stdin"));
    await client.more("G");
    return client;
  }

  /** How many rows the target has taken from a COPY. */
  async function taken(least = 0): Promise<number> {
    const direct = await stack.connectDirect();
    for (;;) {
      const { rows } = await direct.query<{ n: string }>("select case when is_called then last_value else 0 end as n from taken");
      const count = Number(rows[0]?.n);
      if (count >= least) return count;
    }
  }

  const requestOf = (application: string): Promise<Recorded> =>
    stack.event("session-", (event) => event.type === "SessionRequested" && event.data.application === application);

  async function recorded(application: string): Promise<Buffer> {
    const requested = await requestOf(application);
    await stack.event(requested.stream, isType("SessionEnded"));
    return sentIn(await stack.events(requested.stream.replace("session", "recording")));
  }

  it(`is in the record to the last row that the target took when the control plane is killed, ${KILLS} times over`, async (t: TestContext) => {
    const admin = await stack.target.connectAsSuperuser();
    for (let round = 1; round <= KILLS; round++) {
      const name = `killed ${round}`;
      const client = await copying(name);
      client.write(messages);
      await taken(Math.floor(Math.random() * KILL_WITHIN_ROWS) + 1);
      await stack.killControlPlane();
      await client.ended();
      await stack.killAgent();
      await gone(admin, name);
      await stack.startControlPlane();
      await stack.startAgent();
      const bytes = await recorded(name);
      const rows = await taken();
      t.diagnostic(`the target took ${rows} rows, the record has ${rowsIn(bytes)}`);
      assert.ok(rows > 0);
      assert.ok(rows <= rowsIn(bytes));
      assert.ok(messages.subarray(0, bytes.length).equals(bytes));
    }
  });

  it("fails where the record cannot be written any more, with an error, and the connection goes on", async () => {
    const limit = (soft: string): Promise<unknown> => promisify(execFile)("prlimit", [`--pid=${stack.controlPlane.pid}`, `--fsize=${soft}:`]);
    const client = await copying("unwritable");
    client.write(messages);
    await taken(1);
    const { position } = await requestOf("unwritable");
    const ended = client.more("Z");
    await limit("1024");
    await ended;
    const refused = client.messages.slice(1);
    assert.match(refused[0]?.bytes.toString("latin1") ?? "", /^E[^]*58030[^]*ledger\.unavailable/u);
    assert.equal(refused.map(({ type }) => type).join(""), "EZ");
    const rows = await taken();
    await limit("unlimited");
    await stack.event("node-", (event) => event.type === "FailClosedLeft" && event.position > position);
    const answered = client.more("Z");
    client.write(Buffer.concat([copyDone, query("select count(*) from sink")]));
    await answered;
    assert.equal(client.messages.at(-3)?.bytes.toString("latin1", 11), "0", "nothing of it stands");
    client.destroy();
    const bytes = await recorded("unwritable");
    assert.ok(rows < rowsIn(messages));
    assert.ok(rows <= rowsIn(bytes), `the target took ${rows} rows, the record has ${rowsIn(bytes)}`);
  });

  it("fails where the recording of the session is full, and whoever connects again has a new one", async () => {
    await Promise.all([stack.killAgent("SIGTERM"), stack.killControlPlane("SIGTERM")]);
    await stack.startControlPlane({ SALLYPORT_PG_MAX_RECORDED_BYTES: String(2 * MIB) });
    await stack.startAgent();
    for (const name of ["full", "full again"]) {
      const client = await copying(name);
      const answered = client.more("Z");
      client.write(Buffer.concat([messages.subarray(0, 8 * MIB - ((8 * MIB) % (64 * 1_024 + 5))), copyDone]));
      await answered;
      assert.match(client.messages[1]?.bytes.toString("latin1") ?? "", /^E[^]*54000[^]*recording\.full/u);
      const rows = await taken();
      client.destroy();
      const bytes = await recorded(name);
      assert.ok(bytes.length <= 2 * MIB && bytes.length > 1.5 * MIB, `${bytes.length} bytes were recorded`);
      assert.ok(messages.subarray(0, bytes.length).equals(bytes));
      assert.ok(rows <= rowsIn(bytes) && rows > 0);
    }
  });
});
