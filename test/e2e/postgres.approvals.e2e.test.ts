import assert from "node:assert/strict";
import { once } from "node:events";
import { before, describe, it } from "node:test";
import { DatabaseError, type Client } from "pg";
import { bind, describePortal, execute, parse, query, sync } from "../support/frontend-messages.ts";
import { openPolicy, starterPolicy } from "../support/policies.ts";
import { TestProcess } from "../support/process.ts";
import { isType, type RecordedAs, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { failure } from "./failure.ts";
import { heard, openWire } from "./gateway-wire.ts";

const schema = "create table victims (id int); insert into victims select generate_series(1, 10)";

/** An answer that does not come within this never will. */
const HANG_MS = 20_000;

describe("a command that needs approval", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup);
    await (await stack.connectDirect()).query(schema);
  });

  /** The hold of the statement that has this in its text. */
  const heldFor = (text: string): Promise<RecordedAs<"ApprovalRequested">> =>
    stack.event(
      "approval-",
      (event): event is RecordedAs<"ApprovalRequested"> => event.type === "ApprovalRequested" && event.data.command.statement?.includes(text) === true,
    );
  const timesRun = (text: string): number => stack.target.log.statements().filter(({ sql }) => sql.includes(text)).length;
  const typesOf = async (stream: string): Promise<string[]> => (await stack.events(stream)).map(({ type }) => type);

  it("waits, runs once when another person has approved it, and is found so in the record", async () => {
    const client = await stack.connect();
    const noticed = once(client, "notice") as Promise<[{ message: string; detail: string; hint: string }]>;
    const created = client.query("create table approved_once (id int)");
    const { data, stream } = await heldFor("approved_once");
    const [notice] = await noticed;
    assert.match(notice.message, new RegExp(data.approvalId, "u"));
    assert.match(notice.detail, /code: approval\.pending/u);
    assert.match(notice.hint, /sallyport approvals approve/u);
    assert.equal(timesRun("approved_once"), 0);
    await stack.approve(data.approvalId);
    assert.equal((await created).command, "CREATE");
    assert.equal(timesRun("approved_once"), 1);
    assert.deepEqual(await typesOf(stream), ["ApprovalRequested", "ApprovalGiven", "ApprovalGranted", "ApprovalConsumed"]);
    await stack.event(`session-${data.sessionId}`, isType("CommandCompleted"));
    const ofCommand = (await stack.events(`session-${data.sessionId}`)).filter((event) => "commandId" in event.data);
    assert.deepEqual(
      ofCommand.map(({ type }) => type),
      ["CommandHeld", "CommandReleased", "CommandCompleted"],
    );
    assert.deepEqual((await client.query("select 1 as one")).rows, [{ one: 1 }]);
  });

  it("cannot be approved twice, nor run twice", async () => {
    const client = await stack.connect();
    const created = client.query("create table approved_twice (id int)");
    const { data } = await heldFor("approved_twice");
    await stack.approve(data.approvalId);
    await created;
    await assert.rejects(stack.approve(data.approvalId, "cy"), { code: "approval.already_decided" });
    const again = failure(client.query("create table approved_twice (id int)"));
    const second = await stack.event(
      "approval-",
      (event): event is RecordedAs<"ApprovalRequested"> =>
        event.type === "ApprovalRequested" && event.data.command.statement?.includes("approved_twice") === true && event.data.approvalId !== data.approvalId,
    );
    await stack.deny(second.data.approvalId);
    assert.deepEqual(await again, ["42501", "approval.denied"]);
    assert.equal(timesRun("approved_twice"), 1);
  });

  it("is refused to the requester, to a machine and to somebody who is no approver", async () => {
    const client = await stack.connect();
    const dropped = failure(client.query("drop table victims"));
    const { data } = await heldFor("drop table victims");
    await assert.rejects(stack.approve(data.approvalId, "ana"), { code: "approval.self" });
    await assert.rejects(stack.approve(data.approvalId, "robot"), { code: "approval.machine" });
    await stack.deny(data.approvalId, "cy", "not today");
    assert.deepEqual(await dropped, ["42501", "approval.denied"]);
    assert.equal(timesRun("drop table victims"), 0);
    assert.deepEqual((await client.query("select count(*)::int as n from victims")).rows, [{ n: 10 }]);
  });

  it("tells the client who denied it and why, and leaves the connection alive", async () => {
    const client = await stack.connect();
    const truncated = assert.rejects(
      client.query("truncate victims"),
      (error) => error instanceof DatabaseError && error.message.includes("cy") && error.message.includes("ask the DBA"),
    );
    await stack.deny((await heldFor("truncate victims")).data.approvalId, "cy", "ask the DBA");
    await truncated;
    assert.deepEqual((await client.query("select 1 as one")).rows, [{ one: 1 }]);
  });

  it("is withdrawn when its client cancels, and the connection goes on", async () => {
    const run = TestProcess.start(cleanup, "psql", ["-X", "-c", "drop table victims /* ctrl-c */"], { env: stack.gatewayEnv() });
    const { data, stream } = await heldFor("ctrl-c");
    await run.line(/held until/u);
    run.kill("SIGINT");
    assert.equal((await run.exited).status, 1);
    assert.match(run.stderr, /57014|Canceling|canceling/u);
    const withdrawn = await stack.event(stream, isType("ApprovalWithdrawn"));
    assert.equal(withdrawn.data.cause, "cancelled");
    await assert.rejects(stack.approve(data.approvalId), { code: "approval.already_decided" });
    assert.equal(timesRun("ctrl-c"), 0);
  });

  it("is withdrawn when its client is gone", async () => {
    const client = await openWire(cleanup, stack);
    client.write(query("drop table victims /* gone */"));
    const { data, stream } = await heldFor("/* gone */");
    client.destroy();
    const withdrawn = await stack.event(stream, isType("ApprovalWithdrawn"));
    assert.equal(withdrawn.data.cause, "client_gone");
    await stack.event(`session-${data.sessionId}`, isType("SessionEnded"));
    assert.equal(timesRun("/* gone */"), 0);
  });

  it("is not run under another policy than the one that held it", { timeout: HANG_MS }, async () => {
    const client = await stack.connect();
    const dropped = failure(client.query("drop table victims /* drift */"));
    const { data } = await heldFor("drift");
    await stack.publish([
      ...starterPolicy,
      { name: "more.cedar", text: '@id("more") permit (principal in Group::"nobody", action == Action::"open", resource);' },
    ]);
    await assert.rejects(stack.approve(data.approvalId), { code: /^approval\.(drift|already_decided)$/u });
    assert.deepEqual(await dropped, ["42501", "approval.drift"]);
    assert.equal(timesRun("drift"), 0);
    await stack.publish(starterPolicy);
  });

  it("is not approved for another argument than the one that was shown, nor runs with one", async () => {
    const client = await stack.connect();
    const text = "delete from only victims where id = $1::int or true /* argument */";
    const asked = async (earlier: string): Promise<RecordedAs<"ApprovalRequested">> =>
      stack.event(
        "approval-",
        (event): event is RecordedAs<"ApprovalRequested"> =>
          event.type === "ApprovalRequested" && event.data.command.statement === text && event.data.approvalId !== earlier,
      );
    const first = failure(client.query(text, ["7734"]));
    const shown = (await asked("")).data;
    await stack.deny(shown.approvalId);
    await first;
    const second = failure(client.query(text, ["7735"]));
    const other = (await asked(shown.approvalId)).data;
    assert.notEqual(other.command.digest, shown.command.digest);
    const approve = (digest: string): Promise<unknown> =>
      stack.call("bo", (api) => api.approvals.approve({ approvalId: other.approvalId, comment: "", digest, forSeconds: 0, wholeSession: false }));
    await assert.rejects(approve(shown.command.digest), { code: "approval.drift" });
    assert.equal(timesRun("/* argument */"), 0);
    await stack.deny(other.approvalId);
    await second;
  });

  it("holds up nobody else", async () => {
    const client = await stack.connect();
    const dropped = failure(client.query("drop table victims /* others */"));
    const { data } = await heldFor("others");
    const other = await stack.connect();
    for (let n = 0; n < 20; n++) assert.deepEqual((await other.query("select $1::int as n", [n])).rows, [{ n }]);
    await stack.deny(data.approvalId);
    await dropped;
  });

  it("is held in the extended protocol too, with its parameters, and answers the whole group", async () => {
    const client = await openWire(cleanup, stack);
    const answered = client.more("Z");
    client.write(Buffer.concat([parse("delete from victims"), bind(), describePortal(), execute(), sync]));
    const { data } = await heldFor("delete from victims");
    assert.equal(data.command.via, "execute");
    await stack.approve(data.approvalId);
    await answered;
    assert.equal(client.types, "N12nCZ");
    assert.match(heard(client), /DELETE 10/u);
    const refused = client.more("Z");
    client.write(
      Buffer.concat([
        parse("select 1"),
        bind(),
        execute(),
        parse("truncate victims /* extended */"),
        bind(),
        execute(),
        parse("select 2"),
        bind(),
        execute(),
        sync,
      ]),
    );
    await stack.deny((await heldFor("/* extended */")).data.approvalId);
    await refused;
    // All commands of a group pass, or none does.
    assert.equal(client.types, "N12nCZNEZ");
    client.destroy();
    await (await stack.connectDirect()).query("insert into victims select generate_series(1, 10)");
  });

  it("shows the approver the parameters it is about to run with", async () => {
    const client = await stack.connect();
    const done = failure(client.query("do $$ begin end $$"));
    const first = await heldFor("do $$ begin end $$");
    await stack.deny(first.data.approvalId);
    await done;
    const changed = failure(client.query("update victims set id = $1::int + 0", ["7734"]));
    const { data } = await heldFor("update victims set id");
    const shown = stack.cli("bo", "--json", "approvals", "show", data.approvalId.slice(0, 8));
    assert.equal((await shown.exited).status, 0, shown.stderr);
    const approval = JSON.parse(shown.stdout) as { parameters: string[]; requestedBy: string; statement: string };
    assert.deepEqual([approval.parameters, approval.requestedBy, approval.statement], [["7734"], "ana", "update victims set id = $1::int + 0"]);
    const denied = stack.cli("bo", "approvals", "deny", data.approvalId, "--comment", "no");
    assert.equal((await denied.exited).status, 0, denied.stderr);
    assert.deepEqual(await changed, ["42501", "approval.denied"]);
  });

  it("is held inside a transaction, which goes on after it was approved, and fails as a whole after it was denied", async () => {
    const client = await stack.connect();
    await client.query("begin");
    await client.query("insert into victims values (99)");
    const approved = client.query("create table in_transaction (id int)");
    await stack.approve((await heldFor("in_transaction")).data.approvalId);
    await approved;
    const denied = failure(client.query("drop table victims /* in transaction */"));
    await stack.deny((await heldFor("/* in transaction */")).data.approvalId);
    assert.deepEqual(await denied, ["42501", "approval.denied"]);
    const [sqlstate] = await failure(client.query("select 1"));
    assert.equal(sqlstate, "25P02", "what follows relies on what was denied");
    assert.equal((await client.query("commit")).command, "ROLLBACK");
    assert.deepEqual((await client.query("select count(*)::int as n from victims")).rows, [{ n: 10 }]);
    assert.deepEqual((await client.query("select to_regclass('in_transaction') as t")).rows, [{ t: null }]);
  });

  it("is not run when other rules decide on it by now, who ask for other people", async () => {
    const needs = (id: string, group: string): string =>
      `@id("${id}") permit (principal in Group::"${group}", action == Action::"run", resource) when { context.approvals >= 1 };`;
    const rules = `@id("open") permit (principal, action == Action::"open", resource);
      ${needs("of-juniors", "engineers")}
      @approvals("2 from approvers") ${needs("of-seniors", "seniors")}
      @id("approve") permit (principal in Group::"approvers", action == Action::"approve", resource);`;
    await stack.publish([{ name: "ranks.cedar", text: rules }]);
    const rank = (group: string) => stack.call("admin", (api) => api.identities.putIdentity({ id: "ana", kind: "human", groups: [group] }));
    const client = await stack.connect();
    const dropped = failure(client.query("drop table victims /* promoted */"));
    const { data } = await heldFor("/* promoted */");
    await rank("seniors");
    await stack.approve(data.approvalId);
    assert.deepEqual(await dropped, ["42501", "approval.drift"]);
    assert.equal(timesRun("/* promoted */"), 0);
    await rank("engineers");
    await stack.publish(starterPolicy);
  });

  it("takes the whole of its group along when something else of it is decided otherwise by now", async () => {
    const reads = (id: string, group: string): string =>
      `@id("${id}") permit (principal in Group::"${group}", action == Action::"run", resource) when { context.riskClass == "read" };`;
    const rules = `@id("open") permit (principal, action == Action::"open", resource);
      ${reads("finance-reads", "finance")} @mask("*.id:null") ${reads("others-read", "others")}
      @id("ask") permit (principal, action == Action::"run", resource) when { context.riskClass == "destructive" && context.approvals >= 1 };
      @id("approve") permit (principal in Group::"approvers", action == Action::"approve", resource);`;
    await stack.publish([{ name: "finance.cedar", text: rules }]);
    const join = (group: string) => stack.call("admin", (api) => api.identities.putIdentity({ id: "ana", kind: "human", groups: [group] }));
    await join("finance");
    const client = await openWire(cleanup, stack);
    const answered = client.more("Z");
    client.write(Buffer.concat([parse("select id from victims"), bind(), execute(), parse("drop table victims /* mixed */"), bind(), execute(), sync]));
    const { data } = await heldFor("/* mixed */");
    await join("others");
    await stack.approve(data.approvalId);
    await answered;
    assert.match(heard(client), /approval\.drift/u);
    assert.equal(timesRun("/* mixed */"), 0);
    const denied = (commandId: number) =>
      stack.event(
        `session-${data.sessionId}`,
        isType("CommandDenied", (event) => event.data.commandId === commandId),
      );
    assert.deepEqual([(await denied(1)).data.code, (await denied(2)).data.code], ["approval.drift", "approval.drift"]);
    const passed = (await stack.events(`session-${data.sessionId}`)).filter(({ type }) => type === "CommandAuthorized" || type === "CommandReleased");
    assert.deepEqual(passed, []);
    client.destroy();
    await join("engineers");
    await stack.publish(starterPolicy);
  });

  it("counts people, not clicks, where two must agree", async () => {
    const two =
      '@id("two") forbid (principal, action == Action::"run", resource) when { context.riskClass == "destructive" } unless { context.approvals >= 2 };';
    await stack.publish([...openPolicy, { name: "two.cedar", text: two }]);
    const client = await stack.connect();
    const created = client.query("create table two_people (id int)");
    const { data } = await heldFor("two_people");
    assert.equal(data.quorum, 2);
    await stack.approve(data.approvalId, "bo");
    await stack.approve(data.approvalId, "bo").catch(() => undefined);
    assert.equal(timesRun("two_people"), 0);
    await stack.approve(data.approvalId, "cy");
    await created;
    assert.equal(timesRun("two_people"), 1);
    await stack.publish(starterPolicy);
  });
});

describe("a command that nobody decides on", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup, { env: { SALLYPORT_PG_HOLD_SECONDS: "1" } });
  });

  it("expires, never runs, and leaves the connection alive", async () => {
    const client: Client = await stack.connect();
    assert.deepEqual(await failure(client.query("create table expired (id int)")), ["42501", "approval.expired"]);
    assert.equal(stack.target.log.statements().filter(({ sql }) => sql.includes("expired")).length, 0);
    assert.deepEqual((await client.query("select 1 as one")).rows, [{ one: 1 }]);
    const expired = await stack.event("approval-", isType("ApprovalExpired"));
    await assert.rejects(stack.approve(expired.data.approvalId), { code: /approval\./u });
  });
});
