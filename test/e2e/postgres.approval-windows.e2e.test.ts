import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { starterPolicy } from "../support/policies.ts";
import { isType, type RecordedAs, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { failure } from "./failure.ts";

describe("an approval for a while", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup);
    await (await stack.connectDirect()).query("create table t (id int); create table other (id int)");
  });

  const heldFor = (text: string, more: (id: string) => boolean = () => true): Promise<RecordedAs<"ApprovalRequested">> =>
    stack.event(
      "approval-",
      isType("ApprovalRequested", ({ data }) => data.command.statement === text && more(data.approvalId)),
    );
  const ran = (text: string): number => stack.target.log.statements().filter(({ sql }) => sql === text).length;
  const grantFor = async (text: string, seconds = 900): Promise<RecordedAs<"ApprovalRequested">> => {
    const client = await stack.connect();
    const answered = client.query(text);
    const held = await heldFor(text);
    await stack.approve(held.data.approvalId, "bo", seconds);
    await answered;
    return held;
  };

  it("lets the same command of the same person run again, in another session too, each time recorded under it", async () => {
    const { data, stream } = await grantFor("truncate t");
    const client = await stack.connect();
    await client.query("truncate t");
    await client.query("truncate t");
    assert.equal(ran("truncate t"), 3);
    assert.deepEqual(
      (await stack.events(stream)).map(({ type }) => type),
      ["ApprovalRequested", "ApprovalGiven", "ApprovalGranted", "ApprovalUsed", "ApprovalUsed", "ApprovalUsed"],
    );
    const last = await stack.event(
      "session-",
      isType("CommandAuthorized", (event) => event.data.approvalId === data.approvalId && event.data.commandId === 2),
    );
    const explained = stack.cli("bo", "explain", last.data.approvalId === undefined ? "" : last.stream.replace("session-", ""), "2");
    assert.equal((await explained.exited).status, 0, explained.stderr);
  });

  it("is of no use to anybody else, nor for another text", async () => {
    await grantFor("truncate other");
    const robot = await stack.connect("robot");
    const byOther = failure(robot.query("truncate other"));
    const held = await stack.event(
      "approval-",
      isType("ApprovalRequested", ({ data }) => data.requestedBy === "robot"),
    );
    await stack.deny(held.data.approvalId);
    assert.deepEqual(await byOther, ["42501", "approval.denied"]);
    const ana = await stack.connect();
    const changed = failure(ana.query("truncate other "));
    await stack.deny((await heldFor("truncate other ")).data.approvalId);
    assert.deepEqual(await changed, ["42501", "approval.denied"]);
  });

  it("ends when it is taken back, and on time", async () => {
    const { data, stream } = await grantFor("truncate t, other");
    const revoked = stack.cli("cy", "approvals", "revoke", data.approvalId, "--reason", "enough");
    assert.equal((await revoked.exited).status, 0, revoked.stderr);
    await stack.event(stream, isType("ApprovalRevoked"));
    const client = await stack.connect();
    const again = failure(client.query("truncate t, other"));
    const second = await heldFor("truncate t, other", (id) => id !== data.approvalId);
    await stack.approve(second.data.approvalId, "bo", 1);
    assert.deepEqual(await again, ["no error"]);
    await stack.event(second.stream, isType("ApprovalExpired"));
    const late = failure(client.query("truncate t, other"));
    const third = await heldFor("truncate t, other", (id) => id !== data.approvalId && id !== second.data.approvalId);
    await stack.deny(third.data.approvalId);
    assert.deepEqual(await late, ["42501", "approval.denied"]);
  });

  it("is for what does no more than it in its session, where those who agree say so", async () => {
    const client = await stack.connect();
    const first = client.query("update other set id = 1");
    const { data, stream } = await heldFor("update other set id = 1");
    const alone = stack.cli("bo", "approvals", "approve", data.approvalId, "--session");
    assert.equal((await alone.exited).status, 2, "for how long, it must say");
    const approved = stack.cli("bo", "approvals", "approve", data.approvalId, "--for", "15m", "--session");
    assert.equal((await approved.exited).status, 0, approved.stderr);
    await first;
    await client.query("update other set id = 2");
    await client.query("begin");
    await client.query("update other set id = 3");
    await client.query("commit");
    assert.deepEqual(
      (await stack.events(stream)).map(({ type }) => type),
      ["ApprovalRequested", "ApprovalGiven", "ApprovalGranted", "ApprovalUsed", "ApprovalUsed", "ApprovalUsed"],
    );
    const wider = failure(client.query("update t set id = 2"));
    await stack.deny((await heldFor("update t set id = 2")).data.approvalId);
    assert.deepEqual(await wider, ["42501", "approval.denied"]);
    const otherwise = failure(client.query("update other set id = 2 where true"));
    await stack.deny((await heldFor("update other set id = 2 where true")).data.approvalId);
    assert.deepEqual(await otherwise, ["42501", "approval.denied"]);
    const elsewhere = failure((await stack.connect()).query("update other set id = 4"));
    await stack.deny((await heldFor("update other set id = 4")).data.approvalId);
    assert.deepEqual(await elsewhere, ["42501", "approval.denied"]);
    assert.equal(ran("update other set id = 2"), 1);
  });

  it("is not for a statement that does something else with the same tables, columns and functions", async () => {
    await (await stack.connectDirect()).query("create table pair (id int, plain text, secret text)");
    const client = await stack.connect();
    const shown = "update pair set (plain, secret) = (select p.plain, p.secret from pair p)";
    const first = client.query(shown);
    const { data } = await heldFor(shown);
    const approved = stack.cli("bo", "approvals", "approve", data.approvalId, "--for", "15m", "--session");
    assert.equal((await approved.exited).status, 0, approved.stderr);
    await first;
    const swapped = "update pair set (plain, secret) = (select p.secret, p.plain from pair p)";
    const refused = failure(client.query(swapped));
    await stack.deny((await heldFor(swapped)).data.approvalId);
    assert.deepEqual(await refused, ["42501", "approval.denied"]);
    assert.equal(ran(swapped), 0);
  });

  it("is for sessions that have set the same, and whoever decides sees what", async () => {
    const client = await stack.connect();
    await client.query("set datestyle = 'ISO, DMY'");
    const text = "truncate t /* dates */";
    const first = client.query(text);
    const held = await heldFor(text);
    assert.deepEqual(held.data.settings?.changedBy, ["set datestyle = 'ISO, DMY'"]);
    const shown = stack.cli("bo", "approvals", "show", held.data.approvalId);
    assert.equal((await shown.exited).status, 0, shown.stderr);
    assert.match(shown.stdout, /Set +set datestyle = 'ISO, DMY'/u);
    await stack.approve(held.data.approvalId, "bo", 900);
    await first;
    await client.query(text);
    const alike = await stack.connect();
    await alike.query("set datestyle = 'ISO, DMY'");
    await alike.query(text);
    await alike.query("set datestyle = 'ISO, MDY'");
    const otherwise = failure(alike.query(text));
    const second = await heldFor(text, (id) => id !== held.data.approvalId);
    await stack.deny(second.data.approvalId);
    assert.deepEqual(await otherwise, ["42501", "approval.denied"]);
    const plain = failure((await stack.connect()).query(text));
    await stack.deny((await heldFor(text, (id) => id !== held.data.approvalId && id !== second.data.approvalId)).data.approvalId);
    assert.deepEqual(await plain, ["42501", "approval.denied"]);
    assert.equal(ran(text), 3);
  });

  it("outlives the control plane, where what was only held does not", async () => {
    await grantFor("truncate only t");
    const client = await stack.connect();
    const lost = failure(client.query("drop table t"));
    const pending = await heldFor("drop table t");
    await stack.killControlPlane();
    await lost;
    await stack.startControlPlane();
    await stack.linked();
    const withdrawn = await stack.event(pending.stream, isType("ApprovalWithdrawn"));
    assert.equal(withdrawn.data.cause, "control_plane_lost");
    await assert.rejects(stack.approve(pending.data.approvalId), { code: "approval.already_decided" });
    await (await stack.connect()).query("truncate only t");
    assert.deepEqual([ran("truncate only t"), ran("drop table t")], [2, 0]);
  });

  it("ends when the policy changes", async () => {
    const { data, stream } = await grantFor("truncate only other");
    const rule = '@id("more") permit (principal in Group::"nobody", action == Action::"open", resource);';
    await stack.publish([...starterPolicy, { name: "more.cedar", text: rule }]);
    assert.equal((await stack.event(stream, isType("ApprovalWithdrawn"))).data.cause, "drift");
    const client = await stack.connect();
    const again = failure(client.query("truncate only other"));
    await stack.deny((await heldFor("truncate only other", (id) => id !== data.approvalId)).data.approvalId);
    assert.deepEqual(await again, ["42501", "approval.denied"]);
  });
});

describe("a command that is held in an open transaction", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup, { env: { SALLYPORT_PG_TRANSACTION_HOLD_SECONDS: "1" } });
  });

  it("waits for less long than any other, and says so", async () => {
    const client = await stack.connect();
    const notices: string[] = [];
    client.on("notice", ({ detail }) => notices.push(detail ?? ""));
    await client.query("begin");
    assert.deepEqual(await failure(client.query("create table in_transaction (id int)")), ["42501", "approval.expired"]);
    assert.match(notices.join(), /sooner, as a transaction is open/u);
    assert.equal((await client.query("rollback")).command, "ROLLBACK");
    const waiting = client.query("create table outside (id int)");
    const { data } = await stack.event(
      "approval-",
      isType("ApprovalRequested", (event) => event.data.command.statement?.includes("outside") === true),
    );
    assert.ok(Date.parse(data.expiresAt) - Date.now() > 60_000);
    await stack.approve(data.approvalId);
    await waiting;
  });
});
