import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { isType, type RecordedAs, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { type Ran, ran } from "./command-line.ts";
import { failure } from "./failure.ts";

const schema = "create table products (id int, price numeric); insert into products values (1, 10), (2, 20)";

/** I4: who decides on a command reads all of it, or knows what they do not. */
describe("what approvers see of a command", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup);
    await (await stack.connectDirect()).query(schema);
  });

  const requested = (of: (data: RecordedAs<"ApprovalRequested">["data"]) => boolean): Promise<RecordedAs<"ApprovalRequested">> =>
    stack.event("approval-", (event): event is RecordedAs<"ApprovalRequested"> => event.type === "ApprovalRequested" && of(event.data));
  const cli = (...args: readonly string[]): Promise<Ran> => ran(stack, "bo", ...args);

  it("is the code around a secret, and that something is withheld", async () => {
    const client = await stack.connect();
    const noticed = new Promise<{ detail?: string | undefined }>((resolve) => client.once("notice", resolve));
    const block = client.query("do $$ begin update products set price = 0; -- postgres://u:p@h\n end $$");
    const { data } = await requested(({ command }) => command.redacted);
    const { out } = await cli("approvals", "show", data.approvalId);
    assert.match(out, /update products set price = 0; -- postgres:\/\/u:<redacted: 1 byte>@h/u);
    assert.match(out, /Withheld {3}1 byte in 1 place/u);
    assert.match((await cli("approvals", "list")).out, /withheld: 1 byte in 1 place/u);
    assert.match((await noticed).detail ?? "", /looks like a secret: 1 byte in 1 place/u);
    await stack.approve(data.approvalId);
    await block;
    assert.match((await cli("sessions", "replay", data.sessionId)).out, /update products set price = 0; .*withheld/u);
  });

  it("is never less than the code: what cannot be shown is refused, and the connection lives", async () => {
    const client = await stack.connect();
    for (const sql of [
      "do $$begin/*://u:*/update/**/products/**/set/**/price=99;--@h\nend$$",
      "do $$ begin execute replace('x://u:truncate@h', 'x://u:', '') || ' products'; end $$",
      "selct 'postgres://u:p@h'",
    ])
      assert.deepEqual(await failure(client.query(sql)), ["42501", "approval.unreadable"], sql);
    const denied = await stack.event("session-", isType("CommandDenied"));
    assert.equal(denied.data.code, "approval.unreadable");
    assert.deepEqual((await client.query("select count(*)::int as n from products where price = 99")).rows, [{ n: 0 }]);
  });

  it("is a long command as well: its facts at once, all of its text on request, and it is approved with its digest", async () => {
    const client = await stack.connect();
    const end = "update products set price = 77";
    const done = client.query(`/* ${"x".repeat(20_000)}\u{1b}[2J */ ${end}`);
    const { data } = await requested(({ command }) => command.statement === undefined && command.statementBytes > 20_000);
    const id = data.approvalId;
    const short = (await cli("approvals", "show", id)).out;
    assert.match(short, /Does +UPDATE\n.*Writes +products\n.*Hazards +update_without_where/su);
    assert.match(short, /Not all of it is here/u);
    assert.ok(!short.includes(data.command.digest), "the digest stands below all of it, and nowhere else");
    const unread = await cli("approvals", "approve", id);
    assert.deepEqual([unread.status, /too long for/u.test(unread.err)], [2, true], unread.err);
    assert.notEqual((await cli("approvals", "approve", id, "0".repeat(16))).status, 0);
    await assert.rejects(stack.approve(id), { code: "input.invalid" });
    const whole = (await cli("approvals", "show", id, "--full")).out;
    assert.ok(whole.includes(`·[2J */ ${end}\n`), "control characters show, and move no cursor");
    const digest = /Digest +([0-9a-f]{64})/u.exec(whole)?.[1] ?? "";
    assert.equal((await cli("approvals", "approve", id, digest.slice(0, 16))).status, 0);
    assert.equal((await done).rowCount, 2);
    const replayed = (await cli("sessions", "replay", data.sessionId, "--output", "all")).out;
    assert.ok(replayed.includes(end), "the replay has the text");
  });

  it("are all its parameters, and nobody else reads them", async () => {
    const client = await stack.connect();
    const done = client.query("update products set price = length($1) + length($2)", ["bell\u{7}", "y".repeat(100_000)]);
    const { data } = await requested(({ command }) => command.parameters.length === 2);
    const short = JSON.parse((await cli("--json", "approvals", "show", data.approvalId)).out) as { parameters: string[]; whole: boolean };
    assert.deepEqual([short.whole, short.parameters], [false, ["<5 bytes>", "<100000 bytes>"]]);
    const whole = JSON.parse((await cli("--json", "approvals", "show", data.approvalId, "--full")).out) as { parameters: string[]; digest: string };
    assert.deepEqual(whole.parameters, ["bell\u{7}", "y".repeat(100_000)]);
    await assert.rejects(
      stack.call("robot", async (api) => {
        for await (const _ of api.approvals.readCommand({ approvalId: data.approvalId }));
      }),
      { code: "approval.not_found" },
    );
    assert.equal((await cli("approvals", "approve", data.approvalId, whole.digest)).status, 0);
    await done;
  });

  it("is why the gateway cannot read a text, as the requester sees it too", async () => {
    const client = await stack.connect();
    const noticed = new Promise<{ detail?: string | undefined }>((resolve) => client.once("notice", resolve));
    const asked = failure(client.query("selct 1"));
    const { data } = await requested(({ command }) => command.statement === "selct 1");
    const why = /not SQL that PostgreSQL 18 parses: syntax error at character 1/u;
    assert.match((await noticed).detail ?? "", why);
    assert.match((await cli("approvals", "show", data.approvalId)).out, why);
    assert.match((await cli("approvals", "preview", data.approvalId)).err, why);
    await stack.deny(data.approvalId);
    assert.deepEqual(await asked, ["42501", "approval.denied"]);
  });

  it("is what stands around a secret in a parameter, and never less than what code could be made of", async () => {
    const client = await stack.connect();
    const done = client.query("update products set price = length($1)", ["postgres://u:topsecret@h"]);
    const { data } = await requested(({ command }) => command.statement === "update products set price = length($1)");
    assert.deepEqual([data.command.redacted, data.command.parameters[0]?.value], [true, "postgres://u:<redacted: 9 bytes>@h"]);
    assert.match((await cli("approvals", "show", data.approvalId)).out, /Withheld {3}9 bytes in 1 place/u);
    await stack.approve(data.approvalId);
    assert.equal((await done).rowCount, 2);
    assert.deepEqual((await client.query("select price::int from products limit 1")).rows, [{ price: 24 }]);
    assert.deepEqual(await failure(client.query("select run_sql($1)", ["postgres://u:truncate@h"])), ["42501", "approval.unreadable"]);
    for (const event of await stack.events("session-", "approval-")) assert.doesNotMatch(JSON.stringify(event.data), /topsecret/u);
  });
});
