import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { fingerprintSync, loadModule, parseSync } from "libpg-query";
import { asNamed, madeBy } from "./executed-by-name.ts";
import { analyseText } from "./facts/extract.ts";
import type { Cursor, Prepared } from "./session-names.ts";
import { NamedObjects } from "./named-objects.ts";
import { resultLineage } from "./result-lineage.ts";

const prepared = (sql: string): Prepared => ({
  sql: Buffer.from(sql),
  parameterTypes: [],
  analysis: analyseText({ parse: parseSync, fingerprint: fingerprintSync }, sql, new Set()),
});

/** Of `fetch all from c`, after `declare` when there is one. */
function fetched(declare?: string): ReturnType<typeof resultLineage> {
  const names = { statements: new NamedObjects<Prepared>(), portals: new NamedObjects<never>(), cursors: new NamedObjects<Cursor>() };
  const text = declare === undefined ? undefined : prepared(declare);
  const declared = text === undefined ? undefined : madeBy(text);
  const named = text?.analysis.named;
  if (declared !== undefined && named?.kind === "declare") names.cursors.set("c", { declared, held: named.held }, 1);
  return resultLineage([asNamed(prepared("fetch all from c"), names).analysis]);
}

describe("what the agent is told of the rows of a cursor", () => {
  before(() => loadModule());

  it("is what it was declared for, within its transaction", () => {
    const { computed, originsIncomplete } = fetched("declare c cursor for select x from v");
    assert.deepEqual([computed?.opaque, originsIncomplete], [false, false]);
  });

  it("is that they may be of anything where it outlives the views that it reads, or nobody knows what it is", () => {
    for (const declare of ["declare c cursor with hold for select x from v", undefined]) {
      const { columns, computed, originsIncomplete } = fetched(declare);
      assert.deepEqual([columns, computed?.opaque, originsIncomplete], [[], true, true], declare);
    }
  });
});

describe("whether definitions may have changed", () => {
  before(() => loadModule());

  it("is told of DDL and of what cannot be classified, and not of changes of rows", () => {
    const changes = (sql: string): boolean => resultLineage([prepared(sql).analysis]).changesDefinitions;
    for (const sql of ["create view v as select 1", "alter table t inherit u", "drop table t", "do $$ begin end $$"]) assert.equal(changes(sql), true, sql);
    for (const sql of ["select 1", "insert into t values (1)", "delete from t", "truncate t"]) assert.equal(changes(sql), false, sql);
  });
});
