import assert from "node:assert/strict";
import { once } from "node:events";
import { before, describe, it } from "node:test";
import { openPolicy } from "../support/policies.ts";
import { isType, type Person, type RecordedAs, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { failure } from "./failure.ts";

const open = openPolicy[0]?.text.split("\n").find((line) => line.includes('"all"')) ?? "";
const stepsPolicy = [
  {
    name: "steps.cedar",
    text: `${open}
      @id("approve") permit (principal in Group::"approvers", action == Action::"approve", resource);
      @id("reads") permit (principal, action == Action::"run", resource) when { context.riskClass == "read" };
      @id("drops") @approvals("1 from support; 1 from dba, security") @denyBy("legal")
      permit (principal, action == Action::"run", resource) when { context.hazards.contains("drop") && context.approvals >= 1 };
      @id("truncates") @approvals("1 from support") @escalate("1s to dba")
      permit (principal, action == Action::"run", resource) when { context.hazards.contains("truncate") && context.approvals >= 1 };
      @id("creates") @approvals("1 from support") @approvalTimeout("1s")
      permit (principal, action == Action::"run", resource) when { context.verbs == ["CREATE TABLE"] && context.approvals >= 1 };
      @id("writes") @approverHours("\${NOT_TODAY} 00-24 UTC")
      permit (principal, action == Action::"run", resource) when { context.riskClass == "write" && context.approvals >= 1 };`,
  },
];

describe("approvals in steps", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    // A week has a day that is neither today's nor the one that a run past midnight meets.
    const weekday = new Date(Date.now() + 3 * 86_400_000).toLocaleDateString("en-US", { weekday: "short", timeZone: "UTC" }).toLowerCase();
    stack = await Stack.start(cleanup, { policy: stepsPolicy.map(({ name, text }) => ({ name, text: text.replace("${NOT_TODAY}", weekday) })) });
    const join = (id: Person, groups: readonly string[]) =>
      stack.call("admin", (api) => api.identities.putIdentity({ id, kind: "human", groups: [...groups] }));
    // Of both groups: still one person.
    await join("bo", ["approvers", "auditors", "support", "dba"]);
    await join("cy", ["approvers", "dba"]);
    await join("admin", ["admins", "legal"]);
    await (await stack.connectDirect()).query("create table a (id int); create table b (id int); create table c (id int); insert into c values (1)");
  });

  const heldFor = (text: string): Promise<RecordedAs<"ApprovalRequested">> =>
    stack.event(
      "approval-",
      isType("ApprovalRequested", ({ data }) => data.command.statement?.includes(text) === true),
    );

  it("tell the client which groups must agree, wait for each in its turn, and count one person once", async () => {
    const client = await stack.connect();
    const noticed = once(client, "notice") as Promise<[{ message: string }]>;
    const dropped = client.query("drop table a");
    const { data, stream } = await heldFor("drop table a");
    assert.match((await noticed)[0].message, /held until 1 of support, then 1 of dba or security approve it/u);
    await assert.rejects(stack.approve(data.approvalId, "cy"), { code: "approval.step" });
    await stack.approve(data.approvalId, "bo");
    await stack.approve(data.approvalId, "bo");
    const shown = stack.cli("cy", "approvals", "show", data.approvalId);
    assert.equal((await shown.exited).status, 0, shown.stderr);
    assert.match(shown.stdout, /step 1\s+1 of 1 from support: bo[^]*step 2\s+0 of 1 from dba or security[^]*legal may deny/u);
    await stack.approve(data.approvalId, "cy");
    assert.equal((await dropped).command, "DROP");
    const given = (await stack.events(stream)).filter(isType("ApprovalGiven"));
    assert.deepEqual(
      given.map(({ data: { by, step, groups } }) => [by, step, groups]),
      [
        ["bo", 0, ["support"]],
        ["cy", 1, ["dba"]],
      ],
    );
  });

  it("end with the denial of a group that may refuse and not approve", async () => {
    const client = await stack.connect();
    const dropped = failure(client.query("drop table b"));
    const { data } = await heldFor("drop table b");
    await assert.rejects(stack.approve(data.approvalId, "admin"), { code: "auth.forbidden" });
    await stack.deny(data.approvalId, "admin", "legal hold");
    assert.deepEqual(await dropped, ["42501", "approval.denied"]);
  });

  it("escalate to another group when their time has come", async () => {
    const client = await stack.connect();
    const truncated = client.query("truncate c");
    const { data, stream } = await heldFor("truncate c");
    await stack.event(stream, isType("ApprovalEscalated"));
    await stack.approve(data.approvalId, "cy");
    assert.equal((await truncated).command, "TRUNCATE");
  });

  it("wait no longer than the rule says", async () => {
    const client = await stack.connect();
    assert.deepEqual(await failure(client.query("create table too_late (id int)")), ["42501", "approval.expired"]);
  });

  it("do not count outside the hours of the rule, where a denial does", async () => {
    const client = await stack.connect();
    const written = failure(client.query("insert into c values (2)"));
    const { data } = await heldFor("insert into c values (2)");
    await assert.rejects(stack.approve(data.approvalId, "bo"), { code: "approval.hours" });
    await stack.deny(data.approvalId, "bo");
    assert.deepEqual(await written, ["42501", "approval.denied"]);
  });
});
