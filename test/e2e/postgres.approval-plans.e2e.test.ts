import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { TestProcess } from "../support/process.ts";
import { isType, type Person, type RecordedAs, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { failure } from "./failure.ts";

describe("a plan", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup);
  });

  const ran = (text: string): number => stack.target.log.statements().filter(({ sql }) => sql.replace(/;$/u, "") === text).length;
  const file = (name: string, text: string): string => {
    const path = join(stack.folder, name);
    writeFileSync(path, text);
    return path;
  };
  /** As `ana`, on the command line. */
  const request = async (path: string): Promise<string> => {
    const asked = stack.cli("ana", "--json", "request-plan", "orders-db", path, "--for", "10m", "--reason", "release 7");
    assert.equal((await asked.exited).status, 0, asked.stderr);
    return (JSON.parse(asked.stdout) as { id: string }).id;
  };
  const heldFor = (text: string): Promise<RecordedAs<"ApprovalRequested">> =>
    stack.event(
      "approval-",
      isType("ApprovalRequested", ({ data }) => data.plan === undefined && data.command.statement === text),
    );

  it("is for a session that has set nothing but what the plan sets", async () => {
    await (await stack.connectDirect()).query("create table sets (id int)");
    const id = await request(file("sets.sql", "set app.tenant = 'a';\ntruncate sets;\ntruncate only sets;\n"));
    await stack.approve(id);
    const client = await stack.connect();
    await client.query("set app.tenant = 'a'");
    await client.query("truncate sets");
    await client.query("set app.tenant = 'b'");
    const refused = failure(client.query("truncate only sets"));
    await stack.deny((await heldFor("truncate only sets")).data.approvalId);
    assert.deepEqual(await refused, ["42501", "approval.denied"]);
    assert.deepEqual([ran("truncate sets"), ran("truncate only sets")], [1, 0]);
  });

  it("that cannot be read is refused with its beginning, wherever that is cut", async () => {
    const ask = (text: string) => stack.call("ana", (api) => api.approvals.requestPlan({ resource: "orders-db", text, forSeconds: 60, reason: "r" }));
    for (const filling of [92, 93])
      await assert.rejects(ask(`selec '${"a".repeat(filling)}😀'`), { code: "input.invalid", message: /^Command 1 of the plan/u });
  });

  it("shows whoever decides each command's plan, and in one dry run what each changes after the others", async () => {
    await (
      await stack.connectDirect()
    ).query("create table parts (id int primary key, state text); insert into parts select n, 'new' from generate_series(1, 9) n");
    const id = await request(
      file(
        "parts.sql",
        "begin;\nupdate parts set state = 'old' where id <= 4;\nselect count(*) from parts where state = 'old';\ndelete from parts;\ncommit;\n",
      ),
    );
    const look = (person: Person, dryRun: boolean) => stack.call(person, (api) => api.approvals.preview({ approvalId: id, digest: "", dryRun }));
    await assert.rejects(look("ana", true), { code: "approval.self" });
    const plans = await look("bo", false);
    assert.deepEqual(
      plans.steps.map(({ statement, plan, rows }) => [statement, /on parts/u.test(plan), rows]),
      [
        ["begin", false, undefined],
        ["update parts set state = 'old' where id <= 4", true, undefined],
        ["select count(*) from parts where state = 'old'", true, undefined],
        ["delete from parts", true, undefined],
        ["commit", false, undefined],
      ],
    );
    const seen = stack.cli("bo", "approvals", "preview", id, "--dry-run");
    assert.equal((await seen.exited).status, 0, seen.stderr);
    assert.match(seen.stdout, /2\. update parts[^\n]*→ 4 rows[^]*4\. delete from parts[^\n]*→ 9 rows[^]*13 rows would change; rolled back/u);
    assert.deepEqual((await (await stack.connectDirect()).query("select count(*)::int as n from parts where state = 'new'")).rows, [{ n: 9 }]);
    const events = await stack.events(`approval-${id}`);
    assert.deepEqual(
      events.map(({ type }) => type),
      ["ApprovalRequested", "ApprovalPreviewRequested", "ApprovalPreviewed", "ApprovalPreviewRequested", "ApprovalPreviewed"],
    );
    const outcome = events.findLast(isType("ApprovalPreviewed"))?.data;
    assert.deepEqual(outcome?.dryRun, { rows: 13, before: 0, after: 0 });
    assert.match(outcome.plan, /^1\. Not run[^]*2\. 4 rows\n3\. planned\n4\. 9 rows\n/u);
    await stack.deny(id, "bo");

    const made = await request(file("made.sql", "delete from parts;\ncreate table more (id int);\n"));
    const dry = stack.cli("bo", "approvals", "preview", made, "--dry-run");
    assert.equal((await dry.exited).status, 1);
    assert.match(dry.stderr, /feature\.unsupported: Command 2 of the plan: /u);
    await stack.deny(made, "bo");
  });

  it("is decided on once, survives the control plane, and runs through psql without asking again", async () => {
    const script = file("release.sql", "-- release 7\nbegin;\ncreate table a (id int);\ninsert into a values (1);\ntruncate a;\ncommit;\n");
    const id = await request(script);
    await assert.rejects(stack.approve(id, "ana"), { code: "approval.self" });
    const shown = stack.cli("bo", "approvals", "show", id);
    assert.equal((await shown.exited).status, 0, shown.stderr);
    assert.match(shown.stdout, /release 7[^]*1\. [^]*begin[^]*2\. destructive[^]*create table a/u);
    await stack.approve(id, "bo");
    await stack.killControlPlane();
    await stack.startControlPlane();
    await stack.linked();
    const psql = TestProcess.start(cleanup, "psql", ["-X", "-v", "ON_ERROR_STOP=1", "-f", script], { env: stack.gatewayEnv() });
    assert.equal((await psql.exited).status, 0, psql.stderr);
    assert.deepEqual([ran("create table a (id int)"), ran("truncate a")], [1, 1]);
    const events = (await stack.events(`approval-${id}`)).map(({ type }) => type);
    assert.deepEqual(events, ["ApprovalRequested", "ApprovalGiven", "ApprovalGranted", ...Array<string>(5).fill("ApprovalUsed")]);
    const authorised = (await stack.events("session-")).filter(isType("CommandAuthorized", ({ data }) => data.approvalId === id));
    assert.deepEqual(
      authorised.map(({ data }) => data.commandId),
      [1, 2, 3, 4, 5],
    );
    // Those that policy allows without anybody took their turn too, and are explained like the others (I14).
    const verdicts = authorised.map(async ({ stream, data: { commandId } }) => {
      const explained = stack.cli("admin", "--json", "explain", stream.replace("session-", ""), String(commandId));
      assert.equal((await explained.exited).status, 0, explained.stderr);
      const { verdict, decision } = JSON.parse(explained.stdout) as { verdict: string; decision: { effect: string } };
      return [verdict, decision.effect];
    });
    const answers = (await Promise.all(verdicts)).map((each) => each.join(" "));
    assert.deepEqual(answers, ["same allow", "same needs_approval", "same allow", "same needs_approval", "same allow"]);
    const client = await stack.connect();
    const again = failure(client.query("truncate a"));
    await stack.deny((await heldFor("truncate a")).data.approvalId);
    assert.deepEqual(await again, ["42501", "approval.denied"]);
  });

  it("holds whatever is not its next command: another one, another text, another person", async () => {
    const id = await request(file("two.sql", "create table b1 (id int);\ncreate table b2 (id int);\n"));
    await stack.approve(id, "cy");
    const client = await stack.connect();
    const early = failure(client.query("create table b2 (id int)"));
    await stack.deny((await heldFor("create table b2 (id int)")).data.approvalId);
    assert.deepEqual(await early, ["42501", "approval.denied"]);
    const changed = failure(client.query("create table b1 (id bigint)"));
    await stack.deny((await heldFor("create table b1 (id bigint)")).data.approvalId);
    assert.deepEqual(await changed, ["42501", "approval.denied"]);
    const robot = await stack.connect("robot");
    const byOther = failure(robot.query("create table b1 (id int)"));
    await stack.deny((await heldFor("create table b1 (id int)")).data.approvalId);
    assert.deepEqual(await byOther, ["42501", "approval.denied"]);
    await client.query("select 1");
    await client.query("create table b1 (id int)");
    await client.query("create table b2 (id int)");
    assert.deepEqual([ran("create table b1 (id int)"), ran("create table b2 (id int)")], [1, 1]);
  });

  it("is refused before anybody is asked when policy denies a command of it, when it needs nobody, or cannot be read", async () => {
    for (const [text, expected] of [
      ["create table c (id int);\nalter system set work_mem = '1GB';", /policy\.denied[^]*Command 2/u],
      ["select 1;", /Nothing in it needs approval/u],
      ["create table c (id int", /cannot be read/u],
    ] as const) {
      const asked = stack.cli("ana", "request-plan", "orders-db", file("refused.sql", text), "--for", "10m", "--reason", "x");
      assert.notEqual((await asked.exited).status, 0);
      assert.match(asked.stderr, expected);
    }
  });

  it("is taken back by whoever asked, before and after it was granted", async () => {
    const script = file("back.sql", "create table d (id int);\n");
    const pending = await request(script);
    const withdrawn = stack.cli("ana", "approvals", "revoke", pending, "--reason", "not today");
    assert.equal((await withdrawn.exited).status, 0, withdrawn.stderr);
    await assert.rejects(stack.approve(pending), { code: "approval.already_decided" });
    const granted = await request(script);
    await stack.approve(granted);
    const revoked = stack.cli("ana", "approvals", "revoke", granted, "--reason", "not today");
    assert.equal((await revoked.exited).status, 0, revoked.stderr);
    const client = await stack.connect();
    const late = failure(client.query("create table d (id int)"));
    await stack.deny((await heldFor("create table d (id int)")).data.approvalId);
    assert.deepEqual(await late, ["42501", "approval.denied"]);
  });

  it("is found by the first characters of its id, however many large ones there are, and by nobody whom it does not concern", async () => {
    const text = Array.from({ length: 30 }, (_, index) => `truncate a${index} /* ${"x".repeat(1_000)} */;`).join("\n");
    const ask = () => stack.call("ana", (api) => api.approvals.requestPlan({ resource: "orders-db", text, forSeconds: 60, reason: "release 8" }));
    const revoke = (approvalId: string) => stack.call("ana", (api) => api.approvals.revokeApproval({ approvalId, reason: "done" }));
    let id = "";
    // Their plans together are more than a message of gRPC takes.
    for (let plan = 0; plan < 80; plan++) {
      if (id !== "") await revoke(id);
      id = (await ask()).approval?.id ?? "";
    }
    const shown = stack.cli("bo", "--json", "approvals", "show", id.slice(0, 8));
    assert.equal((await shown.exited).status, 0, shown.stderr);
    const { plan } = JSON.parse(shown.stdout) as { plan: readonly unknown[] };
    assert.equal(plan.length, 30);
    const listed = stack.cli("bo", "--json", "approvals", "list", "--all");
    assert.equal((await listed.exited).status, 0, listed.stderr);
    const of = (person: "robot" | "bo", prefix: string) => stack.call(person, (api) => api.approvals.getApproval({ approvalId: prefix }));
    await assert.rejects(of("robot", id.slice(0, 8)), { code: "approval.not_found" });
    await assert.rejects(of("bo", id.slice(0, 3)), { code: "approval.not_found" });
    const denied = stack.cli("bo", "approvals", "deny", id.slice(0, 8));
    assert.equal((await denied.exited).status, 0, denied.stderr);
  });
});
