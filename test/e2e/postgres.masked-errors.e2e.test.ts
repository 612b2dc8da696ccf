import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { bind, execute, parse, query, sync } from "../support/frontend-messages.ts";
import { maskingPolicy } from "../support/policies.ts";
import { Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { openDirectWire, openWire } from "./gateway-wire.ts";

const schema = `
  create table customers (id int primary key, name text, secret text);
  insert into customers values (1, 'Ada', 'quokka'), (2, 'Bob', 'nom.de.la.quokka');
  create view named as select * from customers where name <> secret with check option;
  create table loud (id int);
  create function shout() returns trigger language plpgsql as $$ begin raise exception 'loud: %', (select secret from customers where id = 1); end $$;
  create trigger shout before insert on loud for each row execute function shout();
  create function seek(text) returns oid language plpgsql as $$ begin return $1::regclass; end $$;
  create table notes as select secret from customers;
  create table sampled as select secret from customers;
  create statistics of_names on (secret::regclass), secret from sampled;`;

/** The value, however it is written. */
const shows = /quokka/i;
const of = (id: number, made: string): string => `select ${made} from customers where id = ${id}`;

/** Directly, the error says what is masked. The policy here lets all of it run, as an approval would. */
const leaks: readonly string[] = [
  of(1, "secret::regclass"),
  of(2, "secret::regclass"),
  of(1, "secret::regtype"),
  of(1, "secret::regproc"),
  of(1, "(secret || '(int)')::regprocedure"),
  of(1, "secret::regoper"),
  of(1, "secret::regrole"),
  of(1, "secret::regnamespace"),
  of(1, "secret::regcollation"),
  of(1, "secret::regconfig"),
  of(1, "(secret || '.x')::regclass"),
  of(1, "('a.b.' || secret)::regclass"),
  of(1, "('a b ' || secret)::regtype"),
  of(1, "nextval(secret)"),
  of(1, "currval(secret)"),
  of(1, "set_config(secret, 'x', false)"),
  of(1, "set_config('search_path', '\"' || secret, false)"),
  of(1, "current_setting(secret)"),
  of(1, "current_setting('my.' || secret)"),
  of(1, "pg_get_viewdef(secret)"),
  of(1, "pg_get_serial_sequence(secret, 'id')"),
  of(1, "pg_get_serial_sequence('customers', secret)"),
  of(1, "has_table_privilege(secret, 'select')"),
  of(1, "has_table_privilege('customers', secret)"),
  of(1, "has_column_privilege('customers', secret, 'select')"),
  of(1, "has_schema_privilege(secret, 'usage')"),
  of(1, "has_function_privilege(secret || '(int)', 'execute')"),
  of(1, "pg_has_role(secret, 'usage')"),
  of(1, "cursor_to_xml(secret::refcursor, 1, false, false, '')"),
  of(1, "query_to_xml('select * from ' || secret, false, false, '')"),
  of(1, "query_to_xml(secret, false, false, '')"),
  of(1, "table_to_xml(secret::text::regclass, false, false, '')"),
  of(1, "convert('x'::bytea, secret, 'UTF8')"),
  of(1, "has_type_privilege('a ' || secret, 'usage')"),
  of(1, "pg_advisory_lock(secret::regclass::oid::int)"),
  of(1, "to_tsvector(secret::regconfig, 'x')"),
  of(1, "timezone(secret, now())"),
  of(1, "seek(secret)"),
  of(1, "nextval(repeat(secret, 20))"),
  "select id from customers where secret::regclass = 1",
  "delete from customers where secret::regclass = 1",
  "update customers set name = current_setting(secret)",
  "copy (select secret::regclass from customers) to stdout",
  "explain analyze select secret::regclass from customers",
  "create table made as select secret::regclass from customers",
  "alter table notes alter secret type regclass",
  "analyze sampled",
  "vacuum analyze sampled",
  "vacuum (full, analyze) sampled",
  "prepare p as select secret::regclass from customers; execute p",
  "begin; declare c cursor for select secret::regclass from customers; fetch c",
  "drop table if exists none; select secret::regclass from customers",
  "update named set name = secret",
  "insert into loud values (1)",
  "do $$ begin raise exception 'it is %', (select secret from customers where id = 1); end $$",
  "do $$ begin raise notice 'it is %', (select secret from customers where id = 1); end $$",
  "do $$ begin raise sqlstate '42P01' using message = 'it is', hint = (select secret from customers where id = 1); end $$",
  "do $$ begin raise sqlstate '40001' using message = 'it is', detail = (select secret from customers where id = 1); end $$",
  "do $$ begin raise unique_violation using message = 'it is', constraint = (select secret from customers where id = 1); end $$",
  "do $$ begin raise exception 'x' using column = (select secret from customers where id = 1), table = 't', schema = 's'; end $$",
  "do $$ begin raise warning 'x' using datatype = (select secret from customers where id = 1); end $$",
  "do $$ begin assert false, (select secret from customers where id = 1); end $$",
  "do $$ begin execute 'select ' || (select secret from customers where id = 1); end $$",
  "do $$ begin execute 'select 1 + ''' || (select secret from customers where id = 1) || ''''; end $$",
  "do $$ begin execute 'drop table ' || (select secret from customers where id = 1); end $$",
];

/** What people and their drivers live by: these are said in full. */
const everyday: readonly string[] = [
  "select * from custmers",
  "select emial from customers",
  "select c.id from customers",
  "select nope(1)",
  "select 'abc'::int",
  "select * from customers where id = 'abc'",
  "select '2020-13-45'::date",
  "selct 1",
  "select 1 +",
  "insert into customers (id, nmae) values (1, 'x')",
  "insert into customers values (1, 'x', 'y', 'z')",
  "update customers set nmae = 'x'",
  "select * from nowhere.customers",
  "drop table custmers",
  "drop table if exists custmers",
  "truncate custmers",
  "create table customers (id int)",
  "create table if not exists customers (id int)",
  "alter table customers drop column nope",
  "alter table customers rename nope to x",
  "drop schema nowhere",
  "set nope = 1",
  "show nope",
  "grant select on customers to nobody",
  "deallocate nope",
  "execute nope",
  "close nope",
  "savepoint s",
  "rollback to nope",
  "begin; lock table custmers",
  "create function f() returns int language plpgsql as $$ begin retrun 1; end $$",
  "create function f() returns int language sql as $$ select nope from customers $$",
  "begin; select 1/0; select 1",
  "begin; set transaction read only; delete from customers",
];

describe("errors where columns are masked, under a policy that lets everything run", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup, { targetAuth: "password", targetFlavour: "embedded18", policy: maskingPolicy("customers.secret:full", "email") });
    await (await stack.connectDirect()).query(schema);
  });

  /** Errors and notices, by field; what was answered beside them does not matter here. */
  async function told(way: "direct" | "gateway", message: Buffer): Promise<string> {
    const client = await (way === "direct" ? openDirectWire(cleanup, stack) : openWire(cleanup, stack));
    client.messages.length = 0;
    client.write(message);
    await client.until((messages) => messages.some(({ type }) => type === "Z"));
    client.destroy();
    const said = client.messages.filter(({ type }) => type === "E" || type === "N");
    return said.map(({ bytes }) => bytes.subarray(5).toString().split("\0").join("\n")).join("\n");
  }

  for (const sql of leaks) {
    it(`tell nothing of a value: ${sql}`, async () => {
      assert.match(await told("direct", query(sql)), shows, "no way at all: directly, nothing shows");
      const said = await told("gateway", query(sql));
      assert.doesNotMatch(said, shows);
      assert.match(said, /\*{4}/, "there must be an answer of the target");
      if (!sql.includes(";")) assert.doesNotMatch(await told("gateway", Buffer.concat([parse(sql), bind(), execute(), sync])), shows);
    });
  }

  for (const sql of everyday) {
    it(`stay whole: ${sql}`, async () => {
      const said = await told("gateway", query(sql));
      assert.equal(said, await told("direct", query(sql)));
      assert.ok(!said.includes("****"));
    });
  }
});
