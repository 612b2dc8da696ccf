import assert from "node:assert/strict";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { TestProcess } from "../support/process.ts";
import { type Person, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";

/** Some of everything that pg_dump asks for. */
const schema = `
  create schema sales;
  create type sales.state as enum ('new', 'paid');
  create domain sales.amount as numeric check (value >= 0);
  create table sales.customers (id serial primary key, name text not null, email text, born date);
  create table sales.orders (
    id bigint generated always as identity primary key,
    customer int references sales.customers on delete cascade,
    state sales.state default 'new',
    total sales.amount,
    tax numeric generated always as (total * 0.2) stored,
    note text collate "C"
  );
  create table sales.events (at date not null, what jsonb) partition by range (at);
  create table sales.events_2026 partition of sales.events for values from ('2026-01-01') to ('2027-01-01');
  create index orders_by_state on sales.orders (state) where state = 'new';
  create statistics sales.together on customer, state from sales.orders;
  create view sales.open_orders as select id, customer, total from sales.orders where state = 'new';
  create materialized view sales.totals as select customer, sum(total) as total from sales.orders group by customer;
  create function sales.stamp() returns trigger language plpgsql as $$ begin new.note := coalesce(new.note, 'stamped'); return new; end $$;
  create trigger stamp before insert on sales.orders for each row execute function sales.stamp();
  create function sales.double(n int) returns int language sql immutable as 'select n * 2';
  create aggregate sales.total (int) (sfunc = int4pl, stype = int, initcond = '0');
  create rule quiet as on delete to sales.events do instead nothing;
  alter table sales.customers enable row level security;
  create policy all_of_them on sales.customers using (true);
  comment on table sales.customers is 'Who buys';
  comment on column sales.customers.email is 'Where to write';
  create sequence sales.tickets start 100 increment 10;
  create text search configuration sales.words (copy = simple);
  create collation sales.plain (locale = 'C');
  create publication news for table sales.orders;
  insert into sales.customers (name, email, born) select 'name ' || n, 'who' || n || '@example.org', '1990-01-01' from generate_series(1, 50) n;
  insert into sales.orders (customer, total) select n, n from generate_series(1, 50) n;
  insert into sales.events values ('2026-05-05', '{"a": 1}');
  refresh materialized view sales.totals;
  analyze;
`;

const LARGE_OBJECT = "select lo_from_bytea(0, 'a large object')";

/** Every kind of thing that psql describes, with the details where there are some. */
const kinds =
  "d d+ da+ dA+ dAc+ dAf+ dAo+ dAp+ db+ dc+ dC+ dconfig dd dD+ ddp dE+ des+ det+ deu+ dew+ df+ dF+ dFd+ dFp+ dFt+ dg+ di+ dl+ dL+ dm+ dn+ do+ dO+ dp dP+ drds dRp+ dRs+ ds+ dS dt+ dT+ du+ dv+ dx+ dX dy+ l z";
const describing = [
  "set search_path = sales, public;",
  ...kinds.split(" ").map((kind) => `\\${kind}`),
  "\\sf sales.stamp",
  "\\sv sales.open_orders",
  ...["customers", "orders", "events", "totals", "open_orders", "tickets"].map((name) => `\\d+ sales.${name}`),
].join("\n");

describe("tools of PostgreSQL 15, under the starter policy", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;

  before(async () => {
    stack = await Stack.start(cleanup, { targetFlavour: "debian15" });
    await (await stack.connectDirect()).query(schema);
  });

  async function run(person: Person | undefined, tool: string, args: readonly string[], input = "") {
    const env = { ...(person === undefined ? stack.directEnv() : stack.gatewayEnv(person)), PGAPPNAME: tool };
    const process = TestProcess.start(cleanup, tool, args, { env, cwd: stack.folder, input });
    const { status } = await process.exited;
    return { status, stdout: process.stdout.replaceAll(/^\\(un)?restrict .*$/gmu, ""), stderr: process.stderr };
  }

  const masked = (text: string): string => text.replaceAll(/who\d+@example\.org/gu, (email) => partly.get(email) ?? "not masked");
  const partly = new Map<string, string>();

  for (const person of ["bo", "ana"] as const) {
    describe(person === "bo" ? "whoever may only read" : "whoever may also write", () => {
      before(async () => {
        const { rows } = await (await stack.connectDirect()).query<{ email: string }>("select email from sales.customers order by id");
        const shown = await (await stack.connect(person)).query<{ email: string }>("select email from sales.customers order by id");
        for (const [index, { email }] of rows.entries()) partly.set(email, shown.rows[index]?.email ?? "");
        assert.ok(rows.length > 0 && rows.every(({ email }) => partly.get(email) !== email));
      });

      it("dumps the schema as on a direct connection", async () => {
        assert.deepEqual(await run(person, "pg_dump", ["--schema-only"]), await run(undefined, "pg_dump", ["--schema-only"]));
      });

      for (const args of [["--no-blobs"], ["--data-only", "--inserts", "--no-blobs"], ["--table=sales.customers", "--column-inserts", "--rows-per-insert=7"]]) {
        it(`dumps data, masked: ${args.join(" ")}`, async () => {
          const direct = await run(undefined, "pg_dump", args);
          assert.equal(direct.status, 0, direct.stderr);
          assert.match(direct.stdout, /who7@example\.org/u);
          assert.deepEqual(await run(person, "pg_dump", args), { ...direct, stdout: masked(direct.stdout) });
        });
      }

      it("writes an archive that pg_restore reads, masked", async () => {
        const archive = join(stack.folder, `${person}.dump`);
        const { status, stderr } = await run(person, "pg_dump", ["--format=custom", "--no-blobs", "--file", archive]);
        assert.deepEqual([status, stderr], [0, ""]);
        const { stdout } = await run(undefined, "pg_restore", ["--data-only", "--file=-", archive]);
        assert.match(stdout, /name 7\t/u);
        assert.doesNotMatch(stdout, /who7@example/u);
      });

      it("has psql describe everything as on a direct connection", async () => {
        const direct = await run(undefined, "psql", ["-XAt", "-f", "-"], describing);
        // The server itself refuses some to this user: in the same words.
        assert.match(direct.stdout, /Who buys/u);
        assert.deepEqual(await run(person, "psql", ["-XAt", "-f", "-"], describing), direct);
      });
    });
  }

  it("dumps in parallel for whoever may write, since a snapshot that others use is more than reading", async () => {
    const parallel = (person: Person) =>
      run(person, "pg_dump", ["--format=directory", "--jobs=2", "--no-blobs", "--file", join(stack.folder, `${person}.parallel`)]);
    const { status, stderr } = await parallel("bo");
    assert.equal(status, 1);
    assert.match(stderr, /a command of class write/u);
    assert.deepEqual(await parallel("ana"), { status: 0, stdout: "", stderr: "" });
  });

  it("says why it does not dump large objects: their bytes have no column that could tell what to mask", async () => {
    await (await stack.connectDirect()).query(LARGE_OBJECT);
    const { status, stderr } = await run("bo", "pg_dump", []);
    assert.equal(status, 1);
    assert.match(stderr, /could not open large object \d+: ERROR: {2}Refused by policy\./u);
  });
});
