import assert from "node:assert/strict";
import { before, it } from "node:test";
import type { Client, QueryArrayResult } from "pg";
import { maskingPolicy } from "../support/policies.ts";
import { describeOnEach } from "../support/postgres-server.ts";
import { Stack } from "../support/stack.ts";
import { message, parse, query, sync } from "../support/frontend-messages.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { heard, openDirectWire, openWire } from "./gateway-wire.ts";

/** Masks by table, so that neither labels nor detectors help. */
const policy = maskingPolicy("people.email:full, people.ssn:partial, people.salary:full, people.dob:null, payments.iban:hash", "phone").map(
  ({ name, text }) => ({
    name,
    text: text.replace(/@detect\("phone"\)/, ""),
  }),
);

const schema = `
  create table people (id int primary key, name text, email text, ssn text, salary numeric, dob date, shout text generated always as (upper(email)) stored);
  insert into people values (1, 'Grace', 'grace.hopper@navy.example', '078-05-1120', 98765.43, '1906-12-09');
  create table staff (desk text) inherits (people);
  insert into staff (id, name, email, ssn, salary, dob, desk) values (2, 'Ada', 'ada@engine.example', '219-09-9999', 12345.67, '1815-12-10', 'd1');
  create table payments (day date, iban text) partition by range (day);
  create table payments_2024 partition of payments for values from ('2024-01-01') to ('2025-01-01');
  insert into payments values ('2024-05-05', 'DE02120300000000202051');
  create table notes (id int, body text);
  insert into notes values (1, 'nothing');
  create view contacts as select id, email as address_line, lower(email) as lowered, upper(name) as loud from people;
  create view over_contacts as select address_line as a, lowered as b, id from contacts;
  create view everything as select p as row, to_jsonb(p) as doc from people p;
  create view united as select email as v from people union all select iban from payments;
  create materialized view stored as select email as e, md5(ssn) as h, id from people;
  create function leak(int) returns text language sql as 'select email from people where id = $1';
  create function leaks() returns setof people language sql as 'select * from people';
  create function leak_table() returns table (a text, b text) language sql as 'select email, ssn from people';
  create function leak_out(out a text, out b numeric) language sql as 'select email, salary from people limit 1';
  create function email_of(people) returns text language sql as 'select $1.email';
  create view called as select id, leak(id) as l from people;
  create domain mail as text;
  create type card as (e text, s text);
  refresh materialized view stored;
  create table crowd as select 'grace.hopper@navy.example' as email from generate_series(1, 100);
  analyze`;

/** Each shows a masked column directly, in every cell. */
const ways: readonly string[] = [
  // the column itself
  "select email from people",
  "select p.email as e, p.ssn as s, p.salary as m, p.dob as d from people p",
  "select x.e from (select email as e from people) x",
  "with c as (select email as e from people) select e from c",
  "with recursive c(e, n) as (select email, 1 from people union all select e, n + 1 from c where n < 2) select e from c",
  "select b.email from people a join people b using (id)",
  "select l.e from people p, lateral (select p.email as e) l",
  "select e from (select distinct email as e from people order by 1 limit 5) x",
  "select address_line from contacts",
  "select a from over_contacts",
  "select e from stored",
  "select iban from payments",
  "select iban from payments_2024",
  "select email from staff",
  "select email from only people",
  "select shout from people",
  // expressions
  "select email || '' from people",
  "select 'x' || ssn || 'y' as name from people",
  "select email::varchar(100), email::mail, email::bytea, ssn::text from people",
  "select concat(email, '!'), concat_ws('-', email, ssn) from people",
  "select format('%s', email), format('%I', ssn) from people",
  "select upper(email), lower(email), initcap(email), reverse(email), repeat(email, 2) from people",
  "select substring(email from 1 for 3), left(email, 2), right(email, 2), split_part(email, '@', 1) from people",
  "select length(email), ascii(email), strpos(email, '@'), octet_length(email), bit_length(email) from people",
  "select md5(email), sha256(email::bytea), encode(email::bytea, 'hex'), encode(email::bytea, 'base64'), hashtext(email) from people",
  "select translate(email, 'abc', 'xyz'), replace(email, '@', ' at '), overlay(email placing 'x' from 1 for 1), btrim(email, 'g') from people",
  "select regexp_replace(email, '@.*', ''), substring(email from '[a-z]+') from people",
  "select lpad(email, 40), rpad(email, 40), quote_literal(email), quote_ident(email), to_hex(ascii(email)) from people",
  "select case when email like 'g%' then email else ssn end, case email when 'x' then 1 else 2 end from people",
  "select coalesce(email, 'none'), nullif(email, 'x'), greatest(email, 'a'), least(email, 'z') from people",
  "select email = 'grace.hopper@navy.example', email like 'g%', email ~ '^g', email in ('a', 'b'), email is null from people",
  "select salary + 0, -salary, round(salary), salary * 2, salary::int, to_char(salary, '99999D99') from people",
  "select dob + 0, dob::timestamp, extract(year from dob), age(dob), to_char(dob, 'YYYY'), date_trunc('month', dob) from people",
  "select array[email, ssn], row(email, ssn), (array[email])[1], array_to_string(array[email], ',') from people",
  "select row(email, ssn)::card, (row(email, ssn)::card).e from people",
  "select string_to_array(email, '@'), regexp_split_to_array(email, '@') from people",
  "select to_tsvector('simple', email), email collate \"C\" from people",
  "select (select email from people limit 1), array(select ssn from people), exists (select from people where email like 'g%')",
  "select 'grace.hopper@navy.example' in (select email from people), 'x' = any (select ssn from people)",
  // whole rows
  "select p from people p",
  "select p::text, row_to_json(p), to_json(p), to_jsonb(p), json_build_array(p) from people p",
  "select (p).email, (p).ssn from people p",
  "select email_of(p), p.email_of from people p",
  "select row(p.*), p.*::text from people p",
  "select row_to_json(x) from (select email from people) x",
  "select row, doc from everything",
  "select row::text, doc ->> 'email', (row).email from everything",
  "select hstore from (select to_jsonb(p) - 'id' as hstore from people p) x",
  // documents
  "select json_build_object('x', email), jsonb_build_object('x', ssn), to_json(email), to_jsonb(ssn) from people",
  "select xmlelement(name e, email), xmlforest(email, ssn), xmlconcat(xmlelement(name s, ssn))::text from people",
  "select value from people p, json_each_text(row_to_json(p)) where key in ('email', 'ssn')",
  "select x.value from people p, jsonb_path_query(to_jsonb(p), '$.email') as x(value)",
  "select x.e from people p, jsonb_to_record(to_jsonb(p)) as x(e text, email text)",
  "select x.email from people p, jsonb_populate_record(null::people, to_jsonb(p)) x",
  "select x.e from people p, xmltable('/r' passing xmlelement(name r, xmlelement(name e, p.email)) columns e text) x",
  // aggregates and windows
  "select max(email), min(ssn), sum(salary), avg(salary), count(email), count(distinct email) from people",
  "select array_agg(email), string_agg(email, ','), json_agg(email), jsonb_agg(ssn), json_object_agg(email, ssn) from people",
  "select array_agg(p), json_agg(p) from people p",
  "select max(email) filter (where ssn is not null), string_agg(email, ',' order by email) from people",
  "select bool_or(email like 'g%'), percentile_disc(0.5) within group (order by salary), mode() within group (order by email) from people",
  "select first_value(email) over (), lag(email) over (order by salary), max(ssn) over (partition by email), nth_value(email, 1) over () from people",
  "select rank() over (order by salary), row_number() over (order by email), ntile(2) over (order by email) from people",
  "select email from people group by email",
  "select upper(email) from people group by upper(email) having count(*) > 0",
  "select email from people group by rollup (email)",
  "select xmlagg(xmlelement(name e, email)) from people",
  // set operations and other sources
  "select email from people union select ssn from people",
  "select email from people intersect select email from people",
  "select email from people except select 'x'",
  "select 'x' where false union all select email from people",
  "select v from united",
  "select v.column1 from people p, lateral (values (p.email), (p.ssn)) v",
  "select u from people p, unnest(array[p.email, p.ssn]) u",
  "select u from unnest(array(select email from people)) u",
  "select regexp_split_to_table(email, '') from people",
  "select string_to_table(email, '@') from people",
  "select regexp_matches(email, '(.)') from people",
  "select generate_series(1, length(email)) from people",
  "select chr(ascii(substr(email, n, 1))) from people, generate_series(1, 5) n",
  // views and what is generated
  "select lowered from contacts",
  "select b from over_contacts",
  "select h from stored",
  "select address_line || '' from contacts",
  "select upper(a), c.lowered from over_contacts o join contacts c using (id)",
  "select contacts.address_line, (contacts).lowered from contacts",
  "select lower(shout) from people",
  "select l from called",
  "select substr(iban, 1, 4) from payments",
  "select max(email) from staff",
  // functions
  "select leak(1)",
  "select * from leak(1)",
  "select a, b from leak_table()",
  "select email from leaks()",
  "select (leaks()).email",
  "select * from leak_out()",
  "select query_to_xml('select email from people', true, false, '')",
  "select table_to_xml('people', true, false, '')",
  // changes that give something back
  "update people set name = name returning email",
  "update people set name = name returning upper(email), people.ssn || ''",
  "insert into notes select 9, email from people where id = 1 returning body",
  "update notes set body = email from people where people.id = 1 and notes.id = 1 returning body",
  "with u as (update people set name = name returning email) select email from u",
  "with u as (update people set name = name returning email) select max(email) from u",
  "insert into notes values (8, (select email from people where id = 1)) returning body || ''",
  "delete from notes where id = 1 returning (select email from people where id = 1)",
];

/** Each sequence shows a masked value somewhere on a direct connection. */
const sequences: Readonly<Record<string, readonly string[]>> = {
  "a cursor over an expression": [
    "begin",
    "declare c cursor for select upper(email), ssn || '' from people",
    "fetch all from c",
    "move backward all in c",
    "fetch 1 from c",
    "rollback",
  ],
  "a cursor over a view": ["begin", "declare c scroll cursor for select * from over_contacts", "fetch all from c", "rollback"],
  "a cursor in binary": ["begin", "declare c binary cursor for select lowered, address_line from contacts", "fetch all from c", "rollback"],
  "a prepared statement of SQL": ["prepare q as select email || '' from people", "execute q", "deallocate q"],
  "COPY of a table, a view and columns of them": [
    "copy people to stdout",
    "copy (select * from contacts) to stdout",
    "copy people (email, ssn) to stdout with csv",
  ],
  "COPY of expressions": [
    "copy (select upper(email), ssn || '', count(*) from people group by 1, 2) to stdout",
    "copy (select to_jsonb(p) from people p) to stdout (format csv)",
  ],
  "COPY in binary": ["copy (select email || '', lowered from people join contacts using (id)) to stdout (format binary)"],
  "COPY of what a change returns": ["copy (update people set name = name returning email || '', shout) to stdout"],
  "several statements in one query": ["select 1; select email || '' from people; select count(*), max(ssn) from people"],
  "a view of the same transaction": [
    "begin",
    "create view fresh as select email as x, 1 as y from people",
    "select x from fresh",
    "select x || '' from fresh",
    "rollback",
  ],
  "a view that is replaced": [
    "create view swap as select name as x from people",
    "select x from swap",
    "create or replace view swap as select email::text as x from people",
    "select x from swap",
    "select x || '' from swap",
    "drop view swap",
  ],
  "a column that is renamed": [
    "begin",
    "alter table people rename email to innocent",
    "select innocent from people",
    "commit",
    "select innocent from people",
    "alter table people rename innocent to email",
  ],
  "a table that is renamed": ["alter table people rename to persons", "select email, email || '' from persons", "alter table persons rename to people"],
  "a column that is added": [
    "alter table people add column quiet text generated always as (lower(email)) stored",
    "select quiet from people",
    "alter table people drop column quiet",
  ],
  "a partition that is attached": [
    "create table payments_2030 (day date, iban text)",
    "insert into payments_2030 values ('2030-01-02', 'DE02120300000000202051')",
    "alter table payments attach partition payments_2030 for values from ('2030-01-01') to ('2031-01-01')",
    "select iban from payments_2030",
    "drop table payments_2030",
  ],
  "a function that is made and called": [
    "create function now_leak() returns text language sql as 'select email from people limit 1'",
    "select now_leak()",
    "drop function now_leak()",
  ],
  "a rule that answers": [
    "create rule answer as on update to notes do instead update people set name = name returning id, email",
    "update notes set id = 1 returning body",
    "drop rule answer on notes",
  ],
  "the samples of the planner": [
    "select most_common_vals, histogram_bounds from pg_stats where tablename = 'crowd'",
    "select max(most_common_vals::text) from pg_stats where tablename = 'crowd'",
  ],
};
const fragments = /hopper|navy|engine|078-05|1120|98765|1906-12|DE0212/i;

/** What the policy does not speak of, and stays readable. */
const harmless: readonly string[] = [
  "select count(*) from people",
  "select now() is not null as now, 1 as one, 'text' as text, version() is not null as v",
  "select id, name from people order by id",
  "select upper(name), name || '!', max(id) over () from people order by 1",
  "select name, count(*) from people group by name order by 1",
  "select id, loud from contacts order by id",
  "select string_agg(name, ',' order by id) from people",
  "select generate_series(1, 3)",
  "select id from stored order by id",
  "select n.body from notes n where id = 0 union all select 'x'",
  "select relname, relkind, pg_get_userbyid(relowner) from pg_class where relname = 'people'",
  "select a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid) from pg_attribute a left join pg_attrdef d on adrelid = attrelid and adnum = attnum where attrelid = 'notes'::regclass and attnum > 0",
  "select table_name, column_name, data_type from information_schema.columns where table_name = 'notes' order by 2",
  "show server_version",
  "explain (costs off) select upper(email) from people where email = 'x'",
  "select day from payments",
  "select desk, id + 1 from staff",
  "select json_build_object('id', id, 'name', name) from people order by id",
  "select current_user is not null, current_database()",
  "select * from notes where id = 0",
];

type Cells = readonly unknown[];
const rows = async (client: Client, text: string, more: { name?: string; binary?: boolean } = {}): Promise<readonly Cells[]> => {
  const result: QueryArrayResult<unknown[]> = await client.query({ text, rowMode: "array", ...more });
  return result.rows;
};
/** Whole, in part, or as a hash. */
const isMasked = (cell: unknown): boolean => cell === null || (typeof cell === "string" && /^(?:\*+[-*\d]*|[0-9a-f]{16})$/.test(cell));

describeOnEach("what is made of a masked column", (flavour) => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  let direct: Client;
  let client: Client;
  before(async () => {
    stack = await Stack.start(cleanup, { targetFlavour: flavour, targetAuth: "password", policy });
    direct = await stack.connectDirect();
    await direct.query(schema);
    client = await stack.connect();
  });

  for (const [index, sql] of ways.entries()) {
    it(`is masked: ${sql}`, async () => {
      await direct.query("begin");
      const open = await rows(direct, sql);
      await direct.query("rollback");
      assert.ok(open.length > 0 && open.flat().every((cell) => cell === null || !isMasked(cell)), "without the gateway there is something to see");
      for (const how of [{}, { name: `way${index}` }]) {
        await client.query("begin");
        const seen = await rows(client, sql, how);
        await client.query("rollback");
        assert.equal(seen.length, open.length);
        for (const cell of seen.flat()) assert.ok(isMasked(cell), `${JSON.stringify(cell)} is shown`);
      }
    });
  }

  for (const [name, texts] of Object.entries(sequences)) {
    it(`is masked by other means: ${name}`, async () => {
      for (const [wire, shown] of [
        [await openDirectWire(cleanup, stack), true],
        [await openWire(cleanup, stack), false],
      ] as const) {
        for (const text of texts) {
          const answered = wire.more("Z", 1);
          wire.write(query(text));
          await answered;
        }
        wire.destroy();
        const said = heard(wire);
        assert.equal(fragments.test(said.replace(/relation "[^"]*"/g, "")), shown, said.slice(-600));
        assert.doesNotMatch(said, /ERROR/, said.slice(-600));
      }
    });
  }

  it("is masked in a portal that is another one for the target, which converts its name and cuts it off", async () => {
    const wire = await openWire(cleanup, stack, "ana", { client_encoding: "LATIN1" });
    const [first, second] = ["x", "y"].map((last) => Buffer.from("é".repeat(32) + last, "latin1")) as [Buffer, Buffer];
    const bindTo = (portal: Buffer, statement: string): Buffer => message("B", portal, `\0${statement}\0`, Buffer.alloc(6));
    const answered = wire.more("Z", 1);
    wire.write(
      Buffer.concat([
        parse("select 'nothing'::text || '!'", "a"),
        parse("select email || '!' from people", "b"),
        bindTo(first, "a"),
        message("C", "P", second, "\0"),
        bindTo(second, "b"),
        message("E", first, "\0", Buffer.alloc(4)),
        sync,
      ]),
    );
    await answered;
    wire.destroy();
    assert.match(wire.types, /^11232D+CZ$/u);
    assert.doesNotMatch(heard(wire), fragments);
  });

  it("is masked in a view that somebody else has just made, or replaced", async () => {
    await direct.query("create view theirs as select email as x from people");
    assert.ok((await rows(client, "select x from theirs")).flat().every(isMasked));
    await direct.query("drop view theirs; create view theirs as select upper(email) as x from people");
    assert.ok((await rows(client, "select x, x || '' from theirs")).flat().every(isMasked));
  });

  it("is all that is masked of the COPY of a whole table, which leaves generated columns out", async () => {
    const copied = async (...texts: readonly string[]): Promise<readonly string[]> => {
      const wire = await openWire(cleanup, stack);
      for (const text of texts) {
        const answered = wire.more("Z", 1);
        wire.write(query(text));
        await answered;
      }
      wire.destroy();
      return wire.messages.filter(({ type }) => type === "d").map(({ bytes }) => bytes.subarray(5).toString());
    };
    const shown = "1\tGrace\t****\t*********20\t****\t\\N\n";
    assert.deepEqual((await copied("copy people to stdout")).slice(0, 1), [shown]);
    assert.deepEqual((await copied("copy people to stdout csv")).slice(0, 1), ['1,Grace,"****","*********20","****",\n']);
    assert.match((await copied("copy people to stdout (format binary)")).join(""), /Grace/);
    // Nobody else can see yet which columns of the table are generated.
    const swap = "alter table people alter shout drop expression, add column calm text generated always as (lower(name)) stored";
    const erased = await copied("begin", swap, "copy people to stdout", "rollback");
    assert.deepEqual(erased.slice(0, 1), [`${Array.from({ length: 7 }, () => "****").join("\t")}\n`]);
    assert.deepEqual((await copied(swap, "copy people to stdout")).slice(0, 1), [`${shown.trimEnd()}\t****\n`]);
    await direct.query("alter table people drop column calm, drop column shout");
    await direct.query("alter table people add column shout text generated always as (upper(email)) stored");
  });

  for (const sql of harmless) {
    it(`is not: ${sql}`, async () => {
      for (const how of [{}, { name: sql.slice(0, 60) }]) assert.deepEqual(await rows(client, sql, how), await rows(direct, sql));
    });
  }
});
