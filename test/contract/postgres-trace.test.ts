import assert from "node:assert/strict";
import { before, it } from "node:test";
import type { Client } from "pg";
import { type ColumnSource, Traced } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { MAX_CONTROL_BYTES } from "@sallyport/proto/tunnel/limits";
import { encodeQuery } from "@sallyport/proto/wire/postgres/query";
import { Catalogue } from "../../edge-agent/src/targets/postgres/catalogue/catalogue.ts";
import { CatalogueConnection } from "../../edge-agent/src/targets/postgres/catalogue/catalogue-connection.ts";
import { MAX_TRACED_COLUMNS, traceColumns } from "../../edge-agent/src/targets/postgres/trace-columns.ts";
import { describeOnEach, startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { corpusText } from "../e2e/corpus-wire.ts";
import { openedSession, resourceOf, timeouts } from "./postgres-target-server.ts";

const source = (name: string): ColumnSource => ({ table: name.split(".")[0] ?? "", column: name.split(".")[1] ?? "" });
const nameOf = ({ table, column }: ColumnSource): string => `${table}.${column}`;

describeOnEach("what an agent says that columns are made of", (flavour) => {
  const cleanup = suiteCleanup();
  let server: TestPostgres;
  let admin: Client;
  let catalogue: Catalogue;
  before(async () => {
    server = await startTestPostgres(cleanup, { flavour, auth: "trust" });
    admin = await server.connectAsApp();
    await admin.query(corpusText("secrets-schema.sql"));
    const connection = new CatalogueConnection(resourceOf(server, { user: "app", database: "app" }), timeouts);
    catalogue = new Catalogue((wanted, tables) => connection.ask(wanted, tables));
  });

  const traced = async (name: string, maskedTables: readonly string[] = []): Promise<string> => {
    const { columns } = await traceColumns({ id: 1, columns: [source(name)], maskedTables: [...maskedTables] }, catalogue);
    const [column] = columns;
    if (column === undefined) return "unknown";
    const { shows, madeOf, opaque, absent } = column;
    return [...shows.map(nameOf).toSorted(), "<-", ...madeOf.map(nameOf).toSorted(), ...(opaque ? ["opaque"] : []), ...(absent ? ["absent"] : [])].join(" ");
  };

  const cases = {
    "customers.secret": "customers.secret <-",
    "customers.secret_loud": "customers.secret_loud <- customers.secret",
    "v_plain.handle": "customers.secret v_plain.handle <-",
    "v_twice.nick": "customers.secret v_plain.handle v_twice.nick <-",
    "v_made.size": "v_made.size <- customers.secret",
    "m_made.print": "m_made.print <- customers.secret",
    "v_plain.name": "customers.name v_plain.name <-",
    "people_eu.secret": "people_all.secret people_eu.secret <-",
    "pg_class.relname": "<-",
    "nowhere.secret": "<- absent",
  };
  for (const [name, expected] of Object.entries(cases)) it(`${name}: ${expected}`, async () => assert.equal(await traced(name), expected));

  it("counts the rows of tables that policy masks by name among what their parents show", async () => {
    assert.equal(await traced("people_all.secret", ["people_eu"]), "people_all.secret people_eu.secret <-");
  });

  it("finds a view that was made since it last said that there was none", async () => {
    assert.match(await traced("v_late.handle"), /absent/);
    await admin.query("create view v_late as select secret as handle from customers");
    assert.equal(await traced("v_late.handle"), "customers.secret v_late.handle <-");
  });

  it("says that it does not know when it is asked for too much, or cannot ask", async () => {
    const many = Array.from({ length: MAX_TRACED_COLUMNS + 1 }, () => source("customers.secret"));
    assert.deepEqual(await traceColumns({ id: 7, columns: many, maskedTables: [] }, catalogue), { id: 7, columns: [] });
    const mute = new Catalogue(() => Promise.reject(new Error("no connection")));
    assert.deepEqual(await traceColumns({ id: 7, columns: [source("customers.secret")], maskedTables: [] }, mute), { id: 7, columns: [] });
  });

  it("says which schemas have the name of the role, or of one that it may become", async () => {
    const asked = async (): Promise<readonly string[] | undefined> => {
      const { userSchemas } = await traceColumns({ id: 8, columns: [], maskedTables: [], userSchemas: true }, catalogue);
      return userSchemas?.names.toSorted();
    };
    assert.deepEqual(await asked(), []);
    const superuser = await server.connectAsSuperuser("app");
    await superuser.query("create role boss; create role stranger; grant boss to app; create schema app; create schema boss; create schema stranger");
    catalogue.invalidate();
    assert.deepEqual(await asked(), ["app", "boss"]);
    const { userSchemas } = await traceColumns({ id: 8, columns: [source("customers.secret")], maskedTables: [] }, catalogue);
    assert.equal(userSchemas, undefined);
    const mute = new Catalogue(() => Promise.reject(new Error("no connection")));
    assert.deepEqual(await traceColumns({ id: 8, columns: [], maskedTables: [], userSchemas: true }, mute), { id: 8, columns: [] });
  });

  it("keeps the answer within one frame of the tunnel, and calls the columns that it has no room for opaque", async () => {
    const columns = (letter: string): string =>
      Array.from({ length: 700 }, (_, i) => `"${letter}_a_rather_long_name_of_a_column_of_a_wide_table_${String(i).padStart(4, "0")}" int`).join(", ");
    const tables = ["x", "y", "z"].map((letter) => `wide_table_of_the_company_${letter}`);
    for (const table of tables) await admin.query(`create table ${table} (${columns(table.slice(-1))})`);
    const asked = tables.map((table) => source(`${table}.*`));
    const answer = await traceColumns({ id: 1, columns: [...asked, source("customers.secret")], maskedTables: [] }, catalogue);
    assert.ok(Traced.encode(answer).finish().length <= MAX_CONTROL_BYTES);
    assert.deepEqual(
      answer.columns.map(({ shows, opaque }) => [shows.length, opaque]),
      [
        [700, false],
        [0, true],
        [0, true],
        [1, false],
      ],
    );
  });

  it("is said in a session that is busy with something else", async () => {
    const { channel } = await openedSession(resourceOf(server, { user: "app", database: "app" }));
    assert.equal(
      channel.posted.some((body) => body.$case === "opened" && body.value.traces === true),
      true,
    );
    channel.write(encodeQuery("select pg_sleep(3600)"));
    channel.control({ $case: "trace", value: { id: 3, columns: [source("v_plain.handle")], maskedTables: [] } });
    await channel.until(() => channel.posted.some(({ $case }) => $case === "traced"));
    const answer = channel.posted.find((body) => body.$case === "traced");
    assert.equal(answer?.value.id, 3);
    channel.hangUp();
  });
});
