import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fingerprintSync, loadModule, parseSync } from "libpg-query";
import fc from "fast-check";
import { analyseText } from "./extract.ts";
import { redact } from "./redact.ts";

await loadModule();
const parser = { parse: parseSync, fingerprint: fingerprintSync };
const recorded = (sql: string): string => analyseText(parser, sql, new Set()).recordable;

/** Milliseconds, never zero. */
function searching(hostile: string, length: number): number {
  const times = Math.floor(length / hostile.length);
  const start = performance.now();
  redact(`pass ${hostile.repeat(times)}`, false);
  redact(`'pass ${hostile.replaceAll("'", "''").repeat(times)}'`, false);
  return Math.max(0.1, performance.now() - start);
}

/** A machine that is busy with something else disturbs some of them. */
const TRIES = 24;

/** Four times for four times the text; what is quadratic takes sixteen, by the best of whatever number of tries. */
function growsWithItsText(hostile: string): boolean {
  let [short, long] = [Infinity, Infinity];
  for (let tries = 0; tries < TRIES; tries++) {
    short = Math.min(short, searching(hostile, 10_000));
    long = Math.min(long, searching(hostile, 40_000));
    // The first are slow for other reasons.
    if (tries >= 2 && long < 10 * short) return true;
  }
  return false;
}

describe("what is recorded of a statement with a password", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["CREATE ROLE a LOGIN PASSWORD 'topsecret' VALID UNTIL '2030-01-01'", "CREATE ROLE a LOGIN PASSWORD '<redacted: 9 bytes>' VALID UNTIL '2030-01-01'"],
    ["ALTER USER a WITH ENCRYPTED PASSWORD E'top\\x73ecret'", "ALTER USER a WITH ENCRYPTED PASSWORD E'<redacted: 12 bytes>'"],
    ["ALTER ROLE a PASSWORD U&'top!0073ecret' UESCAPE '!'", "ALTER ROLE a PASSWORD U&'<redacted: 13 bytes>' UESCAPE '!'"],
    ["ALTER ROLE a PASSWORD $x$topsecret$x$", "ALTER ROLE a PASSWORD $x$<redacted: 9 bytes>$x$"],
    ["ALTER ROLE a PASSWORD 'top'\n'secret'", "ALTER ROLE a PASSWORD '<redacted: 3 bytes>'\n'<redacted: 6 bytes>'"],
    ["ALTER ROLE a /* now */ PASSWORD /* ! */ 'topsecret'", "ALTER ROLE a /* now */ PASSWORD /* ! */ '<redacted: 9 bytes>'"],
    ["ALTER ROLE a PASSWORD 'SCRAM-SHA-256$4096:c2FsdA==$a2V5:a2V5'", "ALTER ROLE a PASSWORD '<redacted: 37 bytes>'"],
    [
      "CREATE TABLE t (id int, password text DEFAULT 'topsecret', n text DEFAULT 'n')",
      "CREATE TABLE t (id int, password text DEFAULT '<redacted: 9 bytes>', n text DEFAULT 'n')",
    ],
    [
      "CREATE TABLE t (\"apiKey\" varchar(10) NOT NULL DEFAULT ('top' || 'secret'))",
      "CREATE TABLE t (\"apiKey\" varchar(10) NOT NULL DEFAULT ('<redacted: 3 bytes>' || '<redacted: 6 bytes>'))",
    ],
    ["CREATE TABLE tokens (kind text DEFAULT 'bearer', CHECK (secret = 'x'))", "CREATE TABLE tokens (kind text DEFAULT 'bearer', CHECK (secret = 'x'))"],
    [
      "ALTER TABLE t ADD password numeric(9, 2) DEFAULT 'topsecret', ADD n text DEFAULT 'n'",
      "ALTER TABLE t ADD password numeric(9, 2) DEFAULT '<redacted: 9 bytes>', ADD n text DEFAULT 'n'",
    ],
    ["ALTER TABLE t ALTER password SET DEFAULT 'topsecret'", "ALTER TABLE t ALTER password SET DEFAULT '<redacted: 9 bytes>'"],
    ["CREATE DOMAIN secret AS text DEFAULT 'topsecret'", "CREATE DOMAIN secret AS text DEFAULT '<redacted: 9 bytes>'"],
    [
      "CREATE OR REPLACE FUNCTION f(a text = 'a', token text = 'topsecret') RETURNS text LANGUAGE sql SET search_path = 'x' RETURN 'y'",
      "CREATE OR REPLACE FUNCTION f(a text = 'a', token text = '<redacted: 9 bytes>') RETURNS text LANGUAGE sql SET search_path = 'x' RETURN 'y'",
    ],
    ["ALTER ROLE a PASSWORD NULL", "ALTER ROLE a PASSWORD NULL"],
    ["ALTER ROLE a PASSWORD topsecret", "ALTER ROLE a PASSWORD <redacted: 9 bytes>"],
    ["ALTER ROLE a PASSWORD 'topsecret", "ALTER ROLE a PASSWORD '<redacted: 9 bytes>"],
    ["ALTER ROLE a PASSWORD 'topsecret'; SELEC", "ALTER ROLE a PASSWORD '<redacted: 9 bytes>'; SELEC"],
    [
      "CREATE USER MAPPING FOR a SERVER s OPTIONS (user 'a', password 'topsecret')",
      "CREATE USER MAPPING FOR a SERVER s OPTIONS (user 'a', password '<redacted: 9 bytes>')",
    ],
    [
      "ALTER USER MAPPING FOR a SERVER s OPTIONS (SET secret_thing 'topsecret')",
      "ALTER USER MAPPING FOR a SERVER s OPTIONS (SET secret_thing '<redacted: 9 bytes>')",
    ],
    [
      "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host 'h', passfile '/a')",
      "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host 'h', passfile '<redacted: 2 bytes>')",
    ],
    ["CREATE SUBSCRIPTION s CONNECTION 'host=h password=topsecret' PUBLICATION p", "CREATE SUBSCRIPTION s CONNECTION '<redacted: 25 bytes>' PUBLICATION p"],
    ["SELECT dblink_connect('c', 'host=h password=''topsecret'' user=u')", "SELECT dblink_connect('c', 'host=h password=''<redacted: 9 bytes>'' user=u')"],
    ["SELECT dblink('postgres://u:topsecret@h/d', 'SELECT 1')", "SELECT dblink('postgres://u:<redacted: 9 bytes>@h/d', 'SELECT 1')"],
    ["SELECT 'postgres://h/d?password=topsecret&user=u'", "SELECT 'postgres://h/d?password=<redacted: 9 bytes>&user=u'"],
    ["SELECT 'postgres://u:top@secret@h/d'", "SELECT 'postgres://u:<redacted: 10 bytes>@h/d'"],
    ["SELECT E'it\\'s\\tpostgres://u:topsecret@h', 1", "SELECT E'it\\'s\\tpostgres://u:<redacted: 9 bytes>@h', 1"],
    ["ALTER SYSTEM SET primary_conninfo = 'host=h password=topsecret'", "ALTER SYSTEM SET primary_conninfo = 'host=h password=<redacted: 9 bytes>'"],
    ["SET my.password = 'topsecret'", "SET my.password = '<redacted: 9 bytes>'"],
    ["SET LOCAL my.api_secret TO topsecret", "SET LOCAL my.api_secret TO <redacted: 9 bytes>"],
    ["ALTER ROLE a SET my.secret = 'topsecret'", "ALTER ROLE a SET my.secret = '<redacted: 9 bytes>'"],
    ["SELECT set_config('my.password', 'topsecret', true)", "SELECT set_config('my.password', '<redacted: 9 bytes>', true)"],
    [
      "SELECT crypt('topsecret', hash), pgp_sym_encrypt(a, 'topsecret')",
      "SELECT crypt('<redacted: 9 bytes>', hash), pgp_sym_encrypt(a, '<redacted: 9 bytes>')",
    ],
    ["DO $$ BEGIN ALTER ROLE a PASSWORD 'topsecret'; END $$", "DO $$ BEGIN ALTER ROLE a PASSWORD '<redacted: 9 bytes>'; END $$"],
    ["DO $$ BEGIN EXECUTE 'ALTER ROLE a PASSWORD ''topsecret'''; END $$", "DO $$ BEGIN EXECUTE 'ALTER ROLE a PASSWORD ''<redacted: 9 bytes>'''; END $$"],
    ["DO 'BEGIN ALTER ROLE a PASSWORD ''topsecret''; END'", "DO 'BEGIN ALTER ROLE a PASSWORD ''<redacted: 9 bytes>''; END'"],
    [
      "DO $$ BEGIN EXECUTE 'ALTER ROLE a PASSWORD ' || quote_literal('topsecret'); END $$",
      "DO $$ BEGIN EXECUTE 'ALTER ROLE a PASSWORD ' || quote_literal('<redacted: 9 bytes>'); END $$",
    ],
    ["SELECT format('ALTER ROLE %I PASSWORD %L', 'a', 'topsecret')", "SELECT format('ALTER ROLE %I PASSWORD %L', '<redacted: 1 byte>', '<redacted: 9 bytes>')"],
    ["ALTER ROLE a PASSWORD 'topsecret' -- was topsecret", "ALTER ROLE a PASSWORD '<redacted: 9 bytes>' -- was <redacted: 9 bytes>"],
    ["SELECT 1 -- ALTER ROLE a PASSWORD 'topsecret'", "SELECT 1 -- ALTER ROLE a PASSWORD '<redacted: 9 bytes>'"],
    ["CREATE USER a IDENTIFIED BY 'topsecret'", "CREATE USER a IDENTIFIED BY '<redacted: 9 bytes>'"],
    [
      "CREATE FUNCTION f() RETURNS void SET my.secret = 'topsecret' LANGUAGE plpgsql AS $$ BEGIN DELETE FROM orders; END $$",
      "CREATE FUNCTION f() RETURNS void SET my.secret = '<redacted: 9 bytes>' LANGUAGE plpgsql AS $$ BEGIN DELETE FROM orders; END $$",
    ],
    [
      "do $$ begin update products set price = 0; -- postgres://u:p@h\n end $$",
      "do $$ begin update products set price = 0; -- postgres://u:<redacted: 1 byte>@h\n end $$",
    ],
    ["execute 'drop table orders -- postgres://u:p@h'", "execute 'drop table orders -- postgres://u:<redacted: 1 byte>@h'"],
  ];
  for (const [sql, expected] of cases) {
    it(sql, () => {
      assert.equal(recorded(sql), expected);
    });
  }

  it("holds the secret nowhere, however it is written and wherever it stands", () => {
    const secret = fc.stringMatching(/^[A-Za-z0-9]{10,20}$/);
    const literal = fc.constantFrom<(s: string) => string>(
      (s) => `'${s}'`,
      (s) => `E'${s}'`,
      (s) => `e'${s}\\n'`,
      (s) => `U&'${s}'`,
      (s) => `$$${s}$$`,
      (s) => `$a$${s}$a$`,
      (s) => `'${s.slice(0, 5)}'\n  '${s.slice(5)}${s}'`,
      (s) => `'it''s ${s}'`,
    );
    const place = fc.constantFrom<(s: string) => string>(
      (s) => `ALTER ROLE bob PASSWORD ${s}`,
      (s) => `CREATE USER bob WITH LOGIN ENCRYPTED PASSWORD ${s} CONNECTION LIMIT 3`,
      (s) => `SELECT 1; create/**/group bob password--\n${s}; SELECT 2`,
      (s) => `CREATE USER MAPPING FOR bob SERVER s OPTIONS ("user" 'bob', "passWord" ${s})`,
      (s) => `ALTER SERVER s OPTIONS (ADD password ${s})`,
      (s) => `SET app.secret = ${s}`,
      (s) => `ALTER ROLE bob PASSWORD ${s} SYNTAX ERROR`,
      (s) => `ALTER ROLE bob PASSWORD ${s}; 'unterminated`,
      (s) => `DO $body$ BEGIN ALTER ROLE bob PASSWORD ${s}; END $body$`,
      (s) => `CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $body$ BEGIN PERFORM crypt(${s}, gen_salt('bf')); END $body$`,
      (s) => `EXPLAIN ANALYZE SELECT dblink_connect('password=' || ${s})`,
    );
    const dressing = fc.constantFrom<(s: string) => string>(
      (s) => s,
      (s) => `/* ${"x".repeat(40)} */ ${s}`,
      (s) => `SELECT '\u017e\u{1f600}'; ${s}`,
      (s) => (s.toLowerCase().includes("$") ? s : `${s} -- done`),
    );
    fc.assert(
      fc.property(secret, literal, place, dressing, (value, write, put, dress) => {
        const analysis = analyseText(parser, dress(put(write(value))), new Set());
        assert.ok(!JSON.stringify(analysis).includes(value), analysis.recordable);
        assert.ok(analysis.redacted);
      }),
      { numRuns: 500 },
    );
  });
});

describe("what is recorded of a statement without a password", () => {
  for (const sql of [
    "SELECT password, secret FROM users WHERE password = $1",
    "UPDATE users SET password = 'in the application''s own table' WHERE id = 1",
    "CREATE TABLE \"user\" (id int, password text NOT NULL, n text DEFAULT 'x')",
    "INSERT INTO settings VALUES ('password', 'min length 8')",
    "SET password_encryption = 'scram-sha-256'",
    "CREATE FUNCTION f(p text) RETURNS bool LANGUAGE sql AS $$ SELECT true FROM u WHERE u.password = p $$",
    "SELECT 'see https://example.com/password?reset=1'",
    "SELECT * FROM pg_settings WHERE name = 'password_encryption' AND setting <> 'md5'",
    "COPY orders TO STDOUT WITH (DELIMITER ',')",
    "VACUUM (VERBOSE) orders",
  ]) {
    it(`is the text itself: ${sql}`, () => {
      assert.equal(recorded(sql), sql);
    });
  }

  it("is found in linear time in texts made to slow a search down", () => {
    for (const hostile of [
      "://a:",
      "password ",
      "set secret ",
      "alter role ",
      "'",
      "$a$b",
      "options(",
      "crypt(",
      "/*",
      "host=x ",
      "password = ",
      "alter role a password x ",
      "update set ",
      "password 'x1234567' ",
      "E'\\",
      "a".repeat(50),
    ]) {
      assert.ok(growsWithItsText(hostile), `${hostile}: four times the text takes ten times as long, every time`);
    }
  });
});

describe("whether what is withheld may be code that runs", () => {
  const hides = (sql: string): boolean => analyseText(parser, sql, new Set()).hidesCode;
  for (const sql of [
    "do $$begin/*://u:*/delete/**/from/**/orders;--@h\nend$$",
    "do $$ begin execute replace('x -- postgres://u:truncate@h', 'x -- postgres://u:', '') || ' orders'; end $$",
    "do $$ begin execute substr(current_query(), 7, 8); -- postgres://u:truncate@h\n end $$",
    "do $$ begin execute 'select curr' || 'ent_query()'; -- postgres://u:truncate@h\n end $$",
    "do $$ begin execute password 'drop table orders'; end $$",
    "do $$ begin perform crypt('drop table orders', ''); end $$",
    "do $$ declare s text; begin s := execute 'x -- postgres://u:truncate@h'; end $$",
    "do $$ begin if (case when true then execute 'x -- postgres://u:truncate@h' end) = '' then null; end if; end $$",
    "do language plpython3u $$ -- postgres://u:os@h\n $$",
    "select run_sql('postgres://u:truncate@h')",
    "select query_to_xml('select 1 -- postgres://u:p@h', true, true, '')",
    "create function f() returns void language plpgsql as $$ begin perform g('postgres://u:p@h'); end $$",
    "alter role a password 'orders'; drop table orders",
    "select set_config('my.secret', 'drop table orders', true); do $$ begin execute current_setting('my.secret'); end $$",
    "execute 'drop table orders -- postgres://u:p@h'",
    "selct 'postgres://u:p@h'",
    "alter role a password topsecret",
  ]) {
    it(`it may: ${sql}`, () => {
      assert.equal(hides(sql), true);
    });
  }
  for (const sql of [
    "do $$ begin update products set price = 0; -- postgres://u:p@h\n end $$",
    "do $$ begin execute 'drop table orders -- postgres://u:p@h'; end $$",
    "do $$ begin if not exists (select 1) then create role a login password 'topsecret'; end if; end $$",
    "create function f() returns void language plpgsql as $$ begin delete from orders; /* postgres://u:p@h */ end $$",
    "alter role a password 'topsecret'",
    "alter role a password 'topsecret' -- was topsecret",
    "create subscription s connection 'host=h password=topsecret' publication p",
    "insert into jobs values ('postgres://u:p@h')",
    "set my.secret = 'topsecret'",
    "delete from orders",
    "do $$ begin delete from orders; end $$",
  ]) {
    it(`it may not: ${sql}`, () => {
      assert.equal(hides(sql), false);
    });
  }
});
