import assert from "node:assert/strict";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { EventStoreDBClient, jsonEvent } from "@eventstore/db-client";
import { Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";

/** With nothing that says who wrote them: the shortest that somebody writes by mistake. */
const STREAMS = ["session-1", "approval-1", "policy-main", "identity-x", "grant-1", "node-one", "retention-1", "log-checkpoints"];

describe("events that somebody else appended to our streams", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup, { ledger: "eventstoredb" });
    const client = await stack.connect();
    await client.query("select 1");
    await client.end();
    const stranger = EventStoreDBClient.connectionString(stack.ledgerServer.url("gate:keeper"));
    for (const stream of STREAMS) await stranger.appendToStream(stream, jsonEvent({ type: "X", data: {} }));
    await stranger.appendToStream("session-1", jsonEvent({ type: "SessionRequested", data: {} }));
    await stranger.dispose();
  });

  const run = async (...args: readonly string[]): Promise<string> => {
    const cli = stack.cli("bo", ...args);
    const { status } = await cli.exited;
    assert.equal(status, 0, cli.stderr);
    return cli.stdout;
  };

  for (const when of ["at once", "after a restart"]) {
    it(`leave lists, replays and sessions as they were, ${when}`, async () => {
      if (when === "after a restart") {
        await stack.killControlPlane();
        await stack.startControlPlane();
        await stack.linked();
      }
      const client = await stack.connect();
      assert.equal((await client.query("select 1")).rowCount, 1);
      await client.end();
      assert.match(await run("sessions", "list"), /ana/u);
      assert.match(await run("sessions", "replay", "last"), /select 1/u);
      assert.match(await run("explain", "last", "1"), /same answer/u);
      assert.match(await run("projections", "status"), /unreadable|left out/iu);
      // Whoever looks at the events themselves sees them.
      assert.match(await run("events", "export", "--stream", "session-1"), /session-1/u);
    });
  }

  it("are named in the log with their code and place", () => {
    const line = stack.controlPlane.stdout.split("\n").find((each) => each.includes('"stream":"policy-main"') && each.includes("foreign."));
    assert.match(line ?? "", /"code":"foreign\.metadata".*"revision":"\d+","position":"\d+","type":"X"/u);
  });

  it("are leaves of the log like any others, and the verifier finds nothing wrong", async () => {
    const bundle = join(stack.folder, "all.bundle");
    await run("audit", "export", "-o", bundle);
    await run("audit", "verify", bundle);
  });
});
