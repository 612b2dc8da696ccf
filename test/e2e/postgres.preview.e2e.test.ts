import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { query } from "../support/frontend-messages.ts";
import { starterPolicy } from "../support/policies.ts";
import { isType, type Person, type RecordedAs, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { type Ran, ran } from "./command-line.ts";
import { failure } from "./failure.ts";
import { openWire } from "./gateway-wire.ts";

const schema = `
  create table staff (id int primary key, name text, email text, pay int);
  insert into staff select n, 'name ' || n, 'p' || n || '@example.com', 100 * n from generate_series(1, 30) n;
  create table badges (id int primary key, label text);
  create table watched (id int primary key);
  create function watch() returns trigger language plpgsql as 'begin return old; end';
  create trigger watches before delete on watched for each row execute function watch()`;

describe("a preview of a held command", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup);
    await (await stack.connectDirect()).query(schema);
  });

  const heldFor = (text: string): Promise<RecordedAs<"ApprovalRequested">> =>
    stack.event(
      "approval-",
      (event): event is RecordedAs<"ApprovalRequested"> => event.type === "ApprovalRequested" && event.data.command.statement?.includes(text) === true,
    );
  const preview = (person: Person, approvalId: string, dryRun: boolean, digest = "") =>
    stack.call(person, (api) => api.approvals.preview({ approvalId, digest, dryRun }));
  const run = (person: Person, ...args: readonly string[]): Promise<Ran> => ran(stack, person, ...args);

  it("shows another person the plan, the rows and a masked sample, and what is then approved runs", async () => {
    const client = await stack.connect();
    const updated = client.query("update staff set pay = pay + 1 /* raise */");
    const { data, stream } = await heldFor("raise");
    const seen = await run("bo", "approvals", "preview", data.approvalId, "--dry-run");
    assert.equal(seen.status, 0, seen.err);
    assert.match(seen.out, /Update on staff/u);
    assert.match(seen.out, /30 rows would change; rolled back/u);
    assert.match(seen.out, /Before.*name 1 .*100.*After.*name 1 .*101/su);
    assert.doesNotMatch(seen.out, /@example\.com|p1@/u);
    assert.deepEqual((await (await stack.connectDirect()).query("select sum(pay)::int as pay from staff")).rows, [{ pay: 46_500 }]);

    const recorded = await stack.events(stream);
    assert.deepEqual(
      recorded.map(({ type }) => type),
      ["ApprovalRequested", "ApprovalPreviewRequested", "ApprovalPreviewed"],
    );
    const intent = recorded.find(isType("ApprovalPreviewRequested"));
    assert.deepEqual([intent?.data.by, intent?.data.kind, intent?.data.digest], ["bo", "dry_run", data.command.digest]);
    const { data: outcome } = await stack.event(stream, isType("ApprovalPreviewed"));
    assert.deepEqual(outcome.dryRun, { rows: 30, before: 5, after: 5 });
    assert.ok(seen.out.includes(outcome.previewDigest));
    assert.doesNotMatch(JSON.stringify(outcome), /name 1|example/u);

    assert.match((await run("bo", "approvals", "show", data.approvalId)).out, /Preview.*dry run by bo.*shown: 30 rows/u);
    await stack.approve(data.approvalId);
    assert.equal((await updated).rowCount, 30);
    assert.deepEqual((await (await stack.connectDirect()).query("select sum(pay)::int as pay from staff")).rows, [{ pay: 46_530 }]);
  });

  it("shows no masked value in the column that it would be copied into, before somebody approved that", async () => {
    const client = await stack.connect();
    for (const [text, after] of [
      ["update staff set name = email where id = 3 /* as it is */", ["3", "****"]],
      ["update staff set name = replace(email, '@', ' at ') || '/' || pay where id = 3 /* spelt */", ["3", "****"]],
      ["insert into badges (id, label) select id, replace(email, '@', ' at ') from staff where id = 3 /* elsewhere */", ["3", "****"]],
    ] as const) {
      const held = failure(client.query(text));
      const { data } = await heldFor(text);
      const { dryRun } = await preview("bo", data.approvalId, true);
      assert.equal(dryRun?.rows, 1n, text);
      const [row] = dryRun.after.map(({ cells }) => cells.map(({ text: cell }) => cell));
      assert.doesNotMatch(JSON.stringify(row), /p3/u);
      assert.deepEqual(row?.slice(0, 2), after);
      await stack.deny(data.approvalId);
      await held;
    }
  });

  it("takes the parameters that are bound, and the names as the requester's session resolves them", async () => {
    const direct = await stack.connectDirect();
    await direct.query(
      "create schema apart; create table apart.things (id int primary key, what text); insert into apart.things values (1, 'mine'), (2, 'theirs')",
    );
    const client = await stack.connect("ana", { options: "-c search_path=apart" });
    const updated = failure(client.query("update things set what = $1 || $2 /* bound */", ["new", " too"]));
    const { data } = await heldFor("bound");
    const { plan, dryRun } = await preview("bo", data.approvalId, true, data.command.digest);
    assert.match(plan, /Update on things/u);
    assert.deepEqual(
      dryRun?.after.map(({ cells }) => cells.map(({ text }) => text)),
      [
        ["1", "new too"],
        ["2", "new too"],
      ],
    );
    await stack.deny(data.approvalId);
    await updated;
  });

  it("takes a text, or parameters, that stand in the recording because they are long", async () => {
    const client = await stack.connect();
    for (const [text, values] of [
      [`update staff set pay = case when id in (${Array.from({ length: 6_000 }, (_, n) => n + 5).join(", ")}) then 7 else pay end`, []],
      ["update staff set pay = length($1) + $2", ["x".repeat(40_000), 4]],
    ] as const) {
      const updated = failure(client.query(text, [...values]));
      const { data } = await stack.event(
        "approval-",
        (event): event is RecordedAs<"ApprovalRequested"> =>
          event.type === "ApprovalRequested" &&
          event.data.command.recording !== undefined &&
          (event.data.command.statement === undefined) === (values.length === 0),
      );
      const { plan, dryRun } = await preview("bo", data.approvalId, true, data.command.digest);
      assert.match(plan, /Update on staff/u);
      assert.equal(dryRun?.rows, 30n);
      await stack.deny(data.approvalId);
      await updated;
    }
    const longer = failure(client.query(`update staff set name = '${"x".repeat(70_000)}'`));
    const { data } = await stack.event(
      "approval-",
      (event): event is RecordedAs<"ApprovalRequested"> => event.type === "ApprovalRequested" && event.data.command.statementBytes > 70_000,
    );
    await assert.rejects(preview("bo", data.approvalId, true), /too long/u);
    await stack.deny(data.approvalId);
    await longer;
  });

  it("is for those who may decide, on what is held and for as long as it is", async () => {
    const client = await stack.connect();
    const deleted = failure(client.query("delete from staff /* who */"));
    const { data, stream } = await heldFor("who");
    const already = stack.target.log.statements().length;
    await assert.rejects(preview("ana", data.approvalId, true), { code: "approval.self" });
    await assert.rejects(preview("robot", data.approvalId, false), { code: /^approval\.(machine|not_found)$/u });
    await assert.rejects(preview("bo", data.approvalId, false, "0".repeat(64)), { code: "approval.drift" });
    await stack.deny(data.approvalId);
    await deleted;
    await assert.rejects(preview("bo", data.approvalId, true), { code: "approval.already_decided" });
    assert.deepEqual(
      (await stack.events(stream)).map(({ type }) => type),
      ["ApprovalRequested", "ApprovalDenied"],
    );
    assert.deepEqual(stack.target.log.statements().slice(already), []);
  });

  it("is refused, and found so in the record, where a rollback would not undo it or nothing can be told", async () => {
    const client = await stack.connect();
    const watched = failure(client.query("delete from watched"));
    const { data, stream } = await heldFor("delete from watched");
    await assert.rejects(preview("bo", data.approvalId, true), { code: "preview.unsafe", message: /trigger watches/u });
    const failed = await stack.event(stream, isType("ApprovalPreviewFailed"));
    assert.equal(failed.data.code, "preview.unsafe");
    assert.match((await preview("cy", data.approvalId, false)).plan, /Delete on watched/u);
    await stack.deny(data.approvalId);
    await watched;

    const dropped = failure(client.query("drop table watched /* no plan */"));
    const drop = await heldFor("no plan");
    await assert.rejects(preview("bo", drop.data.approvalId, false), { code: "feature.unsupported" });
    await stack.deny(drop.data.approvalId);
    await dropped;
    const two = failure(client.query("delete from staff /* two */; drop table watched"));
    const both = await heldFor("two");
    await assert.rejects(preview("bo", both.data.approvalId, true), { code: "preview.unsafe", message: /several/u });
    await stack.deny(both.data.approvalId);
    await two;
  });

  it("does not hold up its own or any other session, and one that is withdrawn meanwhile stays so", async () => {
    const direct = await stack.connectDirect();
    await direct.query("begin; lock table staff in access exclusive mode");
    const client = await openWire(cleanup, stack);
    client.write(query("delete from staff /* stalled */"));
    const { data, stream } = await heldFor("stalled");
    const looking = assert.rejects(preview("bo", data.approvalId, true), { code: "preview.failed" });
    await stack.event(stream, isType("ApprovalPreviewRequested"));
    const other = await stack.connect();
    assert.deepEqual((await other.query("select 1 as one")).rows, [{ one: 1 }]);
    client.destroy();
    await stack.event(stream, isType("ApprovalWithdrawn"));
    await looking;
    await direct.query("rollback");
    assert.equal((await stack.events(stream)).at(-1)?.type, "ApprovalPreviewFailed");
    await assert.rejects(stack.approve(data.approvalId), { code: "approval.already_decided" });
  });

  it("is not given under another policy than the one that held the command", async () => {
    const client = await stack.connect();
    const deleted = failure(client.query("delete from staff /* policy */"));
    const { data } = await heldFor("policy");
    await stack.publish([...starterPolicy, { name: "more.cedar", text: '@id("more") permit (principal in Group::"x", action == Action::"open", resource);' }]);
    await assert.rejects(preview("bo", data.approvalId, true), { code: /^approval\.(drift|already_decided)$/u });
    assert.deepEqual(await deleted, ["42501", "approval.drift"]);
    await stack.publish(starterPolicy);
  });
});
