import assert from "node:assert/strict";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { EventStoreDBClient, jsonEvent } from "@eventstore/db-client";
import { Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { type Ran, ran } from "./command-line.ts";

/** As whoever goes back to an earlier release meets them: ours, of a type or a version that only the later one knows. */
const metadata = { $correlationId: "c", actor: { kind: "system", id: "one" }, schemaVersion: 99, at: "2026-11-22T10:00:00.000Z" };
const APPROVAL = "2f1c9a54-6f0e-4a58-9d2b-6f0a51c6a111";
const WRITTEN = [
  ["session-1", "SessionRequested"],
  [`approval-${APPROVAL}`, "ApprovalRequested"],
  ["grant-1", "GrantLent"],
  ["resource-ledgers", "ResourceRegistered"],
  ["identity-later", "IdentityProvisioned"],
  ["agent-later", "AgentMoved"],
  ["delegation-1", "DelegationGiven"],
  ["node-other", "NodeStarted"],
  ["notification-1", "NotificationFailed"],
] as const;

describe("streams that a later release wrote into", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  /** One that ended, and to which something was added. */
  let session = "";
  const append = async (stream: string, type: string): Promise<void> => {
    const later = EventStoreDBClient.connectionString(stack.ledgerServer.url("gate:keeper"));
    await later.appendToStream(stream, jsonEvent({ type, data: { new: "field" }, metadata }));
    await later.dispose();
  };
  before(async () => {
    stack = await Stack.start(cleanup, { ledger: "eventstoredb" });
    const client = await stack.connect();
    await client.query("select 1");
    await client.end();
    [session = ""] = (JSON.parse((await run("--json", "sessions", "list")).out) as readonly { readonly id: string }[]).map(({ id }) => id);
    for (const [stream, type] of [...WRITTEN, [`session-${session}`, "SessionReviewed"] as const]) await append(stream, type);
  });

  const run = (...args: readonly string[]): Promise<Ran> => ran(stack, "bo", ...args);

  for (const when of ["at once", "after a restart"]) {
    it(`are left out, and the rest goes on and says so, ${when}`, async () => {
      if (when === "after a restart") {
        await stack.killControlPlane();
        await stack.startControlPlane();
        await stack.linked();
      }
      const client = await stack.connect();
      assert.equal((await client.query("select 1")).rowCount, 1);
      await client.end();
      for (const list of [
        ["sessions", "list"],
        ["search", "select"],
        ["agents", "list"],
        ["approvals", "list"],
      ]) {
        const { status, err } = await run(...list);
        assert.equal(status, 0, err);
        assert.match(err, /not the whole: a later release/u, list.join(" "));
      }
      const unseen = await run("grants", "show", "1");
      assert.notEqual(unseen.status, 0);
      assert.match(unseen.err, /not the whole: a later release/u, "what is not found may be left out");
      assert.match((await run("sessions", "list")).out, /ana/u);
      const { status, err } = await run("sessions", "replay", session);
      assert.notEqual(status, 0);
      assert.match(err, /ledger\.newer/u);
    });
  }

  it("are refused where somebody would decide on them, with a code and the place", async () => {
    const refused = await run("--json", "approvals", "approve", APPROVAL);
    assert.notEqual(refused.status, 0);
    assert.equal((JSON.parse(refused.err.split("\n")[0] ?? "") as { readonly error: { readonly code: string } }).error.code, "ledger.newer", refused.err);
  });

  it("are named in the log, each with its code and its place", () => {
    const line = stack.controlPlane.stdout.split("\n").find((each) => each.includes('"stream":"grant-1"') && each.includes("ledger.newer"));
    assert.match(line ?? "", /"code":"ledger\.newer".*"revision":"0"/u);
  });

  it("are leaves of the log like any others: an export is whole, and the verifier finds nothing wrong", async () => {
    const bundle = join(stack.folder, "all.bundle");
    assert.equal((await run("audit", "export", "-o", bundle)).status, 0);
    const { status, out } = await run("audit", "verify", bundle);
    assert.equal(status, 0, out);
  });

  it("are everything where policy is among them: nothing is decided any more, with the code, and the process goes on", async () => {
    const client = await stack.connect();
    await append("policy-main", "PolicyPublished");
    await assert.rejects(
      async () => {
        for (;;) await client.query("select 1"); // until the view has met it
      },
      (error: Error) => /policy/iu.test(error.message),
    );
    await client.end();
    await assert.rejects(stack.connect(), /later release/u);
    assert.match((await run("sessions", "list")).err, /ledger\.newer/u);
    await stack.killControlPlane();
    await stack.startControlPlane();
    await assert.rejects(stack.connect(), /later release/u);
  });
});
