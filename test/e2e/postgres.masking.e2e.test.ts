import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { bind, describePortal, describeStatement, execute, flush, functionCall, parse, query, sync } from "../support/frontend-messages.ts";
import { maskingPolicy } from "../support/policies.ts";
import { residentBytes } from "../support/process-usage.ts";
import { isType, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import type { WireClient } from "../support/wire-client.ts";
import { heard, openDirectWire, openWire } from "./gateway-wire.ts";

const secrets = ["grace.hopper@navy.example.com", "078-05-1120", "4111111111111111", "1906-12-09", "+1 202-555-0143"];
const schema = `
  create table people (id int primary key, name text, email text, ssn text, card_number text, phone text, dob date, note text);
  insert into people values (1, 'Grace', 'grace.hopper@navy.example.com', '078-05-1120', '4111111111111111', '+1 202-555-0143', '1906-12-09',
    'reach me: grace.hopper@navy.example.com, card 4111111111111111');
  create view contacts as select id, email as address_line, ssn as number from people;
  create function leak(int) returns text language sql as 'select email || ssn from people where id = $1';
  create function people_cursor() returns refcursor language plpgsql as $$ declare c refcursor := 'made'; begin open c for select * from people; return c; end $$;
  create table many as select n as id, 'user' || n || '@example.com' as email from generate_series(1, 20000) n;
  create table crowd as select n as id, 'grace.hopper@navy.example.com' as email from generate_series(1, 100) n;
  analyze`;

type Talk = (client: WireClient) => Promise<void>;
const say =
  (...steps: readonly (readonly [Buffer, string, number?])[]): Talk =>
  async (client) => {
    for (const [bytes, type, count] of steps) {
      const answered = client.more(type, count ?? 1);
      client.write(bytes);
      await answered;
    }
  };
const simple = (...sql: readonly string[]): Talk => say(...sql.map((text) => [query(text), "Z"] as const));
const talkedTo = async (client: WireClient, talk: Talk): Promise<string> => {
  await talk(client);
  client.destroy();
  return heard(client);
};
const leaked = (said: string): readonly string[] => secrets.filter((secret) => said.includes(secret));
const group = (...messages: readonly Buffer[]): readonly [Buffer, string] => [Buffer.concat([...messages, sync]), "Z"];

describe("masking under the starter policy", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup, { targetAuth: "password" });
    await (await stack.connectDirect()).query(schema);
  });

  /** Each shows every secret on a direct connection, or some of them. */
  const ways: Readonly<Record<string, Talk>> = {
    "all columns": simple("select * from people"),
    "all columns, twice over": simple("select p.*, q.* from people p join people q using (id)"),
    "other names for the columns": simple('select email as e, ssn as s, dob as d, card_number c, phone as "Reached by" from people'),
    "a join, a CTE and a subquery": simple(
      "with p as (select * from people) select e from (select email as e from p) x",
      "select (select ssn from people limit 1)",
    ),
    "a view that renames": simple("select * from contacts"),
    "upper case, and an expression around it": simple("select 'to: ' || email, note || '!' from people"),
    // A date inside of something else is neither a column nor something that can be told from its looks.
    "the whole row, an array, JSON": simple(
      "select p from (select email, ssn, card_number, phone, note from people) p",
      "select array_agg(email) from people",
      "select jsonb_agg(p) from (select email, ssn, card_number, phone, note from people) p",
      "select jsonb_build_object('x', email) from people",
    ),
    "binary format": say(
      group(parse("select email, ssn, card_number, phone, dob, note from people"), bind({ resultFormats: [1] }), describePortal(), execute()),
    ),
    "binary format, each column its own": say(
      group(
        parse("select email, ssn, dob from people", "m"),
        bind({ statement: "m", resultFormats: [1, 0, 1] }),
        describePortal(),
        execute(),
        bind({ statement: "m", resultFormats: [0, 1, 0] }),
        execute(),
      ),
    ),
    "no Describe at all": say(group(parse("select * from people"), bind(), execute())),
    "a prepared statement executed twice, never described": say(
      group(parse("select * from people where id = $1", "twice")),
      group(bind({ statement: "twice", values: ["1"] }), execute()),
      group(bind({ statement: "twice", values: ["1"], resultFormats: [1] }), execute()),
    ),
    "a statement described, executed in a later group": say(
      group(parse("select * from people", "later"), describeStatement("later")),
      group(bind({ statement: "later" }), execute()),
      group(bind({ statement: "later" }), execute()),
    ),
    "a portal taken row by row": say(
      group(parse("begin"), bind(), execute()),
      group(parse("select * from crowd"), bind({ portal: "p" }), execute("p", 1)),
      group(execute("p", 1)),
      group(execute("p", 5), execute("p")),
    ),
    "Flush between the messages": say(
      [Buffer.concat([parse("select * from people", "f"), flush]), "1"],
      [Buffer.concat([bind({ statement: "f" }), flush]), "2"],
      [Buffer.concat([execute(), flush]), "C"],
      [sync, "Z"],
    ),
    "a cursor": simple("begin", "declare c cursor for select * from people", "fetch all from c", "commit"),
    "a cursor in binary": simple("begin", "declare c binary cursor for select email, ssn, dob from people", "fetch all from c", "commit"),
    "RETURNING": simple(
      "update people set name = name where id = 1 returning *",
      "insert into people (id, email, ssn, dob) select 2, email, ssn, dob from people where id = 1 returning email, ssn, dob",
      "with gone as (delete from people where id = 2 returning *) select * from gone",
    ),
    "several statements in one query": simple("select 1; select email from people; select ssn as s, dob from people"),
    "COPY of a table": simple("copy people to stdout"),
    "COPY of some columns": simple(
      "copy people (dob, email, ssn) to stdout (format csv, header)",
      "copy people (ssn, phone) to stdout with (delimiter '|', null 'x')",
    ),
    "COPY of a query": simple("copy (select email as e, ssn as s, dob as d from people) to stdout"),
    "COPY in binary": simple("copy people to stdout (format binary)", "copy (select dob, email from people) to stdout (format binary)"),
    "COPY by the extended protocol": say(group(parse("copy people to stdout"), bind(), execute())),
    "an error that quotes a value": simple("select note::uuid from people"),
    "statistics of the planner": simple(
      "select * from pg_stats where tablename in ('crowd', 'people')",
      "select most_common_vals from pg_stats where tablename = 'crowd'",
    ),
  };
  for (const [name, talk] of Object.entries(ways)) {
    it(`lets no secret out: ${name}`, async () => {
      assert.notDeepEqual(leaked(await talkedTo(await openDirectWire(cleanup, stack), talk)), [], "without the gateway there is something to see");
      assert.deepEqual(leaked(await talkedTo(await openWire(cleanup, stack), talk)), []);
    });
  }

  it("says in the record which columns were masked, and how many cells", async () => {
    const client = await stack.connect("ana", { application_name: "counted" });
    await client.query("select id, email, ssn from people union all select 2, null, null");
    await client.end();
    const requested = (await stack.events("session-")).find((event) => event.type === "SessionRequested" && event.data.application === "counted");
    const completed = (await stack.events(requested?.stream ?? "")).find(isType("CommandCompleted"));
    assert.equal(completed?.data.rows, 2);
    // NULLs as well: of a union, nothing but the statement tells where its values come from.
    assert.deepEqual(completed.data.maskedCells, { email: 2, ssn: 2 });
  });

  it("releases no more rows than the cap, and says so", async () => {
    const client = await openWire(cleanup, stack, "ana", { application_name: "capped" });
    await simple("select id from many", "copy (select id from many) to stdout", "select 'alive'")(client);
    assert.equal(client.messages.filter(({ type }) => type === "D").length, 10_001);
    assert.equal(client.messages.filter(({ type }) => type === "d").length, 10_000);
    assert.match(heard(client), /withheld|cap/iu);
    const requested = (await stack.events("session-")).find((event) => event.type === "SessionRequested" && event.data.application === "capped");
    const completed = (await stack.events(requested?.stream ?? "")).filter(isType("CommandCompleted"));
    assert.deepEqual(
      completed.map(({ data }) => [data.rows, data.withheldRows]),
      [
        [10_000, 10_000],
        [10_000, 10_000],
        [1, 0],
      ],
    );
  });

  it("passes what is not sensitive through as it is", async () => {
    const sql = "select id, name, 3.14::float8 as pi, '2026-01-01'::date as day from people";
    assert.deepEqual((await (await stack.connect()).query(sql)).rows, (await (await stack.connectDirect()).query(sql)).rows);
  });

  it("passes a value of 64 MiB, of digits at that, and grows no memory by more than it", async () => {
    const MIB = 1_048_576;
    const before_ = residentBytes(stack.agent.pid);
    const client = await stack.connect();
    const { rows } = await client.query<{ length: number; value: string }>(
      "select length(v), v as value from (select repeat('0123456789abcdef', 4194304) as v) x",
    );
    assert.equal(rows[0]?.length, 64 * MIB);
    assert.equal(rows[0].value.length, 64 * MIB);
    const growth = residentBytes(stack.agent.pid) - before_;
    assert.ok(growth < 512 * MIB, `the agent grew by ${growth} bytes`);
    assert.deepEqual((await client.query("select 1 as one")).rows, [{ one: 1 }]);
  });
});

describe("masking where everything may run", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup, {
      targetAuth: "password",
      policy: maskingPolicy("*.email:partial, *.ssn:full, *.dob:null, *.card_number:full, *.phone:partial", "email, card, ssn, phone"),
    });
    await (await stack.connectDirect()).query(schema);
  });

  const ways: Readonly<Record<string, Talk>> = {
    "a prepared statement of SQL": simple("prepare p as select * from people", "execute p", "execute p"),
    "a prepared statement of SQL, bound by the protocol": say(
      [query("prepare q as select * from people"), "Z"],
      group(bind({ statement: "q" }), execute()),
      group(bind({ statement: "q", resultFormats: [1] }), execute()),
    ),
    "a cursor that a function opened": simple("begin", "select people_cursor()", "fetch all from made", "commit"),
    "a cursor of SQL, executed by the protocol": say([query("begin; declare d cursor for select * from people"), "Z"], group(execute("d")), [
      query("commit"),
      "Z",
    ]),
    "a notice": simple(
      "do $$ declare r record; begin for r in select * from people loop raise notice '% has %', r.name, r.email using detail = r.ssn, hint = r.card_number; end loop; end $$",
    ),
    // The starter policy does not let these run: that a cast fails is an answer, too.
    "errors that quote a value": simple("select email::int from people", "select ssn::date from people"),
    "an error that the code raises": simple(
      "do $$ declare r record; begin select * into r from people; raise exception 'wrong: %', r.email using detail = r.ssn; end $$",
    ),
    "a notification": simple("listen leak", "select pg_notify('leak', email || ' ' || ssn) from people", "select 1"),
    "the result of a function called by OID": async (client) => {
      const oid = Number((await (await stack.connectDirect()).query<{ oid: string }>("select 'leak(int)'::regprocedure::oid::text as oid")).rows[0]?.oid);
      await say([functionCall(oid, "1"), "Z"])(client);
    },
  };
  for (const [name, talk] of Object.entries(ways)) {
    it(`lets no secret out: ${name}`, async () => {
      assert.notDeepEqual(leaked(await talkedTo(await openDirectWire(cleanup, stack), talk)), [], "without the gateway there is something to see");
      assert.deepEqual(leaked(await talkedTo(await openWire(cleanup, stack), talk)), []);
    });
  }
});
