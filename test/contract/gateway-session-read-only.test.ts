import assert from "node:assert/strict";
import { it } from "node:test";
import { decodeFields } from "@sallyport/proto/wire/postgres/backend";
import { bind, execute, flush, parse, query, sync } from "../support/frontend-messages.ts";
import { describeOnEach } from "../support/postgres-server.ts";
import { ask, HANG_MS } from "./gateway-session-harness.ts";
import { errorsSince, sessionSuite } from "./gateway-session-suite.ts";

const everything = `@id("o") permit (principal, action in [Action::"open", Action::"run"], resource);`;

describeOnEach("a session that policy opens @readOnly", (flavour) => {
  const suite = sessionSuite(
    `
      create table t (id int);
      create function note() returns int language sql as 'insert into t values (1) returning id';
      create view innocent as select note() as id;
      create function evil() returns text language sql as $$ select set_config('default_transaction_read_only', 'off', false) $$;
      create procedure p() language plpgsql as $$ begin set default_transaction_read_only = off; commit; insert into t values (2); end $$;
    `,
    flavour,
  );
  const written = async (): Promise<number> => {
    const counts = "select (select count(*) from t)::int + (select count(*) from pg_largeobject_metadata)::int as n";
    return (await suite.admin.query<{ n: number }>(counts)).rows[0]?.n ?? -1;
  };

  const policy = `
    @id("open-to-read") @readOnly permit (principal, action == Action::"open", resource);
    @id("run-all") permit (principal, action == Action::"run", resource);`;

  it("writes nothing, whatever policy permits and whatever a read turns out to do", { timeout: HANG_MS }, async (t) => {
    const { client, record } = await suite.openUnder(t, policy);
    assert.equal(await ask(client, query("select * from t")), "T C:SELECT 0 Z:I");
    assert.equal(await ask(client, query("insert into t values (1)")), "E:25006 Z:I");
    assert.equal(await ask(client, query("select * from innocent")), "T E:25006 Z:I");
    assert.equal(await ask(client, query("begin; select * from innocent")), "C:BEGIN T E:25006 Z:E");
    assert.equal(await ask(client, query("rollback")), "C:ROLLBACK Z:I");
    assert.deepEqual([record.of("SessionOpened").map(({ readOnly }) => readOnly), await written()], [[true], 0]);
  });

  it("stays so when the client asks otherwise at the start, or has everything reset", { timeout: HANG_MS }, async (t) => {
    const { client } = await suite.openUnder(t, policy, { options: "-c default_transaction_read_only=off", default_transaction_read_only: "off" });
    for (const sql of ["reset all", "discard all", "reset default_transaction_read_only", "set default_transaction_read_only = on"]) {
      await ask(client, query(sql));
      assert.equal(await ask(client, query("insert into t values (1)")), "E:25006 Z:I", sql);
    }
  });

  for (const sql of [
    "set default_transaction_read_only = off",
    "set session default_transaction_read_only to 'no'",
    "set local transaction_read_only = off",
    "set session characteristics as transaction read write",
    "begin; reset transaction_read_only; insert into t values (1); commit",
    "begin; set transaction_read_only to default; insert into t values (1); commit",
    "select set_config('transaction_read_only', null, true)",
    "prepare p as select set_config('transaction_read_only', 'off', true)",
    "select lo_from_bytea(0, 'x')",
    "select pg_catalog.lo_create(0)",
    "select lo_put(lo_creat(-1), 0, 'x')",
    "begin read write",
    "start transaction isolation level serializable, read write",
    "begin; set transaction read write; insert into t values (1); commit",
    "select set_config('default_transaction_read_only', 'off', false)",
    "select set_config('DEFAULT_TRANSACTION_READ_ONLY', 'f' || 'alse', false)",
    "do $$ begin perform 1; end $$",
    "call p()",
    "this is no SQL",
    "select evil(); commit; insert into t values (1)",
    "select set_config('default_transaction_' || 'read_only', 'off', false); commit; insert into t values (1)",
  ]) {
    it(`refuses ${JSON.stringify(sql)}, in either protocol`, { timeout: HANG_MS }, async (t) => {
      const { client, record, heard } = await suite.openUnder(t, policy);
      const sent = heard.frames.length;
      const from = client.messages.length;
      assert.equal(await ask(client, query(sql)), "E:25006 Z:I");
      assert.match(errorsSince(client, from)[0]?.get("D") ?? "", /^code: session\.read_only; rule: open-to-read$/);
      assert.match(await ask(client, Buffer.concat([parse(sql), bind(), execute(), sync])), /E:25006 Z:I$/);
      assert.equal(heard.frames.length, sent, "nothing reached the target");
      assert.deepEqual(record.commands, ["CommandDenied 1 session.read_only", "CommandDenied 2 session.read_only"]);
      assert.equal(await written(), 0);
    });
  }

  for (const sql of ["select set_config('transaction_read_only', 'off', false)", "do $$ begin perform 1; end $$"]) {
    it(`refuses to prepare ${JSON.stringify(sql)}, which EXECUTE could run later`, { timeout: HANG_MS }, async (t) => {
      const { client, heard } = await suite.openUnder(t, policy);
      const sent = heard.frames.length;
      assert.equal(await ask(client, Buffer.concat([parse(sql, "p"), sync])), "E:25006 Z:I");
      assert.equal(heard.frames.length, sent, "nothing reached the target");
    });
  }

  it("refuses what follows unclassified code in one group, and before its Sync", { timeout: HANG_MS }, async (t) => {
    const { client } = await suite.openUnder(t, policy);
    const run = (sql: string): Buffer => Buffer.concat([parse(sql), bind(), execute()]);
    assert.match(await ask(client, Buffer.concat([run("select evil()"), run("commit"), run("insert into t values (1)"), sync])), /^E:25006 Z:I$/);
    client.write(Buffer.concat([run("select evil()"), flush]));
    await client.more("C");
    assert.match(await ask(client, Buffer.concat([run("commit"), run("insert into t values (1)"), sync])), /E:25006/);
    assert.equal(await written(), 0);
  });

  it("ends when a function that nobody could judge has led out of it, before another command runs", { timeout: HANG_MS }, async (t) => {
    const { client, record } = await suite.openUnder(t, policy);
    client.write(Buffer.concat([query("select evil()"), query("insert into t values (1)")]));
    await record.until(() => record.of("SessionEnded").length === 1);
    assert.equal(await written(), 0);
    await client.until((messages) => messages.some(({ type }) => type === "E"));
    const last = client.messages.findLast(({ type }) => type === "E");
    assert.ok(last);
    assert.match(decodeFields(last.bytes.subarray(5)).get("D") ?? "", /session\.read_only/);
  });

  it("reads and writes as ever where only another session is opened @readOnly", { timeout: HANG_MS }, async (t) => {
    const { client } = await suite.openUnder(t, everything);
    assert.equal(await ask(client, query("begin read write; select 1; rollback")), "C:BEGIN T D C:SELECT 1 C:ROLLBACK Z:I");
  });
});
