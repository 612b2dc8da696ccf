import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ColumnOrigins, columnsToTrace, MAX_ADDED_NAMES, OF_ANYTHING, OF_ITSELF, withOrigins } from "./column-origins.ts";
import { type CommandFacts, plainFacts } from "./facts.ts";

const looksAt = (columnsFiltered: readonly string[], more: Partial<CommandFacts> = {}): CommandFacts => ({ ...plainFacts, columnsFiltered, ...more });

const views: Readonly<Record<string, ColumnOrigins>> = {
  "v.handle": { shows: ["customers.secret"], madeOf: [] },
  "v.small": { shows: [], madeOf: ["customers.secret"] },
  "v.odd": OF_ANYTHING,
};
const traced = (facts: CommandFacts): CommandFacts => withOrigins(facts, (name) => views[name] ?? OF_ITSELF);

describe("facts with the origins of their columns", () => {
  it("have what a column shows, and what it is computed from, among the columns that are looked at and copied", () => {
    const { columnsFiltered, columnsMatched, columnsCopied } = traced(looksAt(["v.handle", "v.id"], { columnsCopied: ["v.small"] }));
    assert.deepEqual(columnsFiltered, ["customers.secret", "v.handle", "v.id"]);
    assert.deepEqual(columnsMatched, []);
    assert.deepEqual(columnsCopied, ["customers.secret", "v.small"]);
  });

  it("are the very same object when no column is anything but itself", () => {
    const facts = looksAt(["t.a", "t.b"], { columnsMatched: ["t.a"], columnsCopied: ["t.c"] });
    assert.equal(traced(facts), facts);
  });

  it("match a column that is shown as it is", () => {
    assert.deepEqual(traced(looksAt(["v.handle"], { columnsMatched: ["v.handle"] })).columnsMatched, ["customers.secret", "v.handle"]);
  });

  it("probe a column that what is compared is computed from", () => {
    const { columnsFiltered, columnsMatched } = traced(looksAt(["v.small"], { columnsMatched: ["v.small"] }));
    assert.deepEqual(columnsFiltered, ["customers.secret", "v.small"]);
    assert.deepEqual(columnsMatched, ["v.small"]);
  });

  it("probe a column that is compared under one name and searched under another", () => {
    const compared = looksAt(["customers.secret", "v.handle"], { columnsMatched: ["customers.secret"] });
    assert.deepEqual(traced(compared).columnsMatched, []);
    const searched = looksAt(["customers.secret", "v.handle"], { columnsMatched: ["v.handle"] });
    assert.deepEqual(traced(searched).columnsMatched, ["v.handle"]);
  });

  it("may be of anything where nothing is known", () => {
    const { columnsFiltered, columnsMatched } = traced(looksAt(["v.odd"], { columnsMatched: ["v.odd"] }));
    assert.deepEqual([columnsFiltered, columnsMatched], [["*.*", "v.odd"], ["v.odd"]]);
  });

  it("may be of anything instead of growing without bound", () => {
    const shows = Array.from({ length: MAX_ADDED_NAMES + 1 }, (_, index) => `t.c${index}`);
    assert.deepEqual(withOrigins(looksAt(["v.all"]), () => ({ shows, madeOf: [] })).columnsFiltered, ["*.*", "v.all"]);
  });
});

describe("columns whose origins only the target knows", () => {
  it("are those that are looked at or copied, once each", () => {
    assert.deepEqual(columnsToTrace(looksAt(["t.a", "t.b"], { columnsRead: ["t.c"], columnsCopied: ["t.a"] })), ["t.a", "t.b"]);
  });

  it("are not the catalogue's own, where the statement says its schema", () => {
    const facts = looksAt(["pg_class.relname", "tables.table_name"], { relationsRead: ["information_schema.tables", "pg_catalog.pg_class"] });
    assert.deepEqual(columnsToTrace(facts), []);
  });

  it("are those of a table that only sounds like the catalogue's, and those that show samples of values", () => {
    assert.deepEqual(columnsToTrace(looksAt(["pg_mine.a"], { relationsRead: ["pg_mine"] })), ["pg_mine.a"]);
    assert.deepEqual(columnsToTrace(looksAt(["tables.a"], { relationsRead: ["information_schema.tables", "public.tables"] })), ["tables.a"]);
    assert.deepEqual(columnsToTrace(looksAt(["pg_stats.a"], { relationsRead: ["pg_catalog.pg_stats"] })), ["pg_stats.a"]);
  });

  it("are none of a command that cannot be looked into, which may be of anything already", () => {
    assert.deepEqual(columnsToTrace(looksAt(["*.*"])), []);
  });
});
