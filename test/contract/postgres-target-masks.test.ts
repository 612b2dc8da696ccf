import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import type { MaskColumn, Obligations, ResultColumn, ResultLineage } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { encodeQuery } from "@sallyport/proto/wire/postgres/query";
import { pino } from "pino";
import { HeldBytes } from "../../edge-agent/src/targets/held-bytes.ts";
import { PostgresTarget } from "../../edge-agent/src/targets/postgres/postgres-target.ts";
import { openedSession, resourceOf, startTargetServer, suiteCleanup, type TargetServer, timeouts } from "./postgres-target-server.ts";

const masking = (...columns: readonly `${string}.${string}`[]): Obligations => ({
  maskColumns: columns.map((name): MaskColumn => ({ table: name.split(".")[0] ?? "", column: name.split(".")[1] ?? "", kind: "full" })),
  detectors: [],
  rowCap: 0n,
});

/** What a gateway says of a statement whose computed columns are made of these. */
const stated = (...sources: readonly `${string}.${string}`[]): ResultLineage => ({
  columns: [],
  computed: madeOf(...sources),
  originsIncomplete: false,
  changesDefinitions: false,
});
const madeOf = (...sources: readonly `${string}.${string}`[]): ResultColumn => ({
  plain: false,
  sources: sources.map((name) => ({ table: name.split(".")[0] ?? "", column: name.split(".")[1] ?? "" })),
  opaque: false,
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

  const open = async (obligations: Obligations, lineage?: ResultLineage) => {
    const session = await openedSession(resourceOf(server), { open: { obligations } });
    if (lineage !== undefined) session.channel.control({ $case: "resultLineage", value: lineage });
    const asked = async (sql: string): Promise<string> => {
      const from = session.messages.length;
      session.channel.write(encodeQuery(sql));
      await session.channel.until(() => session.messages.slice(from).some((message) => message.startsWith("Z")));
      return session.messages
        .slice(from)
        .filter((message) => message.startsWith("D") || message.startsWith("d") || message.startsWith("E"))
        .join("|");
    };
    return { ...session, asked };
  };

  it("masks by where a column comes from, under whatever name the client gives it", async () => {
    const { channel, asked } = await open(masking("customers.email"), stated());
    const said = await asked("select email as e, phone as p from customers");
    assert.doesNotMatch(said, /ann@/);
    assert.match(said, /555-0001/);
    channel.hangUp();
  });

  it("masks a computed column by what it is said to be made of, and everything before anything was said", async () => {
    const { channel, asked } = await open(masking("customers.email"));
    assert.doesNotMatch(await asked("select phone || '' as p from customers"), /555/);
    channel.control({ $case: "resultLineage", value: stated("customers.phone") });
    assert.match(await asked("select phone || '' as p from customers"), /555-0001/);
    channel.control({ $case: "resultLineage", value: stated("customers.phone", "customers.email") });
    assert.doesNotMatch(await asked("select email || phone as p from customers"), /555|ann/);
    channel.control({ $case: "resultLineage", value: stated("nowhere.phone") });
    assert.doesNotMatch(await asked("select phone || '' as p from customers"), /555/);
    channel.hangUp();
  });

  it("shows what is computed where policy says so, and still masks the column itself", async () => {
    const { channel, asked } = await open({ ...masking("customers.email"), showComputed: true }, stated("customers.email"));
    const said = await asked("select upper(email), email as e from customers");
    assert.match(said, /ANN@/);
    assert.doesNotMatch(said, /ann@/);
    channel.hangUp();
  });

  it("gives a value the same token in every session on a resource, in rows, in binary and in COPY", async () => {
    const tokens: Obligations = { maskColumns: [{ table: "customers", column: "email", kind: "token" }], detectors: [], rowCap: 0n };
    const said = await Promise.all(
      [1, 2].map(async () => {
        const { channel, asked } = await open(tokens, stated());
        const rows = await asked("select email as e from customers");
        channel.control({
          $case: "describeCopy",
          value: { query: "select email from customers", layout: { format: "text", delimiter: "\t", quote: '"', escape: '"', nullText: "\\N", header: false } },
        });
        const copied = await asked("copy (select email from customers) to stdout");
        channel.hangUp();
        return [rows, copied].map((text) => /[a-z]{3}@[a-z]{7}\.[a-z]{3}/.exec(text)?.[0]);
      }),
    );
    const tokensSeen = new Set(said.flat());
    assert.equal(tokensSeen.size, 1);
    assert.doesNotMatch([...tokensSeen].join(), /ann|undefined/);
  });

  it("goes by position where the number of columns is known, and by all of them where it does not fit", async () => {
    const positions = { ...stated("customers.email"), columns: [madeOf("customers.email"), madeOf("customers.phone")] };
    const { channel, asked } = await open(masking("customers.email"), positions);
    assert.match(await asked("select upper(email), phone || '' from customers"), /555-0001/);
    assert.doesNotMatch(await asked("select upper(email), phone || '', phone || '' from customers"), /555-0001/);
    channel.hangUp();
  });

  it("sees a view made, replaced and used by the session itself, inside of a transaction and after it", async () => {
    const changes = { ...stated(), changesDefinitions: true };
    const { channel, asked } = await open(masking("customers.email"), stated());
    await server.admin.query(
      "grant create on schema public to public; create or replace view swapped as select phone as x from customers; alter view swapped owner to by_trust",
    );
    assert.match(await asked("select x from swapped"), /555/);
    channel.control({ $case: "resultLineage", value: changes });
    assert.equal(await asked("begin"), "");
    assert.equal(await asked("create or replace view swapped as select email as x from customers"), "");
    channel.control({ $case: "resultLineage", value: stated() });
    assert.doesNotMatch(await asked("select x from swapped"), /ann@/);
    assert.equal(await asked("commit"), "");
    assert.doesNotMatch(await asked("select x from swapped"), /ann@/);
    channel.control({ $case: "resultLineage", value: changes });
    assert.equal(await asked("create or replace view swapped as select phone as x from customers"), "");
    channel.control({ $case: "resultLineage", value: stated() });
    assert.match(await asked("select x from swapped"), /555/);
    channel.hangUp();
  });

  it("knows nothing of any table until the end of a transaction that may have changed one", async () => {
    await server.admin.query(`
      create table decoy (like customers); alter table customers owner to by_trust; alter table decoy owner to by_trust;
      grant create on schema public to public`);
    const { channel, asked } = await open(masking("customers.email"), stated());
    const within = async (change: string, look: string): Promise<string> => {
      channel.control({ $case: "resultLineage", value: { ...stated(), changesDefinitions: true } });
      await asked("begin");
      await asked(change);
      channel.control({ $case: "resultLineage", value: stated() });
      const said = await asked(look);
      await asked("rollback");
      return said;
    };
    assert.match(await within("alter table customers inherit decoy", "select email from decoy"), /\*{4}/);
    const rule = "create rule r as on delete to decoy do instead delete from customers returning id, email, phone";
    assert.match(await within(rule, "delete from decoy returning email"), /\*{4}/);
    assert.match(await asked("select phone from customers"), /555-0001/);
    channel.hangUp();
  });

  it("sees at once what another session of the same agent has changed", async () => {
    const target = new PostgresTarget(resourceOf(server), {
      log: pino({ level: "silent" }),
      timeouts,
      maskKey: Buffer.alloc(32),
      heldBytes: new HeldBytes(Infinity),
    });
    const [one, two] = [
      await openedSession(resourceOf(server), { target, open: { obligations: masking("customers.email") } }),
      await openedSession(resourceOf(server), { target }),
    ];
    const ask = async ({ channel, messages }: typeof one, sql: string, lineage: ResultLineage): Promise<string> => {
      const from = messages.length;
      channel.control({ $case: "resultLineage", value: lineage });
      channel.write(encodeQuery(sql));
      await channel.until(() => messages.slice(from).some((message) => message.startsWith("Z")));
      return messages.slice(from).join("|");
    };
    await ask(two, "create or replace view shared as select phone as x from customers", { ...stated(), changesDefinitions: true });
    assert.match(await ask(one, "select x from shared", stated()), /555/);
    await ask(two, "create or replace view shared as select email as x from customers", { ...stated(), changesDefinitions: true });
    assert.doesNotMatch(await ask(one, "select x from shared", stated()), /ann@/);
    for (const { channel } of [one, two]) channel.hangUp();
  });

  it("holds rows back while a column's origin is looked up, however many there are, and keeps them in order", async () => {
    await server.admin.query(
      "create table many as select n, 'user' || n || '@example.com' as email from generate_series(1, 20000) n; grant select on many to public",
    );
    const { channel, messages } = await open(masking("many.email"), stated());
    channel.write(Buffer.concat([encodeQuery("select n, email as e from many order by n"), encodeQuery("select 'last'")]));
    await channel.until(() => channel.posted.filter(({ $case }) => $case === "report").length === 2);
    const rows = messages.filter((message) => message.startsWith("D"));
    assert.equal(rows.length, 20_001);
    assert.deepEqual(
      rows.slice(0, -1).map((row) => Number(/\d+/.exec(row.slice(7))?.[0])),
      Array.from({ length: 20_000 }, (_, i) => i + 1),
    );
    assert.doesNotMatch(rows.join(), /user\d/);
    channel.hangUp();
  });

  it("masks COPY of a view, of a query and of what is computed", async () => {
    await server.admin.query("create view renamed as select email as e, phone as p from customers; grant select on renamed to public");
    const { channel, asked } = await open(masking("customers.email"), stated("customers.email"));
    for (const [query, columns] of [
      ["select * from renamed", "e p"],
      ["select upper(email), phone from customers", "upper"],
    ]) {
      channel.control({
        $case: "describeCopy",
        value: { query: query ?? "", layout: { format: "text", delimiter: "\t", quote: '"', escape: '"', nullText: "\\N", header: false } },
      });
      const said = await asked(`copy (${query}) to stdout`);
      assert.doesNotMatch(said, /ann@/i, columns);
      assert.match(said, /555-0001/, columns);
    }
    channel.hangUp();
  });

  it("closes the session when where a column comes from cannot be looked up, and passes no row", async () => {
    await server.admin.query("create role once login connection limit 1");
    const resource = resourceOf(server, { host: server.socketDirectory, tls: {}, user: "once" });
    const { channel, messages } = await openedSession(resource);
    channel.control({ $case: "obligations", value: masking("customers.email") });
    channel.write(encodeQuery("select email as e from customers"));
    await channel.until(() => channel.reason !== undefined);
    assert.equal(channel.reason?.code, "target.unreachable");
    assert.deepEqual(
      messages.filter((message) => message.startsWith("D")),
      [],
    );
  });
});
