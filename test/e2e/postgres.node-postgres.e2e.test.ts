import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { before, it } from "node:test";
import { encodeCancelRequest } from "@sallyport/proto/wire/postgres/startup";
import { type Client, DatabaseError } from "pg";
import { from, to } from "pg-copy-streams";
import { openPolicy } from "../support/policies.ts";
import { describeOnEach } from "../support/postgres-server.ts";
import { Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { running } from "./backends.ts";

const BIG = 64 * 1_048_576;

describeOnEach("node-postgres", (flavour) => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup, { targetFlavour: flavour, policy: openPolicy });
    await (await stack.connectDirect()).query("create table notes (id int primary key, note text)");
  });

  const scenarios: Readonly<Record<string, (client: Client) => Promise<unknown>>> = {
    "transactions, and an error in the middle": async (client) => {
      await client.query("begin");
      await client.query("insert into notes values ($1, $2)", [1, "one"]);
      await client.query("savepoint s");
      const twice = await failure(client.query("insert into notes values ($1, $2)", [1, "again"]));
      const failed = await failure(client.query("select 1"));
      await client.query("rollback to s");
      const { rows } = await client.query("select * from notes");
      await client.query("rollback");
      return [twice, failed, rows, (await client.query("select count(*) from notes")).rows];
    },
    "named prepared statements": async (client) => {
      const config = { name: "double", text: "select $1::int * 2 as twice, $2::text as label" };
      const first = await client.query({ ...config, values: [21, "a"] });
      const second = await client.query({ ...config, values: [4, null] });
      const wrong = await failure(client.query({ ...config, values: ["x", "a"] }));
      const third = await client.query({ ...config, values: [5, "c"] });
      return [first.rows, second.rows, wrong, third.rows, first.fields.map(({ name, dataTypeID }) => [name, dataTypeID])];
    },
    "types, and several statements at once": async (client) => {
      const results: unknown = await client.query(
        "select 1 as a; select now() > '2020-01-01' as b, '{1,2}'::int[] as c, '{\"x\":1}'::jsonb as d; create temp table x (y int)",
      );
      return (results as { command: string; rows: unknown[] }[]).map(({ command, rows }) => [command, rows]);
    },
    "COPY in and out": async (client) => {
      await client.query("begin");
      await pipeline(Readable.from(Array.from({ length: 5_000 }, (_, n) => `${n}\tnote ${n}\n`)), client.query(from("copy notes from stdin")));
      const out = await text(client.query(to("copy (select * from notes order by id) to stdout")));
      const wrong = await failure(pipeline(Readable.from(["x\ty\n"]), client.query(from("copy notes from stdin"))));
      await client.query("rollback");
      return [out.length, out.slice(0, 60), wrong, (await client.query("select count(*) from notes")).rows];
    },
    "a value of 64 MiB both ways": async (client) => {
      const value = "0123456789abcdef".repeat(BIG / 16);
      const { rows } = await client.query<{ length: number; value: string }>("select length($1::text), $1::text as value", [value]);
      return [rows[0]?.length, rows[0]?.value === value];
    },
    "queries that are queued without waiting": async (client) => {
      const results = await Promise.allSettled(Array.from({ length: 200 }, (_, n) => client.query(n % 50 === 49 ? "select 1/0" : `select ${n} as n`)));
      return results.map((result) => (result.status === "fulfilled" ? (result.value.rows as unknown[])[0] : shown(result.reason)));
    },
  };
  for (const [name, run] of Object.entries(scenarios)) {
    it(`gives the same as on a direct connection: ${name}`, async () => {
      assert.deepEqual(await run(await stack.connect()), await run(await stack.connectDirect()));
    });
  }

  it("is cancelled by a request on a second connection, at the target, and goes on", async () => {
    const client = await stack.connect("ana", { application_name: "cancelled" });
    const admin = await stack.target.connectAsSuperuser();
    const sleeping = failure(client.query("select pg_sleep(60)"));
    await running(admin, "cancelled");
    await cancel(stack.gatewayPort, client);
    assert.deepEqual(await sleeping, ["57014", "canceling statement due to user request"]);
    assert.deepEqual((await client.query("select 1 as one")).rows, [{ one: 1 }]);
  });

  it("is not cancelled by somebody who does not have the key", async () => {
    const client = await stack.connect("ana", { application_name: "unharmed" });
    const admin = await stack.target.connectAsSuperuser();
    const sleeping = client.query<{ it: string }>("select pg_sleep(0.5), 'slept' as it");
    await running(admin, "unharmed");
    const { processID } = client as unknown as { processID: number };
    await cancelWith(stack.gatewayPort, processID, Buffer.from("guess"));
    await cancelWith(stack.gatewayPort, processID, Buffer.alloc(4));
    assert.equal((await sleeping).rows[0]?.it, "slept");
  });

  it("hears notifications of others while it is idle", async () => {
    const listener = await stack.connect();
    await listener.query("listen news");
    const heard = once(listener, "notification");
    await (await stack.connect("robot")).query("notify news, 'hello'");
    const [{ channel, payload }] = (await heard) as [{ channel: string; payload: string }];
    assert.deepEqual([channel, payload], ["news", "hello"]);
  });

  it("keeps many connections apart", async () => {
    const clients = await Promise.all(Array.from({ length: 30 }, (_, n) => stack.connect("ana", { application_name: `many ${n}` })));
    const answers = await Promise.all(
      clients.map((client, n) => client.query<{ n: number; name: string }>("select $1::int as n, current_setting('application_name') as name", [n])),
    );
    assert.deepEqual(
      answers.map(({ rows }) => rows[0]),
      clients.map((_, n) => ({ n, name: `many ${n}` })),
    );
  });
});

const shown = (error: unknown): string[] => (error instanceof DatabaseError ? [error.code ?? "", error.message] : [String(error)]);

async function failure(run: Promise<unknown>): Promise<string[]> {
  try {
    await run;
  } catch (error) {
    return shown(error);
  }
  return ["no error"];
}

function cancel(port: number, client: Client): Promise<void> {
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
  const key = Buffer.alloc(4);
  key.writeInt32BE(secretKey);
  return cancelWith(port, processID, key);
}

/** In clear, as libpq before version 17 sends it. */
async function cancelWith(port: number, processId: number, key: Buffer): Promise<void> {
  const socket = connect({ host: "127.0.0.1", port });
  socket.end(encodeCancelRequest(processId, key));
  socket.resume();
  await once(socket, "close");
}
