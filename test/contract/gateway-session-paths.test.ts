import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { bind, execute, parse, query, sync } from "../support/frontend-messages.ts";
import { ask, HANG_MS } from "./gateway-session-harness.ts";
import { sessionSuite, traces, type Watched } from "./gateway-session-suite.ts";

/** Its server is PostgreSQL 18, which reports the search path. */
describe("what policy is told of names without a schema", { timeout: 8 * HANG_MS }, () => {
  const suite = sessionSuite("create schema sales; create table sales.t (id int); create table t (id int)");

  const watch = (t: TestContext, namesSchemas: boolean): Promise<Watched> => suite.watch(t, ({ relationsRead }) => relationsRead.join(" "), { namesSchemas });
  const looking = query("select * from t");

  it("is the schema on the default path, asked once for all sessions of the resource, and recorded with the decision", { timeout: HANG_MS }, async (t) => {
    const { open, told } = await watch(t, true);
    const [one, two] = [await open(), await open()];
    for (const { client } of [one, one, two]) assert.equal(await ask(client, looking), "T C:SELECT 0 Z:I");
    assert.deepEqual(told(), ["public.t", "public.t", "public.t"]);
    assert.deepEqual([traces(one), traces(two)], [1, 0]);
    const [recorded] = one.record.of("CommandAuthorized");
    assert.deepEqual(recorded?.facts.relationsRead, ["public.t"]);
  });

  it("is the name alone where policy names no schemas, and nobody is asked", { timeout: HANG_MS }, async (t) => {
    const { open, told } = await watch(t, false);
    const bench = await open();
    await ask(bench.client, looking);
    assert.deepEqual([told(), traces(bench)], [["t"], 0]);
  });

  it("is the schema that the session has put on its path, without asking", { timeout: HANG_MS }, async (t) => {
    const { open, told } = await watch(t, true);
    const bench = await open();
    await ask(bench.client, query("set search_path = sales"));
    await ask(bench.client, looking);
    await ask(bench.client, Buffer.concat([parse("select * from t"), bind(), execute(), sync]));
    assert.deepEqual([told(), traces(bench)], [["", "sales.t", "sales.t", "sales.t"], 0]);
  });

  it("is what it may have become, in the group that changes it", { timeout: HANG_MS }, async (t) => {
    const { open, told } = await watch(t, true);
    const { client } = await open();
    const group = ["set search_path = sales", "select * from t"].flatMap((sql) => [parse(sql), bind(), execute()]);
    await ask(client, Buffer.concat([...group, sync]));
    assert.ok(told().includes("t sales.t"));
  });
});
