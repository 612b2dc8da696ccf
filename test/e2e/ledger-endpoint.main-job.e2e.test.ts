import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { openPolicy, starterPolicy } from "../support/policies.ts";
import { isType, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { failure } from "./failure.ts";

for (const ledger of ["embedded", "eventstoredb"] as const) {
  describe(`the main job on the ${ledger} ledger`, () => {
    const cleanup = suiteCleanup();
    let stack: Stack;
    before(async () => {
      stack = await Stack.start(cleanup, { ledger });
      await (await stack.connectDirect()).query("create table people (id int, email text); insert into people values (1, 'ana@example.com')");
    });

    it("allows, masks and records", async () => {
      const client = await stack.connect("ana", { application_name: "main job" });
      const { rows } = await client.query<{ id: number; email: string }>("select id, email from people");
      assert.equal(rows.length, 1);
      assert.equal(rows[0]?.id, 1);
      assert.notEqual(rows[0].email, "ana@example.com");
      await client.end();
      const requested = await stack.event("session-", (event) => event.type === "SessionRequested" && event.data.application === "main job");
      await stack.event(requested.stream, isType("SessionEnded"));
      assert.deepEqual(
        (await stack.events(requested.stream)).map(({ type }) => type),
        ["SessionRequested", "SessionOpened", "CommandAuthorized", "CommandCompleted", "SessionEnded"],
      );
    });

    it("holds what is risky until another person approves it, and runs it once", async () => {
      const client = await stack.connect();
      const created = client.query("create table held (id int)");
      const { data } = await stack.event("approval-", isType("ApprovalRequested"));
      assert.equal(stack.target.log.statements().filter(({ sql }) => sql.includes("create table held")).length, 0);
      await stack.approve(data.approvalId);
      assert.equal((await created).command, "CREATE");
      assert.equal(stack.target.log.statements().filter(({ sql }) => sql.includes("create table held")).length, 1);
      await client.end();
    });

    it("replays the session with the command line", async () => {
      const replay = stack.cli("bo", "sessions", "replay", "last");
      assert.equal((await replay.exited).status, 0, replay.stderr);
      assert.match(replay.stdout, /create table held/u);
    });

    it("knows after a kill -9 what it knew before", async () => {
      const known = (await stack.events("session-", "approval-", "policy-", "identity-")).map(({ position }) => position);
      await stack.killControlPlane();
      await stack.startControlPlane();
      await stack.linked();
      const found = (await stack.events("session-", "approval-", "policy-", "identity-")).map(({ position }) => position);
      assert.deepEqual(found.slice(0, known.length), known);
      const client = await stack.connect();
      assert.deepEqual((await client.query("select 1 as one")).rows, [{ one: 1 }]);
      await client.end();
      await stack.publish(openPolicy);
      await stack.publish(starterPolicy);
      assert.deepEqual(await failure(stack.connect("robot").then((robot) => robot.end())), ["no error"]);
    });
  });
}
