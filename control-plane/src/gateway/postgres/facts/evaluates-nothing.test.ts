import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { fingerprintSync, loadModule, parseSync } from "libpg-query";
import { resultLineage } from "../result-lineage.ts";
import { analyseText } from "./extract.ts";

const told = (sql: string): boolean | undefined =>
  resultLineage([analyseText({ parse: parseSync, fingerprint: fingerprintSync }, sql, new Set())]).evaluatesNothing;

describe("what evaluates no expression", () => {
  before(() => loadModule());

  it("is what only names things, or stores an expression for later", () => {
    for (const sql of [
      "drop table custmers",
      "truncate custmers; drop view if exists v",
      "begin",
      "set search_path = crm",
      "alter table t drop column c",
      "alter table t rename to u",
      "create table t (at timestamptz default now() check (at > '2020-01-01'))",
      "create view v as select secret::regclass from customers",
      "create index on t (a, b)",
      "grant select on t to analyst",
      "prepare p as select secret::regclass from customers",
    ]) {
      assert.equal(told(sql), true, sql);
    }
  });

  it("is nothing that looks at rows, runs what was prepared, or may rewrite a table", () => {
    for (const sql of [
      "select 1",
      "drop table t; select secret::regclass from customers",
      "insert into t values (1); drop table t",
      "execute p",
      "fetch c",
      "copy t to stdout",
      "alter table t alter secret type regclass",
      "alter table t add check (secret::regclass::int > 0)",
      "alter table t drop column a, add column b int default nextval('x')",
      "create table p partition of t for values from (length(current_setting('x'))) to (9)",
      "create index on t ((secret::jsonpath))",
      "create index on t (a) where secret::jsonpath is null",
      "create schema s create table t (a int)",
      "create materialized view m as select 1",
      "create table t as select 1",
      "do $$ begin end $$",
      "call p()",
      "explain select 1",
      "analyze t",
      "vacuum full t",
      "this is no SQL",
    ]) {
      assert.equal(told(sql), undefined, sql);
    }
  });
});
