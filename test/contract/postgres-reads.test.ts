import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import fc from "fast-check";
import type { Client } from "pg";
import { createStatementAnalyser } from "../../control-plane/src/gateway/postgres/facts/analyser.ts";
import type { StatementAnalyser } from "../../control-plane/src/gateway/postgres/facts/analysis.ts";
import { describeOnEach, startTestPostgres } from "../support/postgres-server.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { statements } from "./statement-grammar.ts";

/** A value of each type that a built-in takes, so that strict functions run; polymorphic ones as something that fits. */
const literals: Readonly<Record<string, string>> = {
  any: "1",
  anyarray: "array[1, 2]",
  anycompatible: "1",
  anycompatiblearray: "array[1, 2]",
  anycompatiblemultirange: "int4multirange(int4range(1, 3))",
  anycompatiblenonarray: "1",
  anycompatiblerange: "int4range(1, 3)",
  anyelement: "1",
  anyenum: "'ok'::mood",
  anymultirange: "int4multirange(int4range(1, 3))",
  anynonarray: "1",
  anyrange: "int4range(1, 3)",
  bit: "b'101'",
  bool: "true",
  box: "box '((0,0),(1,1))'",
  bpchar: "'x'::bpchar",
  bytea: "'\\x4142'::bytea",
  char: `'r'::"char"`,
  cid: "'1'::cid",
  cidr: "cidr '10.0.0.0/8'",
  circle: "circle '<(0,0),1>'",
  cstring: "'x'::cstring",
  date: "date '2024-02-29'",
  float4: "1.5::float4",
  float8: "0.5::float8",
  inet: "inet '10.0.0.1'",
  int2: "1::int2",
  int4: "1",
  int8: "1::int8",
  interval: "interval '1 hour'",
  json: `json '{"a":[1]}'`,
  jsonb: `jsonb '{"a":[1]}'`,
  jsonpath: "jsonpath '$.a'",
  line: "line '{1,2,3}'",
  lseg: "lseg '[(0,0),(1,1)]'",
  macaddr: "macaddr '08:00:2b:01:02:03'",
  macaddr8: "macaddr8 '08:00:2b:01:02:03:04:05'",
  money: "1::money",
  name: "'stock'::name",
  numeric: "1.5",
  oid: "'stock'::regclass::oid",
  path: "path '[(0,0),(1,1)]'",
  pg_lsn: "'0/1'::pg_lsn",
  point: "point '(0,0)'",
  polygon: "polygon '((0,0),(1,1),(1,0))'",
  record: "row(1, 'x')",
  refcursor: "'k'::refcursor",
  regclass: "'stock'::regclass",
  regconfig: "'simple'::regconfig",
  regdictionary: "'simple'::regdictionary",
  regtype: "'int'::regtype",
  text: "'stock'",
  tid: "'(0,1)'::tid",
  time: "time '12:00'",
  timestamp: "timestamp '2024-02-29 12:00'",
  timestamptz: "timestamptz '2024-02-29 12:00+00'",
  timetz: "timetz '12:00+00'",
  tsquery: "'a & b'::tsquery",
  tsvector: "'a b'::tsvector",
  uuid: "'00000000-0000-4000-8000-000000000000'::uuid",
  varbit: "b'101'::varbit",
  varchar: "'x'::varchar",
  xid: "'3'::xid",
  xid8: "'3'::xid8",
  xml: "xml '<a/>'",
};

const schema = `
  create type mood as enum ('sad', 'ok');
  create table stock (id int primary key, item text, price numeric, added date, doc jsonb);
  create table sales (id int, stock_id int references stock, amount int);
  create view cheap as select id, item from stock where price < 10;
  create sequence numbers;
  insert into stock select n, 'item ' || n, n * 1.5, date '2024-01-01' + n, jsonb_build_object('n', n) from generate_series(1, 20) n;
  insert into sales select n, n % 20 + 1, n from generate_series(1, 50) n;
  analyze`;

/** Everything that a statement could leave behind, inside its transaction or outside of it; equal before and after one that reads. */
const STATE = `
  select pg_current_xact_id_if_assigned()::text as transaction,
    (select string_agg(last_value || ' ' || is_called, ',') from numbers) as sequences,
    (select count(*) from pg_locks where pid = pg_backend_pid() and locktype = 'advisory') as locks,
    -- A setting that everybody may change is the session's own affair.
    (select current_user || session_user || current_setting('session_replication_role') || current_setting('standard_conforming_strings')) as standing,
    (select md5(string_agg(s::text, ',' order by id)) from stock s) as stock,
    (select md5(string_agg(s::text, ',' order by id)) from sales s) as sales,
    (select count(*) from pg_listening_channels()) as channels,
    (select count(*) from pg_replication_slots) as slots,
    (select count(*) from pg_largeobject_metadata) as large_objects,
    (select md5(string_agg(oid || relname || relfilenode, ',' order by oid)) from pg_class) as relations`;

describeOnEach("what is called a read changes nothing on a real server", (flavour) => {
  const cleanup = suiteCleanup();
  let analyser: StatementAnalyser;
  let server: Client;
  before(async () => {
    analyser = createStatementAnalyser();
    const postgres = await startTestPostgres(cleanup, { flavour, settings: { autovacuum: "off", statement_timeout: "2s" } });
    server = await postgres.connectAsSuperuser();
    await Promise.all([analyser.ready(), server.query(schema)]);
  });
  after(() => analyser.close());

  const isRead = async (sql: string): Promise<boolean> => (await analyser.analyse(Buffer.from(sql))).facts.riskClass === "read";

  /** Runs it in a transaction that is rolled back. Answers what it changed, and whether it ran to its end. */
  async function run(sql: string): Promise<{ readonly changed: readonly string[]; readonly ended: boolean }> {
    const state = async (): Promise<Record<string, unknown>> => (await server.query<Record<string, unknown>>(STATE)).rows[0] ?? {};
    await server.query("begin");
    const earlier = await state();
    await server.query("savepoint here");
    let ended = true;
    try {
      await server.query(sql);
    } catch {
      ended = false;
      await server.query("rollback to here");
    }
    const later = await state();
    await server.query("rollback");
    return { changed: Object.keys(earlier).filter((key) => earlier[key] !== later[key]), ended };
  }

  it("whatever built-in function it calls", async () => {
    const { rows } = await server.query<{ name: string; types: string[] }>(`
      select p.proname as name, array(select t.typname::text from unnest(p.proargtypes) with ordinality a(oid, n) join pg_type t on t.oid = a.oid order by n) as types
      from pg_proc p where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind = 'f' and p.prorettype not in (select oid from pg_type where typname in ('internal', 'trigger', 'event_trigger'))
      order by p.oid`);
    const wrong: string[] = [];
    let [calls, ended] = [0, 0];
    for (const { name, types } of rows) {
      const values = types.map((type) => literals[type] ?? (type.startsWith("_") ? `'{}'::${type}` : "null"));
      if (types.includes("internal")) continue;
      const sql = `select "${name}"(${values.join(", ")})`;
      if (LEFT_OUT.has(name) || !(await isRead(sql))) continue;
      calls++;
      const outcome = await run(sql);
      if (outcome.ended) ended++;
      if (outcome.changed.length > 0) wrong.push(`${sql}: ${outcome.changed.join(", ")}`);
    }
    assert.deepEqual(wrong, []);
    // Or it would have proven little.
    assert.ok(ended > 1_800 && ended > calls * 0.8, `${ended} of ${calls} ran to their end`);
  });

  it("however it is put together, and whatever it pretends to be", async () => {
    let [reads, ended] = [0, 0];
    await fc.assert(
      fc.asyncProperty(statements, async (sql) => {
        if (!(await isRead(sql))) return;
        reads++;
        const outcome = await run(sql);
        if (outcome.ended) ended++;
        assert.deepEqual(outcome.changed, [], sql);
      }),
      { numRuns: 2_500 },
    );
    assert.ok(reads > 300 && ended > reads / 4, `${reads} reads, of which ${ended} ran to their end`);
  });
});

/** They wait on purpose, or are there to give the transaction a number, which changes nothing else. */
const LEFT_OUT = new Set(["pg_sleep", "pg_sleep_for", "pg_sleep_until", "txid_current", "pg_current_xact_id"]);
