import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { isType, type RecordedAs, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
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
  async function cli(...args: readonly string[]): Promise<{ readonly status: number | null; readonly out: string; readonly err: string }> {
    const run = stack.cli("bo", ...args);
    const { status } = await run.exited;
    return { status, out: run.stdout, err: run.stderr };
  }

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
});
