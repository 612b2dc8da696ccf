import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fingerprintSync, loadModule, parseSync } from "libpg-query";
import type { Executable } from "./command-record.ts";
import type { StatementAnalysis } from "./facts/analysis.ts";
import { analyseText } from "./facts/extract.ts";
import { MAX_PATH_SCHEMAS, MAX_SEEN_SCHEMAS, SearchPath } from "./search-path.ts";

await loadModule();
const parser = { parse: parseSync, fingerprint: fingerprintSync };
const analyse = (sql: string): StatementAnalysis => analyseText(parser, sql, new Set());

function executable(sql: string): Executable {
  const { facts, recordable, redacted, leavesReadOnly, searchPath, makesTemporary } = analyse(sql);
  return { via: "simple", sql: Buffer.from(sql), parameterTypes: [], parameters: [], facts, recordable, redacted, leavesReadOnly, searchPath, makesTemporary };
}

/** A session whose server reports its path, or does not. */
function session(reported: string | undefined, initial?: string): SearchPath {
  const path = new SearchPath(initial);
  if (reported !== undefined) path.reported(reported, true);
  path.ready();
  return path;
}

const readBy = (path: SearchPath, sql: string, userSchemas?: readonly string[]): string =>
  path
    .resolve([executable(sql)], userSchemas)
    .map(({ facts: { relationsRead, relationsWritten } }) => [...relationsRead, ...(relationsWritten.length === 0 ? [] : [">", ...relationsWritten])].join(" "))
    .join("; ");

describe("where the server reports the search path", () => {
  it("a name is in one of its schemas, each of which the facts name", () => {
    assert.equal(readBy(session("sales"), "select * from orders"), "sales.orders");
    assert.equal(readBy(session('hr, "Sales"'), "select * from orders o join app.lines using (id)"), "hr.orders Sales.orders app.lines");
    assert.equal(readBy(session("sales"), "insert into orders select * from new_orders"), "sales.new_orders > sales.orders");
    assert.equal(readBy(session('"a.b"'), 'select * from "Or""ders"'), '"a.b"."Or""ders"');
  });

  it("$user is what the catalogue says that it may be, for whatever role", () => {
    const path = session('"$user", public');
    assert.equal(path.dependsOnUser([executable("select * from orders")]), true);
    assert.equal(path.dependsOnUser([executable("select * from sales.orders")]), false);
    assert.equal(readBy(path, "select * from orders", []), "public.orders");
    assert.equal(readBy(path, "select * from orders", ["app", "public"]), "app.orders public.orders");
    assert.equal(readBy(path, "select * from orders", undefined), "orders");
  });

  it("the system's own relations are found first, and stay as they are", () => {
    assert.equal(readBy(session("sales"), "select * from pg_class"), "pg_class");
  });

  it("a name on an empty path, or on too long a one, stays", () => {
    assert.equal(readBy(session(""), "select * from orders"), "orders");
    const many = Array.from({ length: MAX_PATH_SCHEMAS + 1 }, (_, i) => `s${i}`).join(", ");
    assert.equal(readBy(session(many), "select * from orders"), "orders");
  });

  it("it is the one that was reported last", () => {
    const path = session("sales");
    path.ran(analyse("set search_path = hr"));
    path.reported("hr", false);
    path.ready();
    assert.equal(readBy(path, "select * from orders"), "hr.orders");
  });

  it("nothing is certain after a command whose end was not reported yet", () => {
    const path = session("sales");
    path.ran(analyse("select 1"));
    assert.equal(readBy(path, "select * from orders"), "orders");
    path.ready();
    assert.equal(readBy(path, "select * from orders"), "sales.orders");
  });

  it("but after BEGIN it is", () => {
    const path = session("sales");
    path.ran(analyse("begin"));
    assert.equal(readBy(path, "select * from orders"), "sales.orders");
    const both = path.resolve([executable("begin"), executable("select * from orders")], undefined);
    assert.deepEqual(both[1]?.facts.relationsRead, ["sales.orders"]);
  });

  it("of several commands only the first is certain", () => {
    const both = session("sales").resolve([executable("select * from v"), executable("select * from orders")], undefined);
    assert.deepEqual(
      both.map(({ facts }) => facts.relationsRead),
      [["sales.v"], ["orders"]],
    );
    assert.equal(readBy(session("sales"), "select * from v; select * from orders"), "v orders");
  });

  it("a command that changes the path for those after it names what they may mean", () => {
    const both = session("sales").resolve([executable("set search_path = hr"), executable("select * from orders")], undefined);
    assert.deepEqual(both[1]?.facts.relationsRead, ["orders", "hr.orders"]);
    assert.equal(readBy(session("sales"), "set search_path = hr; select * from orders"), "orders hr.orders");
    assert.equal(readBy(session("sales"), "select set_config('search_path', $1, false); select * from orders"), "orders *.orders");
  });

  for (const sql of [
    "fetch all in c",
    "create view v as select * from orders",
    "create schema hr create view v as select * from orders",
    "select wipe() from orders",
  ]) {
    it(`nothing is certain of ${sql}`, () => assert.equal(readBy(session("sales"), sql), readBy(session(undefined), sql)));
  }

  it("what was bound before is not judged by the path of now", () => {
    const [one] = session("sales").resolve([{ ...executable("select * from orders"), boundBefore: true }], undefined);
    assert.deepEqual(one?.facts.relationsRead, ["orders"]);
  });

  for (const sql of [
    "create temp table orders (id int)",
    "create table pg_temp.orders (id int)",
    "select 1 as id into temp orders",
    "do 'begin end'",
    "set search_path = pg_temp, sales",
  ]) {
    it(`nothing is certain any more after ${sql}`, () => {
      const path = session("sales");
      path.ran(analyse(sql));
      path.ready();
      assert.match(readBy(path, "select * from orders"), /^orders( |$)/);
    });
  }
});

describe("after code of which nothing is known", () => {
  const any = (path: SearchPath, ...sql: readonly string[]) => path.resolve(sql.map(executable), undefined).at(-1)?.facts.relationsRead;

  it("a name may be in any schema until the server has said what is on the path", () => {
    const path = session("sales");
    assert.deepEqual(any(path, "do 'begin end'", "select * from orders"), ["orders", "*.orders"]);
    path.ran(analyse("do 'begin end'"));
    assert.deepEqual(any(path, "select * from orders"), ["orders", "*.orders"]);
    path.reported("hr", false);
    path.ready();
    assert.deepEqual(any(path, "select * from orders"), ["orders", "hr.orders"]);
  });

  it("the command itself is what its text says", () => {
    assert.deepEqual(any(session("sales"), "select wipe() from orders"), ["orders"]);
  });
});

describe("where the server does not report the search path", () => {
  it("a name stays, as long as the session leaves its path alone", () => {
    const path = session(undefined);
    path.ran(analyse("select * from orders"));
    path.ready();
    assert.equal(readBy(path, "select * from orders"), "orders");
  });

  it("it may be in every schema that the session was seen to put on its path, whatever became of that", () => {
    const path = session(undefined, "shop");
    for (const sql of ["begin", 'set local search_path = hr, "$user"', "rollback", "select set_config('search_path', 'sales, public', false)", "reset all"]) {
      path.ran(analyse(sql));
      path.ready();
    }
    assert.equal(readBy(path, "select * from orders"), "orders shop.orders hr.orders sales.orders public.orders");
  });

  it("it may be in any once the path was computed, or something ran of which nothing is known", () => {
    for (const sql of ["select set_config('search_path', $1, false)", "select app.use_tenant(7)", "do 'begin end'"]) {
      const path = session(undefined);
      path.ran(analyse(sql));
      path.ready();
      assert.equal(readBy(path, "select * from orders"), "orders *.orders", sql);
    }
    const path = session(undefined);
    path.ran(undefined);
    assert.equal(readBy(path, "select * from orders"), "orders *.orders");
  });

  it("it may be in any under another role, which may come in the same text", () => {
    const path = session(undefined);
    assert.equal(readBy(path, "set role hr; select * from orders"), "orders *.orders");
    path.ran(analyse("set role hr"));
    path.ready();
    assert.equal(readBy(path, "select * from orders"), "orders *.orders");
  });

  it("it may be in any once there were too many to remember", () => {
    const path = session(undefined);
    for (let i = 0; i <= MAX_SEEN_SCHEMAS; i++) path.ran(analyse(`set search_path = s${i}`));
    const names = readBy(path, "select * from orders").split(" ");
    assert.equal(names.length, MAX_SEEN_SCHEMAS + 2);
    assert.equal(names.at(-1), "*.orders");
  });
});

describe("the facts", () => {
  it("are the same object for the same path, so that what was decided on them is remembered", () => {
    const one = executable("select * from orders");
    const [first] = session("sales").resolve([one], undefined);
    const [again] = session("sales").resolve([one], undefined);
    assert.equal(first?.facts, again?.facts);
    const list = [executable("select 1")];
    assert.equal(session("sales").resolve(list, undefined), list);
  });
});
