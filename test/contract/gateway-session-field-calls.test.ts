import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { bind, execute, parse, query, sync } from "../support/frontend-messages.ts";
import { ask, HANG_MS } from "./gateway-session-harness.ts";
import { sessionSuite, traces, type Watched } from "./gateway-session-suite.ts";

const takesRow = (name: string): string => `create function ${name}(customers) returns int language sql as 'insert into trail values (1); select 1'`;

describe("what policy is told of a field that may be a function of the row", { timeout: 8 * HANG_MS }, () => {
  const suite = sessionSuite(`
    create table trail (n int);
    create table customers (id int, name text);
    insert into customers values (1, 'ann');
    ${takesRow("wipe")};
    create function of_any(anyelement) returns int language sql as 'select 1';
    create function of_many(variadic customers[]) returns int language sql as 'select 1';
    create function of_two(customers, int) returns int language sql as 'select 1';
  `);

  const watch = (t: TestContext): Promise<Watched> => suite.watch(t, ({ riskClass, functions }) => [riskClass, ...functions].join(" "));

  for (const [sql, expected] of Object.entries({
    "select c.wipe from customers c": "unclassified wipe",
    "select * from customers c where c.wipe > 5": "unclassified wipe",
    "select public.customers.wipe from public.customers": "unclassified wipe",
    "explain select c.wipe from customers c": "unclassified wipe",
    "copy (select c.wipe from customers c) to stdout": "unclassified wipe",
    "select s.r.id from (select c as r from customers c) s": "read",
    "select c.of_any from customers c": "unclassified of_any",
    "select c.of_many from customers c": "unclassified of_many",
    "select c.of_two from customers c": "read",
    "select c.id, c.name from customers c order by c.id": "read",
  })) {
    it(`${sql}: ${expected}`, { timeout: HANG_MS }, async (t) => {
      const { open, told } = await watch(t);
      const { client } = await open();
      await ask(client, query(sql));
      assert.deepEqual(told(), [expected]);
    });
  }

  it("holds for statements of the extended protocol, and the target is asked once for all sessions", { timeout: HANG_MS }, async (t) => {
    const { open, told } = await watch(t);
    const [one, two] = [await open(), await open()];
    for (const { client } of [one, two, one]) await ask(client, query("select c.id from customers c"));
    assert.deepEqual([traces(one), traces(two)], [1, 0]);
    told();
    await ask(two.client, Buffer.concat([parse("select c.wipe from customers c"), bind(), execute(), sync]));
    assert.deepEqual(new Set(told()), new Set(["unclassified wipe"]));
  });

  it("is anything while the session has made functions that nobody else sees, and is known again behind that", { timeout: HANG_MS }, async (t) => {
    const { open, told } = await watch(t);
    const [one, two] = [await open(), await open()];
    await ask(two.client, query("select c.id from customers c"));
    told();
    for (const sql of ["begin", takesRow("mark"), "select c.id from customers c", "commit", "select c.id from customers c", "select c.mark from customers c"]) {
      await ask(one.client, query(sql));
    }
    assert.deepEqual(told().slice(2), ["unclassified *", "read", "read", "unclassified mark"]);
    await ask(two.client, query("select c.mark from customers c"));
    assert.deepEqual(told(), ["unclassified mark"]);
  });

  it("is anything behind what makes a function in the same text", { timeout: HANG_MS }, async (t) => {
    const { open, told } = await watch(t);
    const { client } = await open();
    await ask(client, query(`${takesRow("early")}; select c.early from customers c`));
    assert.deepEqual(told(), ["unclassified *"]);
  });

  it("is anything behind another one that is a call, in the same group", { timeout: HANG_MS }, async (t) => {
    const { open, told } = await watch(t);
    const { client } = await open();
    const both = ["select c.wipe from customers c", "select c.id from customers c"].flatMap((sql) => [parse(sql), bind(), execute()]);
    await ask(client, Buffer.concat([...both, sync]));
    assert.deepEqual(new Set(told()), new Set(["unclassified wipe", "unclassified *"]));
  });

  it("is anything behind what was prepared before and makes a function in the same group", { timeout: HANG_MS }, async (t) => {
    const { open, told } = await watch(t);
    const { client } = await open();
    await ask(client, Buffer.concat([parse(takesRow("later"), "made"), sync]));
    told();
    const group = [bind({ statement: "made" }), execute(), parse("select c.later from customers c"), bind(), execute(), sync];
    await ask(client, Buffer.concat(group));
    assert.ok(told().includes("unclassified *"));
  });

  it("is anything behind what makes a function in the same group", { timeout: HANG_MS }, async (t) => {
    const { open, told } = await watch(t);
    const { client } = await open();
    const both = [takesRow("late"), "select c.late from customers c"].flatMap((sql) => [parse(sql), bind(), execute()]);
    await ask(client, Buffer.concat([...both, sync]));
    assert.ok(told().includes("unclassified *"));
  });
});
