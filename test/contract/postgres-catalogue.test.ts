import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { Catalogue, CATALOGUE_FRESH_MS, nothingUnlearnt } from "../../edge-agent/src/targets/postgres/catalogue/catalogue.ts";
import { CatalogueConnection } from "../../edge-agent/src/targets/postgres/catalogue/catalogue-connection.ts";
import { MAX_FORMER } from "../../edge-agent/src/targets/postgres/catalogue/relation.ts";
import { traceColumns } from "../../edge-agent/src/targets/postgres/trace-columns.ts";
import type { Lineage, Origin } from "../../edge-agent/src/masking/lineage.ts";
import type { Client } from "pg";
import { describeOnEach, startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { resourceOf, timeouts } from "./postgres-target-server.ts";

const schema = `
  create table people (gone int, id int primary key, name text, email text, ssn text, shout text generated always as (upper(email)) stored);
  alter table people drop column gone;
  create function leak(int) returns text language sql as 'select email from people where id = $1';
  create view contacts as select id, email as address_line, upper(name) as n, (select max(ssn) from people) as s, p as whole, 1 as one from people p;
  create view grouped as select address_line as x, count(*) as c, max(n) as m from contacts group by 1;
  create materialized view stored as select email as e, id from people;
  create view unions as select email as e from people union all select 'a';
  create view of_cte as with q as (select email as em, id from people) select em, length(em) as len from q;
  create view joined as select id, a.name, coalesce(b.ssn, '') as cs, a.name || '!' as nn from people a join people b using (id);
  create view called as select id, leak(id) as l, upper(name) as ok, random() as r from people;
  create view unread as select name from people where email like 'a%';
  create view listed as select f.a, f.b from people, lateral (values (email, name)) f(a, b);
  create view ":targetList" as select email as ":resorigtbl", name as "}} x (" from people;
  create table parent (email text, x int);
  create table child (y text) inherits (parent);
  create table days (day date, iban text) partition by range (day);
  create table days_2024 partition of days for values from ('2024-01-01') to ('2025-01-01');
  create table decoy (a text, b text);
  create rule instead as on update to decoy do instead update people set name = name returning email, name || ssn;`;

const written = ({ tables, columns }: Origin): string => `${[...tables].toSorted().join("|")}.${[...columns].toSorted().join("|")}`;

/** `origins <- made of`, or `opaque`. */
function shown({ origins, madeOf, opaque }: Lineage): string {
  const made = [...new Set(madeOf.map(written))].toSorted();
  return [...origins.map(written).toSorted(), ...(made.length === 0 ? [] : ["<-", ...made]), ...(opaque ? ["opaque"] : [])].join(" ");
}

describeOnEach("what the catalogue says about columns", (flavour) => {
  const cleanup = suiteCleanup();
  let server: TestPostgres;
  let admin: Client;
  before(async () => {
    server = await startTestPostgres(cleanup, { flavour, auth: "trust" });
    admin = await server.connectAsApp();
    await admin.query(schema);
  });

  let clock = 0;
  const newCatalogue = (): Catalogue => {
    const resource = resourceOf(server, { user: "app", database: "app" });
    const connection = new CatalogueConnection(resource, timeouts);
    return new Catalogue(
      (wanted, tables) => connection.ask(wanted, tables),
      () => clock,
    );
  };
  const attribute = async (table: string, column: string): Promise<[number, number]> => {
    const { rows } = await admin.query<{ oid: string; attnum: number }>(
      "select attrelid::int8 as oid, attnum from pg_attribute where attrelid = $1::regclass and attname = $2",
      [table, column],
    );
    return [Number(rows[0]?.oid), rows[0]?.attnum ?? 0];
  };
  const of = async (table: string, column: string, catalogue = newCatalogue()): Promise<string> => {
    const [oid, number] = await attribute(table, column);
    const unlearnt = nothingUnlearnt();
    catalogue.column(oid, number, unlearnt);
    if (unlearnt.relations.size > 0) await catalogue.learn(unlearnt);
    return shown(catalogue.column(oid, number, nothingUnlearnt()));
  };
  const cases = (title: string, expected: Readonly<Record<string, string>>): void => {
    describe(title, () => {
      for (const [name, lineage] of Object.entries(expected)) {
        it(name, async () => {
          const [table = "", column = ""] = name.split(/\.(?!.*\.)/);
          assert.equal(await of(table, column), lineage);
        });
      }
    });
  };

  cases("a plain column of a view shows what it renames", {
    "people.email": "people.email",
    "contacts.address_line": "contacts.address_line people.email",
    "grouped.x": "contacts.address_line grouped.x people.email",
    "stored.e": "people.email stored.e",
    "of_cte.em": "of_cte.em people.email",
    '":targetList".:resorigtbl': ":targetlist.:resorigtbl people.email",
    '":targetList".}} x (': ":targetlist.}} x ( people.name",
  });
  cases("a computed column is made of what its expression reads", {
    "people.shout": "people.shout <- people.email",
    "contacts.n": "contacts.n <- people.name",
    "contacts.one": "contacts.one",
    "contacts.s": "contacts.s <- people.ssn",
    "contacts.whole": "contacts.whole <- people.email people.id people.name people.shout people.ssn",
    "grouped.c": "grouped.c",
    "grouped.m": "grouped.m <- contacts.n people.name",
    "unions.e": "unions.e <- people.email",
    "of_cte.len": "of_cte.len <- people.email people.id",
    "joined.cs": "joined.cs <- people.ssn",
    "joined.nn": "joined.nn <- people.name",
    "joined.id": "joined.id people.id",
    "listed.a": "listed.a <- people.email people.name",
    "unread.name": "people.name unread.name",
  });
  cases("what a function of the database answers may be anything", {
    "called.l": "called.l opaque",
    "called.ok": "called.ok <- people.name",
    "called.r": "called.r",
  });
  cases("a rule's RETURNING is what the table's columns show", { "decoy.a": "decoy.a people.email", "decoy.b": "decoy.b <- people.name people.ssn" });
  cases("a descendant has its ancestors' names", { "child.email": "child|parent.email", "days_2024.iban": "days|days_2024.iban" });
  cases("samples of the planner, large objects and what others run may be of any column, and nothing else of the system's is", {
    "pg_stats.most_common_vals": "opaque",
    "pg_stats.histogram_bounds": "opaque",
    "pg_statistic.stavalues1": "opaque",
    "pg_stats.null_frac": "",
    "pg_stat_activity.query": "opaque",
    "pg_stat_activity.state": "",
    "pg_stat_database.temp_bytes": "opaque",
    "pg_stat_database.xact_commit": "",
    "pg_stat_progress_copy.bytes_processed": "opaque",
    "pg_stat_progress_copy.tuples_processed": "",
    "pg_backend_memory_contexts.used_bytes": "opaque",
    "pg_backend_memory_contexts.name": "",
    "pg_largeobject.data": "opaque",
    "pg_prepared_statements.statement": "",
    "pg_settings.setting": "",
    "pg_class.relname": "",
    "information_schema.columns.column_name": "",
  });

  it("takes what an extension shows of what others ran for anything", async () => {
    await (await server.connectAsSuperuser("app")).query("create extension pg_stat_statements");
    assert.equal(await of("pg_stat_statements", "query"), "pg_stat_statements.query opaque");
  });

  it("has an ancestor go by the names of those descendants that policy names", async () => {
    const catalogue = newCatalogue();
    catalogue.heed(["Child"]);
    assert.equal(await of("parent", "email", catalogue), "child|parent.email");
    assert.equal(await of("days", "iban", catalogue), "days.iban");
  });

  it("finds columns by names, in every schema, and says of a name that is nowhere that it may be anything", async () => {
    await admin.query("create schema if not exists other; create table if not exists other.people (email text, token text)");
    const catalogue = newCatalogue();
    const named = (table: string, column: string, unlearnt = nothingUnlearnt()): string => shown(catalogue.named(table, column, unlearnt));
    await catalogue.learn({ ...nothingUnlearnt(), names: new Set(["people", "contacts", "nowhere"]) });
    assert.equal(named("people", "email"), "people.email people.email");
    assert.equal(named("people", "token"), "people.token");
    assert.equal(named("contacts", "address_line"), "contacts.address_line people.email");
    assert.equal(named("nowhere", "x"), "opaque");
    assert.equal(named("people", "nothing"), "");
    assert.match(named("contacts", "*"), /people\.email.*people\.ssn/);
    await admin.query("drop schema other cascade");
  });

  it("takes what looks like a column for a function of the row, where there is one", async () => {
    await admin.query(`
      create table elders () inherits (people);
      create domain elder as people;
      create domain eldest as elder;
      create domain address as text;
      create function first(eldest) returns text language sql as 'select $1.email';
      create function street(address) returns text language sql as 'select $1::text';
      create function card(people) returns text language sql as 'select $1.email';
      create function title(elder, text default '') returns text language sql as 'select $1.email';
      create function kind(anyelement) returns text language sql as 'select 1::text';
      create function lot(variadic people[]) returns text language sql as 'select $1[1].email';
      create function pair(people, int) returns text language sql as 'select $1.email'`);
    const catalogue = newCatalogue();
    await catalogue.learn({ ...nothingUnlearnt(), names: new Set(["people", "elders", "contacts"]) });
    const named = (table: string, column: string): string => shown(catalogue.named(table, column, nothingUnlearnt()));
    for (const name of ["people.card", "people.title", "people.kind", "people.lot", "people.first", "elders.card", "contacts.kind"]) {
      const [table = "", column = ""] = name.split(".");
      assert.equal(named(table, column), "opaque", name);
    }
    for (const name of ["people.pair", "people.street", "contacts.card", "people.nothing"]) {
      const [table = "", column = ""] = name.split(".");
      assert.equal(named(table, column), "", name);
    }
    const { rowFunctions } = await traceColumns({ id: 1, columns: [], maskedTables: [], rowFunctions: true }, catalogue);
    assert.deepEqual(rowFunctions?.names.toSorted(), ["card", "first", "kind", "lot", "title"]);
    await admin.query(
      "drop function card(people), title(elder, text), kind(anyelement), lot(people[]), pair(people, int), first(eldest), street(address);" +
        "drop domain eldest, elder, address; drop table elders",
    );
  });

  it("tells what has to be looked up: what is new, what is old, and everything after a change", async () => {
    const catalogue = newCatalogue();
    const [oid, number] = await attribute("contacts", "address_line");
    const missing = (): number => {
      const unlearnt = nothingUnlearnt();
      catalogue.column(oid, number, unlearnt);
      return unlearnt.relations.size;
    };
    assert.equal(missing(), 1);
    await catalogue.learn({ ...nothingUnlearnt(), relations: new Set([oid]) });
    assert.equal(missing(), 0);
    clock += CATALOGUE_FRESH_MS + 1;
    assert.equal(missing(), 1);
    await catalogue.learn({ ...nothingUnlearnt(), relations: new Set([oid]) });
    catalogue.invalidate();
    assert.equal(missing(), 1);
  });

  it("sees a view that is replaced, and does not lose a mask to a new name", async () => {
    await admin.query("create table renamed (secret text, x text); create view v as select x from renamed");
    const catalogue = newCatalogue();
    assert.equal(await of("v", "x", catalogue), "renamed.x v.x");
    await admin.query(
      "create or replace view v as select secret as x from renamed; alter table renamed rename secret to harmless; alter table renamed rename to plain",
    );
    catalogue.invalidate();
    assert.equal(await of("v", "x", catalogue), "plain|renamed.harmless|secret v.x");
    await admin.query("drop view v; drop table plain");
  });

  it("does not lose a mask to a table that leaves its parent, or a column that is no longer generated", async () => {
    await admin.query(`
      create table root (email text);
      create table middle () inherits (root);
      create table leaf () inherits (middle);
      create table slices (day int, iban text) partition by range (day);
      create table slice partition of slices for values from (1) to (2);
      create table spelt (email text, low text generated always as (lower(email)) stored)`);
    const catalogue = newCatalogue();
    const columns = [
      ["leaf", "email"],
      ["slice", "iban"],
      ["spelt", "low"],
    ] as const;
    const all = async (): Promise<string[]> => {
      const found: string[] = [];
      for (const [table, column] of columns) found.push(await of(table, column, catalogue));
      return found;
    };
    const was = await all();
    assert.deepEqual(was, ["leaf|middle|root.email", "slice|slices.iban", "spelt.low <- spelt.email"]);
    await admin.query("alter table middle no inherit root; alter table slices detach partition slice; alter table spelt alter low drop expression");
    catalogue.invalidate();
    assert.deepEqual(await all(), was);
    await admin.query("alter table leaf no inherit middle; drop table slices; drop table root");
    catalogue.invalidate();
    assert.deepEqual(await all(), was);
    await admin.query("drop table leaf, middle, slice, spelt");
  });

  it("remembers what views were that stored rows were made by", async () => {
    await admin.query(`
      create table kept (id int, email text, phone text);
      create view shows as select id, email as x from kept;
      create materialized view made as select x as y, upper(x) as z from shows`);
    const catalogue = newCatalogue();
    const was = [await of("made", "y", catalogue), await of("made", "z", catalogue), await of("shows", "x", catalogue)];
    await admin.query("create or replace view shows as select id, phone as x from kept");
    catalogue.invalidate();
    assert.deepEqual(was, ["kept.email made.y shows.x", "made.z <- kept.email shows.x", "kept.email shows.x"]);
    assert.equal(await of("made", "y", catalogue), "kept.email kept.phone made.y shows.x");
    assert.equal(await of("made", "z", catalogue), "made.z <- kept.email kept.phone shows.x");
    assert.equal(await of("shows", "x", catalogue), "kept.phone shows.x");
    await admin.query("drop view shows cascade; drop table kept");
  });

  it("knows nothing of what changes more often than it remembers", async () => {
    await admin.query("create table restless (c text)");
    const catalogue = newCatalogue();
    for (let turn = 0; turn <= MAX_FORMER + 1; turn++) {
      assert.equal((await of("restless", `c${turn === 0 ? "" : turn}`, catalogue)).includes("opaque"), turn > MAX_FORMER, String(turn));
      await admin.query(`alter table restless rename c${turn === 0 ? "" : turn} to c${turn + 1}`);
      catalogue.invalidate();
    }
    await admin.query("drop table restless");
  });

  it("answers what is not there, or not committed, with anything", async () => {
    const other = await server.connectAsApp();
    await other.query("begin; create view uncommitted as select email as e from people");
    const { rows } = await other.query<{ oid: string }>("select 'uncommitted'::regclass::oid::int8 as oid");
    const catalogue = newCatalogue();
    const oid = Number(rows[0]?.oid);
    await catalogue.learn({ ...nothingUnlearnt(), relations: new Set([oid]) });
    assert.equal(shown(catalogue.column(oid, 1, nothingUnlearnt())), "opaque");
    await other.query("rollback");
    await other.end();
  });

  it("is not led astray by the search path, encoding or string settings of its role", async () => {
    await admin.query(`
      create schema trap;
      create function trap.never(name, name) returns boolean language sql as 'select false';
      create operator trap.= (leftarg = name, rightarg = name, function = trap.never);
      create function trap.lower(text) returns text language sql as $$select ''$$;
      alter role app set search_path = trap, pg_catalog; alter role app set client_encoding = 'LATIN1'; alter role app set standard_conforming_strings = off`);
    const catalogue = newCatalogue();
    catalogue.heed(["child"]);
    await catalogue.learn({ ...nothingUnlearnt(), names: new Set(["parent"]) });
    await admin.query("alter role app reset all; drop schema trap cascade");
    assert.equal(shown(catalogue.named("parent", "email", nothingUnlearnt())), "child|parent.email");
  });

  it("opens a new connection when the server has closed the one that was kept", async () => {
    const catalogue = newCatalogue();
    await of("people", "email", catalogue);
    const superuser = await server.connectAsSuperuser();
    await superuser.query("select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'sallyport catalogue'");
    catalogue.invalidate();
    assert.equal(await of("people", "email", catalogue), "people.email");
  });

  it("fails those alone who asked for what cannot be looked up", async () => {
    const catalogue = newCatalogue();
    const unspeakable = catalogue.learn({ ...nothingUnlearnt(), names: new Set(["\u0000"]) });
    const first = catalogue.learn({ ...nothingUnlearnt(), names: new Set(["\u0000"]) });
    const second = catalogue.learn({ ...nothingUnlearnt(), names: new Set(["people"]) });
    await assert.rejects(unspeakable);
    await assert.rejects(first);
    await second;
    assert.equal(shown(catalogue.named("people", "email", nothingUnlearnt())), "people.email");
  });
});
