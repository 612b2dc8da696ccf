import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { fingerprintSync, loadModule, parseSync } from "libpg-query";
import type { CommandFacts } from "../../../domain/facts.ts";
import { analyseText } from "./extract.ts";

before(() => loadModule());
const factsOf = (sql: string): CommandFacts => analyseText({ parse: parseSync, fingerprint: fingerprintSync }, sql, new Set()).facts;

describe("the row limit", () => {
  for (const [sql, expected] of [
    ["select 1 from t limit 10", 10],
    ["select 1 from t fetch first 5 rows only", 5],
    ["select 1 from t fetch first 5 rows with ties", 0],
    ["select 1 from t limit $1", 0],
    ["select 1 from t limit all", 0],
    ["select 1 from t", 0],
    ["(select 1 from t limit 5) union all select 1", 0],
    ["select 1 limit 3; update t set a = 1; select 2 limit 7", 7],
    ["select 1 limit 3; select 2", 0],
    ["copy (select 1 from t limit 4) to stdout", 4],
    ["select 1 limit 1; copy t to stdout", 0],
    ["select 1 limit 1; copy t from stdin", 1],
    ["select 1 limit 1; copy (delete from t returning *) to stdout", 0],
    ["select 1 limit 1; fetch all from c", 0],
    ["select 1 limit 1; fetch backward all from c", 0],
    ["select 1 limit 1; fetch 20 from c; fetch next from c; move all from c", 20],
    ["fetch last from c", 1],
    ["select 1 limit 1; execute p", 0],
    ["select 1 limit 1; explain analyze select 1 from t", 0],
    ["select 1 limit 1; explain select 1 from t", 1],
    ["select 1 limit 1; insert into t values (1) returning a", 0],
    ["select 1 limit 1; update t set a = 1 returning a", 0],
    ["select 1 limit 1; delete from t where a = 1 returning a", 0],
    ["select 1 limit 1; merge into t using u on t.a = u.a when matched then delete returning t.a", 0],
  ] as const) {
    it(sql, () => assert.equal(factsOf(sql).rowLimit, expected));
  }
});

describe("settings", () => {
  for (const [sql, expected] of [
    ["set statement_timeout = 0", "statement_timeout"],
    ["set local Search_Path = a, b; reset role", "search_path role"],
    ["select set_config('app.user', $1, true)", "app.user"],
    ["discard all", "*"],
    ["reset all", "*"],
    ["select 1", ""],
  ] as const) {
    it(sql, () => assert.equal(factsOf(sql).settings.join(" "), expected));
  }

  it("that are given what was read make the statement unclassified", () => {
    for (const sql of ["select set_config('application_name', email, false) from c", "select set_config('a.b', (select email from c), true)"]) {
      assert.equal(factsOf(sql).riskClass, "unclassified", sql);
    }
    assert.equal(factsOf("select set_config('app.user', $1, true)").riskClass, "read");
  });
});

describe("a condition that picks every row", () => {
  for (const condition of [
    "true",
    "1 = 1",
    "id = id",
    "id is not null or true",
    "exists (select 1)",
    "not false",
    "id = 1 or id <> 1",
    "id is null or id is not null",
    "coalesce(null, true)",
    "'a' like '%'",
    "name like '%'",
    "id in (id)",
    "not (id <> id)",
    "(id = id) is true",
    "$1 = $1",
  ]) {
    it(condition, () => assert.equal(factsOf(`delete from t where ${condition}`).riskClass, "destructive"));
  }
  it("and none that leaves some out", () => {
    for (const condition of ["id = 1", "id is not null", "id > -1", "exists (select 1 from u where u.id = t.id)"]) {
      assert.equal(factsOf(`delete from t where ${condition}`).riskClass, "write", condition);
    }
  });
});
