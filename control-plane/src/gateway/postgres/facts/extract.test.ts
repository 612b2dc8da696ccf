import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fingerprintSync, loadModule, parseSync } from "libpg-query";
import type { CommandFacts } from "../../../domain/facts.ts";
import type { StatementAnalysis } from "./analysis.ts";
import { analyseText } from "./extract.ts";
import { unlistedVolatile } from "./functions.ts";

await loadModule();
const parser = { parse: parseSync, fingerprint: fingerprintSync };
const analyse = (sql: string): StatementAnalysis => analyseText(parser, sql, new Set());
const factsOf = (sql: string): CommandFacts => analyse(sql).facts;

describe("relations", () => {
  const cases: readonly (readonly [sql: string, read: string, written: string])[] = [
    ["SELECT * FROM a JOIN s.b USING (id), LATERAL (SELECT * FROM c) x WHERE EXISTS (SELECT 1 FROM d)", "a s.b c d", ""],
    ["WITH a AS (SELECT * FROM b) SELECT * FROM a", "b", ""],
    ["SELECT JSON_ARRAYAGG(id ORDER BY id), JSON_OBJECTAGG(id: id) FROM a", "a", ""],
    ["WITH a AS (SELECT 1) SELECT * FROM s.a", "s.a", ""],
    // Not recursive: inside its own query `a` is still the table.
    ["WITH a AS (SELECT * FROM a) SELECT * FROM a", "a", ""],
    ["WITH RECURSIVE a AS (SELECT 1 UNION SELECT * FROM a) SELECT * FROM a", "", ""],
    ["WITH a AS (SELECT * FROM b), b AS (SELECT * FROM a) SELECT * FROM a, b", "b", ""],
    ["WITH RECURSIVE a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a", "", ""],
    ["SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a) x, a", "a", ""],
    ["SELECT 1 FROM a UNION (WITH b AS (SELECT 1) SELECT * FROM b) UNION SELECT 1 FROM b", "a b", ""],
    ["WITH a AS (SELECT 1) DELETE FROM a USING b WHERE a.id = b.id", "a b", "a"],
    ["WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", "", "t"],
    ["INSERT INTO t VALUES ((SELECT max(id) FROM u)) RETURNING id", "u t", "t"],
    ["INSERT INTO t VALUES (1)", "", "t"],
    ["UPDATE t SET a = 1", "", "t"],
    ["UPDATE t SET a = (SELECT b FROM u) FROM v WHERE t.id = v.id", "u v t", "t"],
    ["DELETE FROM t WHERE id IN (SELECT id FROM u)", "u t", "t"],
    ["MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN DO NOTHING", "u t", "t"],
    ["EXPLAIN DELETE FROM t USING u WHERE t.id = u.id", "u t", ""],
    ["EXPLAIN ANALYZE DELETE FROM t WHERE id = 1", "t", "t"],
    ["SELECT * FROM t o FOR UPDATE OF o", "t", ""],
    ["CREATE TABLE t (LIKE u, id int REFERENCES v) INHERITS (w)", "u v w", "t"],
    ["CREATE VIEW v AS SELECT * FROM t", "t", "v"],
    ["SELECT * INTO t FROM u", "u", "t"],
    ["ALTER TABLE t ATTACH PARTITION p DEFAULT", "p", "t"],
    ["DROP TABLE s.t, u", "", "s.t u"],
    ["DROP TRIGGER x ON s.t", "", "s.t"],
    ["TRUNCATE s.t, u", "", "s.t u"],
    ["TRUNCATE t CASCADE", "", "*.* t"],
    ["DROP TABLE t RESTRICT", "", "t"],
    ["DROP TABLE t CASCADE", "", "*.* t"],
    ["DROP SCHEMA s CASCADE", "", "*.*"],
    ["DROP SCHEMA s", "", ""],
    ["DROP TYPE mood CASCADE", "", "*.*"],
    ["DROP EXTENSION postgis", "", "*.*"],
    ["DROP OWNED BY ana", "", "*.*"],
    ["ALTER TABLE t DROP COLUMN a, DROP CONSTRAINT b CASCADE", "", "*.* t"],
    ["ALTER TABLE t DROP COLUMN a", "", "t"],
    ["ALTER TYPE pair RENAME ATTRIBUTE a TO b CASCADE", "", "*.* pair"],
    ["CREATE TABLE t (id int REFERENCES u ON DELETE CASCADE)", "u", "t"],
    ["COPY s.t TO STDOUT", "s.t", ""],
    ["COPY t FROM STDIN", "", "t"],
    ["GRANT SELECT ON t TO x", "", "t"],
    ['SELECT * FROM "A", B, "a.b", d.s."T"', 'A b "a.b" s.T', ""],
    ["LOCK t IN ACCESS SHARE MODE", "t", ""],
    ["PREPARE p AS DELETE FROM t WHERE id = $1", "t", "t"],
    ["CREATE PUBLICATION p FOR TABLE t", "t", ""],
  ];
  for (const [sql, read, written] of cases) {
    it(sql, () => {
      const { relationsRead, relationsWritten } = factsOf(sql);
      const words = (line: string): string[] => (line === "" ? [] : line.split(" ").toSorted());
      assert.deepEqual({ read: relationsRead.toSorted(), written: relationsWritten.toSorted() }, { read: words(read), written: words(written) });
    });
  }
});

describe("verbs", () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ["SELECT 1; SELECT 2", ["SELECT"]],
    ["VALUES (1)", ["VALUES"]],
    ["INSERT INTO t VALUES (1)", ["INSERT"]],
    ["INSERT INTO t SELECT 1", ["INSERT", "SELECT"]],
    ["INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", ["INSERT"]],
    ["INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1", ["INSERT", "UPDATE"]],
    ["EXPLAIN DELETE FROM t", ["EXPLAIN"]],
    ["EXPLAIN ANALYZE DELETE FROM t", ["EXPLAIN", "DELETE"]],
    ["COPY (SELECT 1) TO STDOUT", ["COPY", "SELECT"]],
    ["DECLARE c CURSOR FOR SELECT 1", ["DECLARE", "SELECT"]],
    ["CREATE MATERIALIZED VIEW m AS SELECT 1", ["CREATE MATERIALIZED VIEW", "SELECT"]],
    ["DROP FOREIGN TABLE t", ["DROP FOREIGN TABLE"]],
    ["ALTER TABLE t RENAME a TO b", ["ALTER TABLE"]],
    ["BEGIN; COMMIT", ["BEGIN", "COMMIT"]],
    ["RESET ALL", ["RESET"]],
    ["ANALYZE t", ["ANALYZE"]],
  ];
  for (const [sql, verbs] of cases) it(sql, () => assert.deepEqual(factsOf(sql).verbs, verbs));
});

describe("a WHERE that does pick rows", () => {
  for (const where of [
    "id = 1",
    "id = $1",
    "a = b",
    "id = 1 AND true",
    "NOT deleted",
    "id > 0",
    "name LIKE 'a%'",
    "id IN (SELECT id FROM u)",
    "EXISTS (SELECT 1 FROM u WHERE u.id = t.id)",
    "CURRENT OF c",
    "flag",
    "a OR b",
    "id = 1 OR id <> 2",
    "(a, b) = (1, 2)",
    "id BETWEEN 1 AND 2",
    "x IS NULL OR y IS NOT NULL",
  ]) {
    it(where, () => assert.deepEqual(factsOf(`DELETE FROM t WHERE ${where}`).hazards, []));
  }
});

describe("names of prepared statements", () => {
  it("are collected from PREPARE, EXECUTE, DEALLOCATE and DISCARD", () => {
    const names = (sql: string) => analyse(sql).preparedNames;
    assert.deepEqual(names('PREPARE A AS SELECT 1; PREPARE "B" AS SELECT 2'), { prepares: ["a", "B"], deallocates: [], executes: [] });
    assert.deepEqual(names("EXECUTE a; EXPLAIN EXECUTE b; CREATE TABLE t AS EXECUTE c"), { prepares: [], deallocates: [], executes: ["a", "b", "c"] });
    assert.deepEqual(names("DEALLOCATE a; DEALLOCATE PREPARE b"), { prepares: [], deallocates: ["a", "b"], executes: [] });
    assert.deepEqual(names("DEALLOCATE a; DEALLOCATE ALL").deallocates, "all");
    assert.deepEqual(names("DISCARD ALL").deallocates, "all");
    assert.deepEqual(names("DISCARD PLANS").deallocates, []);
  });
});

describe("transaction verbs", () => {
  it("come in order, once for each statement", () => {
    const sql = "BEGIN; SAVEPOINT a; ROLLBACK TO a; RELEASE a; COMMIT; START TRANSACTION; ABORT; PREPARE TRANSACTION 'x'; COMMIT PREPARED 'x'";
    assert.deepEqual(analyse(sql).transactionVerbs, ["begin", "savepoint", "rollback_to", "release", "commit", "begin", "rollback", "prepare", "other"]);
  });
});

describe("the search path", () => {
  const cases: readonly (readonly [sql: string, schemas: readonly string[] | undefined])[] = [
    ["SET search_path TO a", ["a"]],
    ["SET SEARCH_PATH = A, \"B\", 'C, d'", ["a", "B", "C, d"]],
    ["SET SCHEMA 'a'", ["a"]],
    ["SET LOCAL search_path = ''", []],
    ["RESET search_path", []],
    ["SET search_path TO DEFAULT", []],
    ["RESET ALL", []],
    ["DISCARD ALL", []],
    ["SELECT set_config('search_path', '', false)", []],
    ["SELECT set_config('search_path', 'a, \"B\"', true)", ["a", "B"]],
    ["SELECT set_config('search_path', $1, false)", ["*"]],
    ["SELECT set_config('search_path', 'a b', false)", ["*"]],
    ["SELECT set_config($1, $2, false)", ["*"]],
    ["UPDATE pg_settings SET setting = 'a'", ["*"]],
    ["SET search_path = a; SET search_path = b; SELECT 1", ["a", "b"]],
    ["SELEC 1", ["*"]],
    ["SELECT 'search_path'", undefined],
    ["SET work_mem = '1MB'", undefined],
    ["SHOW search_path", undefined],
    ["BEGIN", undefined],
  ];
  for (const [sql, schemas] of cases) it(`with ${sql}`, () => assert.deepEqual(analyse(sql).searchPath, schemas));
});

describe("what only the session has", () => {
  for (const sql of [
    "CREATE TEMP TABLE t (id int)",
    "CREATE TEMP TABLE t AS SELECT 1",
    "SELECT 1 AS id INTO TEMP t",
    "CREATE TEMP VIEW v AS SELECT 1",
    "CREATE TEMP SEQUENCE s",
    "CREATE TABLE pg_temp.t (id int)",
    "CREATE VIEW pg_temp_3.v AS SELECT 1",
  ]) {
    it(sql, () => assert.equal(analyse(sql).makesTemporary, true));
  }
  for (const sql of ["CREATE TABLE t (id int)", "SELECT * FROM pg_temp.t", "CREATE VIEW v AS SELECT 1"]) {
    it(`is not made by ${sql}`, () => assert.equal(analyse(sql).makesTemporary, false));
  }
});

describe("the query that describes a COPY", () => {
  const cases: readonly (readonly [string, string | undefined])[] = [
    ["COPY t TO STDOUT", 'SELECT * FROM "t"'],
    ['COPY S."T""x" (a, "B") TO STDOUT WITH CSV', 'SELECT "a", "B" FROM "s"."T""x"'],
    ["COPY (SELECT ')' AS \")\", (1) /* ) */) TO STDOUT (FORMAT csv)", "SELECT ')' AS \")\", (1) /* ) */"],
    ["/* ( */ COPY (TABLE t) TO STDOUT;", "TABLE t"],
    ["COPY (DELETE FROM t RETURNING *) TO STDOUT", "DELETE FROM t RETURNING *"],
    ["COPY t FROM STDIN", undefined],
    ["COPY t TO '/tmp/x'", undefined],
    ["COPY t TO PROGRAM 'x'", undefined],
    ["SELECT 1; COPY t TO STDOUT", undefined],
    ["SELECT 1", undefined],
  ];
  for (const [sql, query] of cases) it(sql, () => assert.equal(analyse(sql).copyOut?.query, query));
});

describe("what is not classified", () => {
  it("says why without quoting the text", () => {
    const because = "is not SQL that PostgreSQL 18 parses";
    assert.equal(factsOf("SELEC 'secret'").unclassifiedReason, `${because}: syntax error at character 1`);
    assert.equal(factsOf("SELECT 1 +").unclassifiedReason, `${because}: syntax error at end of input at character 11`);
    assert.equal(factsOf("SELECT 'secret").unclassifiedReason, `${because}: unterminated quoted string at character 8`);
    assert.equal(factsOf("SELECT app.wipe()").unclassifiedReason, "calls app.wipe, of which nothing is known");
  });

  it("is a kind of statement that no table lists", () => {
    const unknown = { parse: () => ({ version: 18, stmts: [{ stmt: { WipeStmt: {} } }] }) as never, fingerprint: () => "" };
    const { facts } = analyseText(unknown, "WIPE", new Set());
    assert.deepEqual([facts.riskClass, facts.unclassifiedReason], ["unclassified", "WipeStmt is a kind of statement that is not known"]);
  });

  it("lets an error of the parser itself through, for its thread to be replaced", () => {
    const broken = {
      parse: () => {
        throw new RangeError("Maximum call stack size exceeded");
      },
      fingerprint: () => "",
    };
    assert.throws(() => analyseText(broken, "SELECT 1", new Set()), RangeError);
  });
});

describe("the list of built-in functions", () => {
  it("leaves no volatile function unjudged but those that SQL cannot call, or only an upgrade calls", () => {
    const callable = unlistedVolatile().filter(
      (name) => !/^(?:RI_FKey_|binary_upgrade_|plpgsql_|dsnowball_)|handler$|^amvalidate$|trigger|^unique_key_recheck$/.test(name),
    );
    assert.deepEqual(callable, ["set_config"]);
  });
});
