import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fingerprintSync, loadModule, parseSync } from "libpg-query";
import type { CommandFacts } from "../../../domain/facts.ts";
import { analyseText } from "./extract.ts";

await loadModule();
const parser = { parse: parseSync, fingerprint: fingerprintSync };
const factsOf = (sql: string): CommandFacts => analyseText(parser, sql, new Set()).facts;

describe("the classes of the functions that a command calls", () => {
  const cases: readonly (readonly [sql: string, functions: string, classes: string, riskClass: string])[] = [
    ["SELECT lower(name), now(), count(*) FROM t GROUP BY 1", "", "", "read"],
    ["SELECT nextval('s')", "nextval", "write", "write"],
    ["INSERT INTO t VALUES (nextval('s'))", "nextval", "write", "write"],
    ["DELETE FROM t", "", "", "destructive"],
    ["SELECT pg_advisory_lock(1)", "pg_advisory_lock", "write", "write"],
    ["SELECT lo_unlink(1)", "lo_unlink", "destructive", "destructive"],
    ["SELECT pg_terminate_backend(1)", "pg_terminate_backend", "administrative", "administrative"],
    ["SELECT pg_promote(), pg_reload_conf(), nextval('s')", "pg_promote pg_reload_conf nextval", "write administrative", "administrative"],
    ["SELECT x.pg_terminate_backend FROM generate_series(1, 9) x", "pg_terminate_backend", "administrative", "administrative"],
    ["SELECT (1).pg_terminate_backend", "pg_terminate_backend", "administrative", "administrative"],
    ["SELECT pg_read_file('/etc/passwd')", "pg_read_file", "administrative", "administrative"],
    ["SELECT app.wipe(), nextval('s')", "app.wipe nextval", "write unclassified", "unclassified"],
    // Not the built-in one, whatever it does.
    ["SELECT public.nextval('s')", "public.nextval", "unclassified", "unclassified"],
    ["SELECT query_to_xml('select 1', true, true, '')", "query_to_xml", "unclassified", "unclassified"],
    ["SELECT a OPERATOR(app.<=>) b FROM t", "operator(app.<=>)", "unclassified", "unclassified"],
    ["CALL tidy(nextval('s'))", "tidy nextval", "write unclassified", "unclassified"],
    ["SELECT set_config('work_mem', '1MB', false)", "set_config", "read", "read"],
    ["SELECT set_config('role', 'x', false)", "set_config", "administrative", "administrative"],
    ["SELECT set_config('log_statement', 'none', false)", "set_config", "administrative", "administrative"],
    ["SELECT set_config('work_mem', $1, false), set_config('session_authorization', 'x', true)", "set_config", "read administrative", "administrative"],
    ["SELECT set_config($1, 'x', false)", "set_config", "unclassified", "unclassified"],
    ["EXPLAIN SELECT pg_terminate_backend(1)", "pg_terminate_backend", "administrative", "administrative"],
    ["SELEC 1", "", "unclassified", "unclassified"],
  ];
  for (const [sql, functions, classes, riskClass] of cases) {
    it(sql, () => {
      const facts = factsOf(sql);
      assert.deepEqual([facts.functions.join(" "), facts.functionClasses.join(" "), facts.riskClass], [functions, classes, riskClass]);
    });
  }
});

describe("a setting whose name is read from pg_settings", () => {
  const call = "SELECT set_config(name, 'off', false)";
  const settingsOf = (sql: string): string => `${factsOf(sql).riskClass}: ${factsOf(sql).settings.join(" ")}`;

  for (const [rest, expected] of [
    ["FROM pg_settings WHERE name = 'jit'", "read: jit"],
    ["FROM pg_catalog.pg_settings WHERE name = 'jit'", "read: jit"],
    ["FROM pg_settings s WHERE s.name IN ('jit', 'work_mem') AND setting <> 'off'", "read: jit work_mem"],
    ["FROM pg_settings WHERE name = 'log_statement'", "administrative: log_statement"],
    ["FROM pg_settings WHERE name = 'search_path'", "read: search_path"],
  ] as const) {
    it(`is what its WHERE says: ${rest}`, () => assert.equal(settingsOf(`${call} ${rest}`), expected));
  }

  for (const rest of [
    "FROM pg_settings",
    "FROM pg_settings WHERE name <> 'jit'",
    "FROM pg_settings WHERE name = 'jit' OR true",
    "FROM pg_settings WHERE NOT name = 'jit'",
    "FROM pg_settings WHERE name = $1",
    "FROM pg_settings WHERE name IN ('jit', $1)",
    "FROM pg_settings WHERE name IN (SELECT 'role')",
    "FROM pg_settings WHERE name = ANY (ARRAY['jit'])",
    "FROM pg_settings WHERE name OPERATOR(app.=) 'jit'",
    "FROM pg_settings WHERE setting = 'jit'",
    "FROM pg_settings WHERE x.name = 'jit'",
    "FROM pg_settings AS s (setting, name) WHERE name = 'jit'",
    "FROM pg_settings, t WHERE pg_settings.name = 'jit'",
    "FROM app.pg_settings WHERE name = 'jit'",
    "FROM t WHERE name = 'jit'",
    // pg_settings does not show it.
    "FROM pg_settings WHERE name = 'role'",
    // Not a setting of the server's own: a comparison of somebody's own making could mean any.
    "FROM pg_settings WHERE name = 'app.any'",
    "WHERE name = 'jit'",
  ]) {
    it(`may be any: ${rest}`, () => assert.equal(settingsOf(`${call} ${rest}`), "unclassified: *"));
  }

  it("may be any where the name is computed from it", () => {
    assert.equal(settingsOf("SELECT set_config(name || 'x', 'off', false) FROM pg_settings WHERE name = 'jit'"), "unclassified: *");
    assert.equal(settingsOf("SELECT set_config(setting, 'off', false) FROM pg_settings WHERE name = 'jit'"), "unclassified: *");
  });

  it("never takes its value from a row", () => {
    assert.equal(factsOf("SELECT set_config(name, setting, false) FROM pg_settings WHERE name = 'jit'").riskClass, "unclassified");
  });

  it("is the search path, where it may be that", () => {
    const path = (sql: string) => analyseText(parser, sql, new Set()).searchPath;
    assert.deepEqual(path(`${call} FROM pg_settings WHERE name = 'search_path'`), ["off"]);
    assert.equal(path(`${call} FROM pg_settings WHERE name = 'jit'`), undefined);
  });
});
