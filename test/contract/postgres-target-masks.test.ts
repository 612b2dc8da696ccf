import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { Catalogue } from "../../edge-agent/src/targets/postgres/catalogue.ts";
import { connectAndLogin } from "../../edge-agent/src/targets/postgres/connect.ts";
import { startupParameters } from "../../edge-agent/src/targets/postgres/startup-parameters.ts";
import type { MaskColumn, Obligations } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { encodeQuery } from "@sallyport/proto/wire/postgres/query";
import { openedSession, resourceOf, startTargetServer, suiteCleanup, type TargetServer, timeouts } from "./postgres-target-server.ts";

const masking = (...columns: readonly `${string}.${string}`[]): Obligations => ({
  maskColumns: columns.map((name): MaskColumn => ({ table: name.split(".")[0] ?? "", column: name.split(".")[1] ?? "", kind: "full" })),
  detectors: [],
  rowCap: 0n,
});

describe("column masks on PostgreSQL", { timeout: 60_000 }, () => {
  const cleanup = suiteCleanup();
  let server: TargetServer;
  before(async () => {
    server = await startTargetServer(cleanup);
    await server.admin.query(`
      create table customers (gone text, id int, email text, phone text);
      alter table customers drop column gone;
      insert into customers values (1, 'ann@example.com', '555-0001');
      create schema other;
      create table other."Customers" (email text);
      insert into other."Customers" values ('bob@example.com');
      create table payments (day date, iban text) partition by range (day);
      create table payments_2024 partition of payments for values from ('2024-01-01') to ('2025-01-01');
      insert into payments values ('2024-05-05', 'DE02120300000000202051');
      create table "käufer" (iban text);
      grant usage on schema other to public;
      grant select on all tables in schema public, other to public;`);
  });

  const learn = async (obligations: Obligations, parameters: Record<string, string> = {}): Promise<Catalogue> => {
    const catalogue = new Catalogue();
    const resource = resourceOf(server);
    const { socket } = await connectAndLogin(resource, startupParameters(resource, parameters), timeouts, undefined, (idle) =>
      catalogue.learn(idle, resource, catalogue.unlearnt(obligations)),
    );
    socket.destroy();
    return catalogue;
  };
  const oid = async (table: string) => (await server.admin.query<{ oid: number }>("select $1::regclass::oid as oid", [table])).rows[0]?.oid ?? 0;

  it("knows the columns of a named table in every schema and case, and of its partitions, and of no other", async () => {
    const catalogue = await learn(masking("customers.email", "Payments.iban", "käufer.iban"));
    assert.deepEqual(catalogue.lookup(await oid("customers"), 3), { table: "customers", column: "email" }, "a dropped column keeps its number");
    assert.equal(catalogue.lookup(await oid("customers"), 1), undefined);
    assert.deepEqual(catalogue.lookup(await oid('other."Customers"'), 1), { table: "Customers", column: "email" });
    assert.deepEqual(catalogue.lookup(await oid("payments_2024"), 2), { table: "payments", column: "iban" });
    assert.deepEqual(catalogue.lookup(await oid('"käufer"'), 1), { table: "käufer", column: "iban" });
    assert.equal(catalogue.lookup(await oid("pg_class"), 1), undefined);
  });

  it("finds the rule that applies when a partition and its parent are both named", async () => {
    const catalogue = await learn(masking("payments.iban", "payments_2024.day"));
    assert.deepEqual(catalogue.lookup(await oid("payments_2024"), 2), { table: "payments", column: "iban" });
    assert.deepEqual(catalogue.lookup(await oid("payments_2024"), 1), { table: "payments_2024", column: "day" });
  });

  it("is not led astray by the client's search path, encoding or string settings", async () => {
    await server.admin.query(`
      create schema trap;
      create function trap.never(text, text) returns boolean language sql as 'select false';
      create operator trap.= (leftarg = text, rightarg = text, function = trap.never);
      create function trap.lower(text) returns text language sql as $$select ''$$;
      grant usage on schema trap to public`);
    const options = "-c search_path=trap,pg_catalog -c client_encoding=LATIN1 -c standard_conforming_strings=off";
    const catalogue = await learn(masking("customers.email", "käufer.iban"), { options });
    assert.deepEqual(catalogue.lookup(await oid("public.customers"), 3), { table: "customers", column: "email" });
    assert.deepEqual(catalogue.lookup(await oid('public."käufer"'), 1), { table: "käufer", column: "iban" });
  });

  it("masks by where a column comes from, under whatever name the client gives it", async () => {
    const { channel, messages } = await openedSession(resourceOf(server), { open: { obligations: masking("customers.email") } });
    channel.write(encodeQuery("select email as e, phone as p from customers"));
    await channel.until(() => channel.posted.some(({ $case }) => $case === "report"));
    const text = messages.join("|");
    assert.doesNotMatch(text, /ann@/);
    assert.match(text, /555-0001/);
    channel.hangUp();
  });

  it("learns the tables of new obligations first, and keeps what follows waiting in order", async () => {
    const { channel, messages } = await openedSession(resourceOf(server));
    channel.control({ $case: "obligations", value: masking("customers.email") });
    channel.write(encodeQuery("select 1 as one").subarray(0, 4));
    channel.write(encodeQuery("select 1 as one").subarray(4));
    channel.write(encodeQuery("select email as e, phone as p from customers"));
    assert.equal(messages.length, 0);
    await channel.until(() => channel.posted.filter(({ $case }) => $case === "report").length === 2);
    assert.match(messages.join("|"), /one.*555-0001/s);
    assert.doesNotMatch(messages.join("|"), /ann@/);
    assert.equal(channel.room, 1 << 20, "all credit is given back");
    channel.hangUp();
  });

  it("closes the session when the tables of new obligations cannot be learnt, and passes nothing", async () => {
    await server.admin.query("create role once login connection limit 1");
    const resource = resourceOf(server, { host: server.socketDirectory, tls: {}, user: "once" });
    const { channel, messages } = await openedSession(resource);
    channel.control({ $case: "obligations", value: masking("customers.email") });
    channel.write(encodeQuery("select email as e from customers"));
    await channel.until(() => channel.reason !== undefined);
    assert.equal(channel.reason?.code, "target.unreachable");
    assert.deepEqual(messages, []);
  });
});
