import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { bind, execute, parse, query, sync } from "../support/frontend-messages.ts";
import { ask, HANG_MS } from "./gateway-session-harness.ts";
import { sessionSuite, traces, type Watched } from "./gateway-session-suite.ts";

describe("what policy is told of columns of views", { timeout: 8 * HANG_MS }, () => {
  const suite = sessionSuite("create table t (id int, secret text); create view v as select id, secret as handle from t");

  const watch = (t: TestContext, maskedTables?: readonly string[]): Promise<Watched> =>
    suite.watch(t, ({ columnsFiltered }) => columnsFiltered.join(" "), maskedTables === undefined ? {} : { maskedTables });
  const searching = query("select id from v where handle like 'x%'");

  it("is what they are made of, asked once for all sessions of the resource, and recorded with the decision", { timeout: HANG_MS }, async (t) => {
    const { open, told } = await watch(t, []);
    const [one, two] = [await open(), await open()];
    for (const { client } of [one, one, two]) assert.equal(await ask(client, searching), "T C:SELECT 0 Z:I");
    assert.deepEqual(
      told(),
      Array.from({ length: 3 }, () => "t.secret v.handle"),
    );
    assert.deepEqual([traces(one), traces(two)], [1, 0]);
    const [recorded] = one.record.of("CommandAuthorized");
    assert.deepEqual(recorded?.facts.columnsFiltered, ["t.secret", "v.handle"]);
  });

  it("is nothing where policy does not ask what is done with masked columns", { timeout: HANG_MS }, async (t) => {
    const { open, told } = await watch(t);
    const bench = await open();
    await ask(bench.client, searching);
    assert.deepEqual([told(), traces(bench)], [["v.handle"], 0]);
  });

  it("is told of the extended protocol, for what is prepared too", { timeout: HANG_MS }, async (t) => {
    const { open, told } = await watch(t, []);
    const { client } = await open();
    await ask(client, Buffer.concat([parse("select id from v where handle like 'x%'"), bind(), execute(), sync]));
    assert.deepEqual(told(), ["t.secret v.handle", "t.secret v.handle"]);
  });

  it("is anything from a change of definitions to the end of its transaction", { timeout: HANG_MS }, async (t) => {
    const { open, told } = await watch(t, []);
    const { client } = await open();
    for (const sql of ["begin", "create view mine as select secret as name from t", "select id from t where id > 1", "rollback"]) await ask(client, query(sql));
    await ask(client, query("select id from t where id > 1"));
    assert.deepEqual(told(), ["", "", "*.* t.id", "", "t.id"]);
  });

  it("is anything behind a change of definitions in the same text, or in the same group", { timeout: HANG_MS }, async (t) => {
    const { open, told } = await watch(t, []);
    const { client } = await open();
    await ask(client, query("create view w1 as select secret as name from t; select 1 from w1 where name like 'x%'"));
    const group = ["create view w2 as select secret as name from t", "select 1 from v where id > 1"].flatMap((sql) => [parse(sql), bind(), execute()]);
    await ask(client, Buffer.concat([...group, sync]));
    const all = told();
    assert.equal(all[0], "*.* w1.name");
    assert.ok(all.slice(1).includes("*.* v.id"), all.join("; "));
  });

  it("is what a view is made of since its definition changed, in whatever session", { timeout: HANG_MS }, async (t) => {
    await suite.admin.query("create view changing as select id as x from t");
    const { open, told } = await watch(t, []);
    const [one, two] = [await open(), await open()];
    const probing = query("select 1 from changing where x is not null order by x");
    await ask(one.client, probing);
    await ask(two.client, query("begin; drop view changing; create view changing as select secret as x from t"));
    await ask(one.client, query("select 1 from nowhere where x > 1"));
    await ask(two.client, query("commit"));
    await ask(one.client, probing);
    const all = told();
    assert.deepEqual([all[0], all[2], all.at(-1)], ["changing.x t.id", "*.* nowhere.x", "changing.x t.secret"]);
  });

  it("is anything when the agent ends without an answer, and nothing more when it cannot be asked", { timeout: HANG_MS }, async (t) => {
    const seen: string[] = [];
    const bed = await suite.startScripted(t, {
      maskedTables: [],
      traces: true,
      rule: ({ facts }) => {
        if (facts !== undefined && facts.columnsFiltered.length > 0) seen.push(facts.columnsFiltered.join(" "));
        return "allow";
      },
    });
    const { client, heard, record } = await bed.open();
    client.write(searching);
    await heard.until(() => heard.posted.some(({ $case }) => $case === "trace"));
    bed.endAll("ended_by_administrator");
    await record.until(() => record.of("SessionEnded").length > 0);
    assert.deepEqual(seen, ["*.* v.handle"]);
    const older = await suite.startScripted(t, { maskedTables: [], rule: bed.rule });
    const bench = await older.open();
    bench.client.write(searching);
    await bench.record.until(() => bench.record.of("CommandAuthorized").length > 0);
    assert.deepEqual([seen.at(-1), traces(bench)], ["v.handle", 0]);
  });
});
