import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { MAX_PLAN_BYTES, MAX_PLAN_COMMANDS } from "../../domain/approval/plan.ts";
import type { Executable } from "./command-record.ts";
import { createStatementAnalyser } from "./facts/analyser.ts";
import type { StatementAnalyser } from "./facts/analysis.ts";
import { inspectPlan, plannedDigest, splitPlan } from "./plan-text.ts";

const bound = { resource: "orders", requester: "ana" };

describe("cutting a script", () => {
  it("is at semicolons outside of literals, comments, quotes and parentheses", () => {
    const text = `-- first
      begin;
      insert into t values (';'), ($$ ; $$), (E'\\';'); /* ; /* ; */ */
      select ";" from t -- ;
        where (1 = 1);;
      create rule r as on insert to t do also (delete from a; delete from b);
      commit`;
    assert.deepEqual(splitPlan(text), [
      "begin",
      "insert into t values (';'), ($$ ; $$), (E'\\';')",
      `select ";" from t -- ;\n        where (1 = 1)`,
      "create rule r as on insert to t do also (delete from a; delete from b)",
      "commit",
    ]);
  });

  it("finds nothing in blanks, comments and semicolons", () => assert.deepEqual(splitPlan(" ;; -- x\n /* y */ ;\n"), []));
});

describe("a plan", () => {
  let analyser: StatementAnalyser;
  before(async () => {
    analyser = createStatementAnalyser();
    await analyser.ready();
  });
  after(() => analyser.close());

  const executable = async (sql: string, more: Partial<Executable> = {}): Promise<Executable> => {
    const { facts, recordable, redacted } = await analyser.analyse(Buffer.from(sql));
    return { via: "simple", sql: Buffer.from(sql), parameterTypes: [], parameters: [], facts, recordable, redacted, leavesReadOnly: false, ...more };
  };

  it("has the digest of each of its commands as it is sent later, with a semicolon or without, in either protocol", async () => {
    const { commands } = await inspectPlan(analyser, "delete from t;\ndrop table t;", bound);
    for (const sql of ["delete from t", " delete from t ;\n", "-- now\ndelete from t;"])
      assert.equal(plannedDigest(await executable(sql), bound), commands[0]?.digest);
    assert.equal(plannedDigest(await executable("drop table t", { via: "execute" }), bound), commands[1]?.digest);
  });

  it("has another for another text, requester or resource, and none for several commands at once or one with parameters", async () => {
    const { commands } = await inspectPlan(analyser, "delete from t", bound);
    const digest = commands[0]?.digest;
    assert.notEqual(plannedDigest(await executable("delete from t "), { ...bound, requester: "eve" }), digest);
    assert.notEqual(plannedDigest(await executable("delete from t"), { ...bound, resource: "other" }), digest);
    assert.notEqual(plannedDigest(await executable("delete  from t"), bound), digest);
    assert.equal(plannedDigest(await executable("delete from t; drop table t"), bound), undefined);
    assert.equal(plannedDigest(await executable("delete from t", { parameters: [{ format: "text", value: Buffer.from("1") }] }), bound), undefined);
  });

  it("is refused when it is empty, too long, holds a password, or cannot be read", async () => {
    const texts = ["", "-- nothing", "select 1;".repeat(MAX_PLAN_COMMANDS + 1), `select '${"x".repeat(MAX_PLAN_BYTES)}'`, "a\0b", "select \ud800"];
    for (const text of [...texts, "create role eve password 'hunter2'", "\\i other.sql", "delete from t where"])
      await assert.rejects(inspectPlan(analyser, text, bound), { code: "input.invalid" }, text.slice(0, 40));
  });
});
