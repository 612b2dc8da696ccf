import assert from "node:assert/strict";
import { once } from "node:events";
import { before, describe, it } from "node:test";
import { starterPolicy } from "../support/policies.ts";
import { isType, type RecordedAs, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { failure } from "./failure.ts";

const schema = "create table t (id int); insert into t select generate_series(1, 10); create view v as select id from t";
const twoPeople =
  '@id("two") forbid (principal, action == Action::"run", resource) when { context.hazards.contains("truncate") } unless { context.approvals >= 2 };';
const neverVacuum = '@id("never") forbid (principal, action == Action::"run", resource) when { context.verbs.contains("VACUUM") };';

describe("a counter-proposal", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup, { policy: [...starterPolicy, { name: "two.cedar", text: `${twoPeople}\n${neverVacuum}` }] });
    await (await stack.connectDirect()).query(schema);
  });

  const heldFor = (text: string): Promise<RecordedAs<"ApprovalRequested">> =>
    stack.event(
      "approval-",
      isType("ApprovalRequested", ({ data }) => data.command.statement === text),
    );
  const propose = (approvalId: string, statement: string, person: "bo" | "cy" | "ana" | "robot" = "bo") =>
    stack.call(person, (api) => api.approvals.proposeCounter({ approvalId, statement, comment: "", digest: "" }));
  const accept = (approvalId: string, digest: string, person: "ana" | "bo" = "ana") =>
    stack.call(person, (api) => api.approvals.acceptCounter({ approvalId, digest }));
  const ran = (text: string): number => stack.target.log.statements().filter(({ sql }) => sql === text).length;

  it("is told to the client, taken on the command line, and runs in place of what was held, under an approval of its own", async () => {
    const client = await stack.connect();
    const notices: { message: string; hint: string }[] = [];
    client.on("notice", (notice) => notices.push(notice as { message: string; hint: string }));
    const answered = client.query("delete from t");
    const { data, stream } = await heldFor("delete from t");
    const noticed = once(client, "notice");
    const proposed = stack.cli("bo", "approvals", "propose", data.approvalId, "drop table if exists t_never", "--comment", "not all of them");
    assert.equal((await proposed.exited).status, 0, proposed.stderr);
    await noticed;
    assert.match(notices.at(-1)?.message ?? "", /bo proposes instead: drop table if exists t_never/u);
    const [, ...pasted] = /sallyport (approvals accept \S+ [0-9a-f]{16})\s/u.exec(notices.at(-1)?.hint ?? "")?.[1]?.split(" ") ?? [];
    // Another one comes in before the first is taken: what is taken is what was read, or nothing.
    const another = once(client, "notice");
    await propose(data.approvalId, "delete from t where id = 2", "cy");
    await another;
    const late = stack.cli("ana", "approvals", ...pasted);
    assert.equal((await late.exited).status, 1);
    assert.match(late.stderr, /^approval\.drift/u);
    await propose(data.approvalId, "drop table if exists t_never");
    const taken = stack.cli("ana", "approvals", ...pasted);
    assert.equal((await taken.exited).status, 0, taken.stderr);
    assert.equal((await answered).command, "DROP");
    assert.equal(ran("delete from t"), 0);
    assert.equal(ran("drop table if exists t_never"), 1);

    assert.deepEqual(
      (await stack.events(stream)).map(({ type }) => type),
      ["ApprovalRequested", "ApprovalCounterProposed", "ApprovalCounterProposed", "ApprovalCounterProposed", "ApprovalCounterAccepted"],
    );
    const second = await heldFor("drop table if exists t_never");
    assert.equal(second.data.counterTo, data.approvalId);
    assert.notEqual(second.data.command.digest, data.command.digest);
    const events = await stack.events(second.stream);
    assert.deepEqual(
      events.map(({ type }) => type),
      ["ApprovalRequested", "ApprovalGiven", "ApprovalGranted", "ApprovalConsumed"],
    );
    assert.equal(events.find(isType("ApprovalGiven"))?.data.by, "bo");
    await stack.event(`session-${data.sessionId}`, isType("CommandCompleted"));
    const ofCommands = (await stack.events(`session-${data.sessionId}`)).flatMap((event) =>
      "commandId" in event.data ? [`${event.type} ${event.data.commandId}`] : [],
    );
    assert.deepEqual(ofCommands, ["CommandHeld 1", "CommandDenied 1", "CommandHeld 2", "CommandReleased 2", "CommandCompleted 2"]);
  });

  it("that needs nobody's word runs at once when it is taken", async () => {
    const client = await stack.connect();
    const answered = client.query("delete from t ");
    const { data } = await heldFor("delete from t ");
    const { approval } = await propose(data.approvalId, "delete from t where id = 1");
    await accept(data.approvalId, approval?.counter?.digest ?? "");
    assert.equal((await answered).rowCount, 1);
    assert.deepEqual((await client.query("select count(*)::int as n from t")).rows, [{ n: 9 }]);
  });

  it("is agreed to by its text, whatever the target's catalogue has to say of the views in it", async () => {
    const client = await stack.connect();
    const answered = client.query("delete from t  ");
    const { data } = await heldFor("delete from t  ");
    const instead = "create table few as select id from v where v.id < 3";
    const { approval } = await propose(data.approvalId, instead);
    await accept(data.approvalId, approval?.counter?.digest ?? "");
    assert.equal((await answered).command, "SELECT");
    const second = await heldFor(instead);
    assert.ok(second.data.command.facts.columnsFiltered.includes("t.id"), "the view is seen through");
  });

  it("counts for its proposer alone: where two must agree, it waits for the other", async () => {
    const client = await stack.connect();
    const answered = client.query("drop table t ");
    const { data } = await heldFor("drop table t ");
    const { approval } = await propose(data.approvalId, "truncate t");
    await accept(data.approvalId, approval?.counter?.digest ?? "");
    const second = await heldFor("truncate t");
    await stack.event(second.stream, isType("ApprovalGiven"));
    await stack.approve(second.data.approvalId, "bo");
    assert.equal(ran("truncate t"), 0);
    await stack.approve(second.data.approvalId, "cy");
    assert.equal((await answered).command, "TRUNCATE");
  });

  it("is neither made nor taken by the wrong person, nor taken in other words, nor by who does not see the last one", async () => {
    const client = await stack.connect();
    const answered = failure(client.query("drop table t  "));
    const { data } = await heldFor("drop table t  ");
    await assert.rejects(propose(data.approvalId, "select 1", "ana"), { code: "approval.self" });
    await assert.rejects(propose(data.approvalId, "select 1", "robot"), { code: /approval\.(machine|not_found)/u });
    await assert.rejects(propose(data.approvalId, "drop table t  "), { code: "input.invalid" });
    await assert.rejects(propose(data.approvalId, "create role eve password 'hunter2'"), { code: "input.invalid" });
    await assert.rejects(accept(data.approvalId, ""), { code: "input.invalid" });
    const first = await propose(data.approvalId, "select 1");
    await propose(data.approvalId, "select 2", "cy");
    await assert.rejects(accept(data.approvalId, first.approval?.counter?.digest ?? ""), { code: "approval.drift" });
    await assert.rejects(accept(data.approvalId, first.approval?.counter?.digest ?? "", "bo"), { code: "auth.forbidden" });
    await stack.deny(data.approvalId);
    assert.deepEqual(await answered, ["42501", "approval.denied"]);
    await assert.rejects(propose(data.approvalId, "select 3"), { code: "approval.already_decided" });
    for (const event of await stack.events("approval-")) assert.doesNotMatch(JSON.stringify(event.data), /hunter2/u);
  });

  it("is not for a command with parameters", async () => {
    const client = await stack.connect();
    const answered = failure(client.query("update t set id = $1::int + 0", ["1"]));
    const { data } = await heldFor("update t set id = $1::int + 0");
    await assert.rejects(propose(data.approvalId, "select 1"), { code: "feature.unsupported" });
    await stack.deny(data.approvalId);
    await answered;
  });

  it("is refused at once where its requester could not run it, and what is held goes on waiting", async () => {
    const client = await stack.connect();
    const asked = failure(client.query("delete from t /* all */"));
    const { data, stream } = await heldFor("delete from t /* all */");
    await assert.rejects(propose(data.approvalId, "delte from t"), { code: "input.invalid", message: /syntax error at character 1/u });
    await assert.rejects(propose(data.approvalId, "vacuum t"), { code: "policy.denied", message: /refuse this to ana/u });
    assert.deepEqual(
      (await stack.events(stream)).map(({ type }) => type),
      ["ApprovalRequested"],
    );
    await stack.deny(data.approvalId);
    assert.deepEqual(await asked, ["42501", "approval.denied"]);
  });
});
