import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import type { CopyLayout, Obligations, ResultLineage } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { encodeQuery } from "@sallyport/proto/wire/postgres/query";
import { openedSession, resourceOf, startTargetServer, suiteCleanup, type TargetServer } from "./postgres-target-server.ts";

const masking: Obligations = { maskColumns: [{ table: "customers", column: "email", kind: "full" }], detectors: [], rowCap: 0n };
const ofNothing: ResultLineage = {
  columns: [],
  computed: { plain: false, sources: [], opaque: false },
  originsIncomplete: false,
  changesDefinitions: false,
};
const everyday: CopyLayout = { format: "text", delimiter: "\t", quote: '"', escape: '"', nullText: "\\N", header: false };
const literal = (text: string): string => `E'${text.replaceAll("\\", "\\\\").replaceAll("'", "''").replaceAll("\n", "\\n").replaceAll("\r", "\\r")}'`;
const options = ({ format, delimiter, quote, escape, nullText, header }: CopyLayout): string =>
  [
    `format ${format}, delimiter ${literal(delimiter)}, null ${literal(nullText)}, header ${header}`,
    ...(format === "csv" ? [`quote ${literal(quote)}, escape ${literal(escape)}`] : []),
  ].join(", ");
/** Each of a list with each of the others. */
const each = <A, B>(as: readonly A[], bs: readonly B[]): readonly (readonly [A, B])[] => as.flatMap((a) => bs.map((b) => [a, b] as const));

/** What stands beside the masked column is the client's to choose. */
const QUERIES = [
  "select id, email, 'z' from customers order by id",
  "select null::text, email, case when id % 2 = 1 then null else 'e' end from customers order by id",
  String.raw`select E'\n', email, E'"|\\' from customers order by id`,
];

describe("COPY of a masked column on PostgreSQL", { timeout: 120_000 }, () => {
  const cleanup = suiteCleanup();
  let server: TargetServer;
  before(async () => {
    server = await startTargetServer(cleanup);
    await server.admin.query(`create table customers (id int, email text); insert into customers values
      (1, 'ann@example.com'), (2, E'bob"@example.com\\n,|x'), (3, null), (4, E'cat@example.com\\\\'); grant select on customers to public`);
  });

  /** Resolves when so many at the server wait for the table. */
  const waiters = async (n: number): Promise<void> => {
    const waiting = "select count(*)::int as n from pg_locks where relation = 'customers'::regclass and not granted";
    while ((await server.admin.query<{ n: number }>(waiting)).rows[0]?.n !== n);
  };

  it("shows none of it in any layout that the server writes, and the other columns in those of every day", async () => {
    const { channel, messages } = await openedSession(resourceOf(server), { open: { obligations: masking } });
    channel.control({ $case: "resultLineage", value: ofNothing });
    const texts = each(["\t", "|", ",", "\u0001", "N", ";"], ["\\N", "", "x\\", "\\", "\\\\N", "z", "NULL"]).map(([delimiter, nullText]): CopyLayout => ({
      format: "text",
      delimiter,
      quote: '"',
      escape: '"',
      nullText,
      header: false,
    }));
    const csvs = each(each([",", "|", "\t"], ['"', "'", "\n", "\r", "\\", "z"]), each(['"', "'", "\n", "\r", "\\", ","], ["", "x\\", "z"])).map(
      ([[delimiter, quote], [escape, nullText]]): CopyLayout => ({ format: "csv", delimiter, quote, escape, nullText, header: nullText === "z" }),
    );
    let copied = 0;
    for (const [layout, query] of each([...texts, ...csvs], QUERIES)) {
      const from = messages.length;
      channel.control({ $case: "describeCopy", value: { query, layout } });
      channel.write(encodeQuery(`copy (${query}) to stdout (${options(layout)})`));
      await channel.until(() => channel.reason !== undefined || messages.slice(from).some((message) => message.startsWith("Z")));
      assert.equal(channel.reason, undefined, options(layout));
      const said = messages.slice(from).join("");
      if (messages.slice(from).some((message) => message.startsWith("d"))) copied++;
      assert.doesNotMatch(said, /ann@|bob"*@|cat@/, `${query} ${options(layout)}`);
    }
    assert.ok(copied > 600, `the server wrote ${copied} of them`);
    channel.hangUp();
  });

  it("keeps the columns beside it in the layouts of every day", async () => {
    const { channel, messages } = await openedSession(resourceOf(server), { open: { obligations: masking } });
    channel.control({ $case: "resultLineage", value: ofNothing });
    const copy = async (layout: CopyLayout): Promise<string> => {
      const from = messages.length;
      channel.control({ $case: "describeCopy", value: { query: QUERIES[0] ?? "", layout } });
      channel.write(encodeQuery(`copy (${QUERIES[0]}) to stdout (${options(layout)})`));
      await channel.until(() => messages.slice(from).some((message) => message.startsWith("Z")));
      return messages
        .slice(from)
        .filter((message) => message.startsWith("d"))
        .map((message) => message.slice(1))
        .join("");
    };
    assert.equal(await copy(everyday), "1\t****\tz\n2\t****\tz\n3\t\\N\tz\n4\t****\tz\n");
    assert.equal(
      await copy({ format: "csv", delimiter: ",", quote: '"', escape: '"', nullText: "", header: true }),
      'id,email,?column?\n1,"****",z\n2,"****",z\n3,,z\n4,"****",z\n',
    );
    channel.hangUp();
  });

  it("ends in its time also when the table cannot be read, and the session goes on", async () => {
    const { channel, messages } = await openedSession(resourceOf(server), { open: { obligations: { ...masking, timeoutMillis: 200 } } });
    await server.admin.query("begin; lock table customers in access exclusive mode");
    channel.control({ $case: "describeCopy", value: { query: QUERIES[0] ?? "", layout: everyday } });
    channel.write(encodeQuery(`copy (${QUERIES[0]}) to stdout`));
    await channel.until(() => messages.some((message) => message.startsWith("Z")));
    await server.admin.query("rollback");
    assert.match(messages.join("|"), /Stopped by policy: a command may run for 200 ms/);
    channel.write(encodeQuery("select from customers"));
    await channel.until(() => messages.includes("CSELECT 4\0"));
    channel.hangUp();
  });

  it("ends when the client cancels it while the table cannot be read", async () => {
    const { channel, messages } = await openedSession(resourceOf(server), { open: { obligations: masking } });
    const ready = (): number => messages.filter((message) => message.startsWith("Z")).length;
    channel.write(encodeQuery("begin"));
    await channel.until(() => ready() === 1);
    await server.admin.query("begin; lock table customers in access exclusive mode");
    channel.control({ $case: "describeCopy", value: { query: QUERIES[0] ?? "", layout: everyday } });
    channel.write(encodeQuery(`copy (${QUERIES[0]}) to stdout`));
    await waiters(1);
    channel.control({ $case: "cancel", value: {} });
    await channel.until(() => ready() === 2);
    await server.admin.query("rollback");
    assert.match(messages.join("|"), /C57014\0Mcanceling statement due to user request/);
    channel.hangUp();
  });

  it("leaves nothing waiting at the server when its session ends while the table cannot be read", async () => {
    const { channel } = await openedSession(resourceOf(server), { open: { obligations: masking } });
    await server.admin.query("begin; lock table customers in access exclusive mode");
    channel.control({ $case: "describeCopy", value: { query: QUERIES[0] ?? "", layout: everyday } });
    await waiters(1);
    channel.hangUp();
    await waiters(0);
    await server.admin.query("rollback");
  });

  it("says why it fails in a transaction, as without us, and is followed by what the client sends next", async () => {
    const { channel, messages } = await openedSession(resourceOf(server), { open: { obligations: { ...masking, timeoutMillis: 200 } } });
    const ask = async (sql: string): Promise<string> => {
      const from = messages.length;
      channel.write(encodeQuery(sql));
      await channel.until(() => messages.slice(from).some((message) => message.startsWith("Z")));
      return messages.slice(from).join("|").replaceAll("\0", " ");
    };
    const copy = async (query: string): Promise<string> => {
      await ask("begin");
      channel.control({ $case: "describeCopy", value: { query, layout: everyday } });
      const said = await ask(`copy (${query}) to stdout`);
      assert.match(await ask("select 1"), /C25P02/);
      assert.equal(await ask("rollback"), "CROLLBACK |ZI");
      return said;
    };
    assert.match(await copy("select nothing from customers"), /^ESERROR VERROR C42703 Mcolumn "nothing" does not exist F[^|]*\|ZE$/);
    await server.admin.query("begin; lock table customers in access exclusive mode");
    const stopped = await copy(QUERIES[0] ?? "");
    await server.admin.query("rollback");
    assert.match(stopped, /C57014 MStopped by policy/);
    assert.equal(await ask("select from customers where id = 1"), "T\u0000\u0000|D\u0000\u0000|CSELECT 1 |ZI".replaceAll("\0", " "));
    channel.hangUp();
  });
});
