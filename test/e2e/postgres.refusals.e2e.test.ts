import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { before, describe, it } from "node:test";
import { encodeSslRequest, encodeStartupMessage } from "@sallyport/proto/wire/postgres/startup";
import { Client, type ClientConfig } from "pg";
import { UnauthenticatedConnections } from "../load/unauthenticated-connections.ts";
import { residentBytes } from "../support/process-usage.ts";
import { bind, execute, int32, message, parse, query, sync } from "../support/frontend-messages.ts";
import { isType, RESOURCE, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { WireClient } from "../support/wire-client.ts";
import { backends } from "./backends.ts";
import { failure, failureOf } from "./failure.ts";
import { openWire } from "./gateway-wire.ts";

const GIB = 1_073_741_824;

describe("a connection that cannot be", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup, { env: { SALLYPORT_PG_AUTH_TIMEOUT_SECONDS: "2" } });
  });

  const refused = (more: ClientConfig, person: "ana" | "bo" = "ana"): Promise<readonly string[]> => failure(attempt(stack.gateway(person, more)));

  it("is told: wrong token, another's token, an unknown identity", async () => {
    assert.deepEqual(await refused({ password: "hunter2" }), ["28P01", "auth.failed"]);
    assert.deepEqual(await refused({ password: stack.tokens.bo }), ["28P01", "auth.failed"]);
    assert.deepEqual(await refused({ user: "nobody" }), ["28P01", "auth.failed"]);
    assert.deepEqual(await refused({ password: `${stack.tokens.ana}x` }), ["28P01", "auth.failed"]);
    const failed = (await stack.events("identity-")).filter(({ type }) => type === "SignInFailed");
    assert.ok(failed.length > 0, "failed sign-ins are recorded, one in a while for each identity");
  });

  it("is told that its token has expired, and a running session ends with its token", async () => {
    const { token } = await stack.token("robot", 1);
    const client = await stack.connect("robot", { password: token, application_name: "expiring" });
    const ended = once(client, "error") as Promise<[{ code: string; detail: string }]>;
    const [error] = await ended;
    assert.deepEqual([error.code, error.detail], ["57P01", "code: session.ended; cause: token_expired"]);
    assert.deepEqual(await failure(attempt(stack.gateway("robot", { password: token }))), ["28P01", "auth.expired"]);
  });

  it("ends at once when its token is revoked", async () => {
    const { token, tokenId } = await stack.token("robot");
    const client = await stack.connect("robot", { password: token });
    const ended = once(client, "error") as Promise<[{ code: string }]>;
    await stack.call("admin", (api) => api.identities.revokeToken({ tokenId }));
    assert.equal((await ended)[0].code, "57P01");
    assert.deepEqual(await failure(attempt(stack.gateway("robot", { password: token }))), ["28P01", "auth.failed"]);
  });

  it("is told: unknown resource, and a resource that it may not open", async () => {
    assert.deepEqual(await refused({ database: "nowhere" }), ["3D000", "resource.not_found"]);
    await stack.call("admin", (api) => api.identities.putIdentity({ id: "dora", kind: "human", groups: ["guests"] }));
    const { token } = await stack.call("admin", (api) => api.identities.createToken({ identityId: "dora", ttlSeconds: 60, note: "" }));
    assert.deepEqual(await refused({ user: "dora", password: token }), ["42501", "policy.denied"]);
  });

  it("is told to name a resource when the database is its own name, which is not recorded as one", async () => {
    assert.deepEqual(await refused({ database: "ana" }), ["3D000", "resource.not_found"]);
    assert.deepEqual(await refused({ database: "" }), ["3D000", "resource.not_found"]);
    const asked = new Set((await stack.events("session-")).filter(isType("SessionRequested")).map(({ data }) => data.resource));
    assert.ok(asked.has("") && !asked.has("ana"));
  });

  it("is told that TLS is required, before it has said its password", async () => {
    assert.deepEqual(await refused({ ssl: false }), ["28000", "tls.required"]);
  });

  it("is told which start-up parameters are not carried", async () => {
    assert.deepEqual(await refused({ options: "-c role=postgres" }), ["0A000", "feature.unsupported"]);
    assert.deepEqual(await refused({ options: "-c session_authorization=postgres" }), ["0A000", "feature.unsupported"]);
    assert.deepEqual(await refused({ options: "--role=postgres" }), ["0A000", "feature.unsupported"]);
    await assert.rejects(openWire(cleanup, stack, "ana", { replication: "database" }), /0A000[^]*feature\.unsupported/u);
    await assert.rejects(openWire(cleanup, stack, "ana", { replication: "true" }), /0A000[^]*feature\.unsupported/u);
    await assert.rejects(openWire(cleanup, stack, "ana", { role: "postgres" }), /0A000[^]*feature\.unsupported/u);
    const client = await stack.connect("ana", { options: "-c search_path=pg_catalog -c statement_timeout=5s" });
    assert.deepEqual((await client.query("show search_path")).rows, [{ search_path: "pg_catalog" }]);
  });

  for (const [name, bytes] of Object.entries({
    "a start-up packet that claims 1 GiB": Buffer.concat([int32(GIB), int32(196_608)]),
    "a start-up packet that is too short": int32(3),
    "HTTP": Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    "text in clear behind an SSLRequest": Buffer.concat([encodeSslRequest(), encodeStartupMessage(new Map([["user", "ana"]]))]),
    "protocol 2": Buffer.concat([int32(9), int32(131_072), Buffer.from([0])]),
  })) {
    it(`is refused on ${name}`, async () => {
      const client = await WireClient.connect(cleanup, { host: "127.0.0.1", port: stack.gatewayPort });
      client.write(bytes);
      await client.ended();
      const [error] = client.messages;
      assert.ok(error !== undefined);
      const [severity, sqlstate] = failureOf(error);
      assert.equal(severity, "FATAL");
      assert.match(sqlstate ?? "", /^(08P01|0A000)$/u);
    });
  }

  for (const [name, bytes] of Object.entries({
    "a start-up packet that claims 1 GiB": Buffer.concat([int32(GIB), int32(196_608)]),
    "a start-up packet of no known kind": Buffer.concat([int32(8), int32(0)]),
    "an SSLRequest inside TLS": encodeSslRequest(),
  })) {
    it(`is told inside its TLS connection what is wrong with ${name}`, async () => {
      const client = await WireClient.connect(cleanup, { host: "127.0.0.1", port: stack.gatewayPort, ca: readFileSync(stack.caFile, "utf8") });
      client.write(bytes);
      await client.ended();
      const [error] = client.messages;
      assert.ok(error !== undefined, "the client could read it");
      assert.match(failureOf(error).join(" "), /^FATAL (08P01|0A000|54000) /u);
    });
  }

  it("is refused when the password is not a password message, or is endless", async () => {
    for (const bytes of [message("Q", "select 1\0"), Buffer.concat([Buffer.from("p"), int32(GIB)]), message("p", "no end")]) {
      const client = await WireClient.connect(cleanup, { host: "127.0.0.1", port: stack.gatewayPort, ca: readFileSync(stack.caFile, "utf8") });
      client.write(
        encodeStartupMessage(
          new Map([
            ["user", "ana"],
            ["database", RESOURCE],
          ]),
        ),
      );
      await client.more("R");
      client.write(bytes);
      await client.ended();
      const error = client.messages.at(-1);
      assert.equal(error?.type, "E");
      assert.match(failureOf(error).join(" "), /FATAL (08P01 wire\.malformed|54000 wire\.too_large)/u);
    }
  });

  it("is cut when it says nothing, and lets those who do sign in", async () => {
    const quiet = connect({ host: "127.0.0.1", port: stack.gatewayPort });
    await once(quiet, "close");
  });

  it("is recorded with the reason", async () => {
    const reasons = new Set((await stack.events("session-")).flatMap((event) => (event.type === "SessionRefused" ? [event.data.code] : [])));
    for (const reason of ["resource.not_found", "policy.denied"]) assert.ok(reasons.has(reason), reason);
  });
});

describe("bytes that no client should send, in a session", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup);
  });

  for (const [name, bytes, expected] of [
    ["a length of 1 GiB", Buffer.concat([Buffer.from("Q"), int32(GIB)]), "54000 wire.too_large"],
    ["a length below its own size", Buffer.concat([Buffer.from("Q"), int32(3)]), "08P01 wire.malformed"],
    ["a negative length", Buffer.concat([Buffer.from("Q"), int32(-1)]), "54000 wire.too_large"],
    ["an unknown type", message("z", "x"), "08P01 wire.malformed"],
    ["a query without its NUL", message("Q", "select 1"), "08P01 wire.malformed"],
    ["a query with a NUL inside", message("Q", "select 1\0; drop table x\0"), "08P01 wire.malformed"],
    ["a Bind that ends early", Buffer.concat([message("B", "\0\0", Buffer.from([0])), sync]), "08P01 wire.malformed"],
    ["a Close of something else", Buffer.concat([message("C", "X", "name\0"), sync]), "08P01 wire.malformed"],
    ["a password message in the middle", message("p", "secret\0"), "08P01 wire.malformed"],
  ] as const) {
    it(`end it, and are told: ${name}`, async () => {
      const client = await openWire(cleanup, stack, "ana", { application_name: "hostile" });
      client.write(bytes);
      await client.ended();
      const [error] = client.messages;
      assert.ok(error !== undefined, "something is said");
      assert.equal(failureOf(error).join(" "), `FATAL ${expected}`);
      // The target's session ends with it.
      await backends(await stack.target.connectAsSuperuser(), "hostile", ({ length }) => length === 0);
    });
  }

  for (const [how, send] of [
    ["simple", (sql: Buffer) => message("Q", sql, Buffer.from([0]))],
    ["extended", (sql: Buffer) => Buffer.concat([message("P", "\0", sql, Buffer.from([0, 0, 0])), bind(), execute(), sync])],
  ] as const) {
    it(`are no harm: a statement that is not UTF-8 is refused as the target would, recorded, and nobody is asked (${how})`, async () => {
      const client = await openWire(cleanup, stack, "ana", { application_name: `garbled ${how}` });
      const from = stack.target.log.end;
      const answered = client.more("Z");
      client.write(send(Buffer.concat([Buffer.from("select '"), Buffer.from([0xff, 0xfe]), Buffer.from("' /* not utf-8 */")])));
      await answered;
      assert.equal(client.types, "EZ");
      assert.deepEqual(failureOf(client.messages[0] ?? { type: "", bytes: Buffer.alloc(0) }), ["ERROR", "22021", "statement.encoding"]);
      assert.equal(stack.target.log.statements(from).filter(({ sql }) => sql.includes("not utf-8")).length, 0);
      const alive = client.more("Z");
      client.write(query("select 'Zoë'"));
      await alive;
      assert.equal(client.types, "EZTDCZ");
      const { stream } = await stack.event(
        "session-",
        isType("SessionRequested", ({ data }) => data.application === `garbled ${how}`),
      );
      const recorded = await stack.events(stream);
      assert.deepEqual(
        recorded.flatMap((event) => (event.type === "CommandDenied" ? [event.data.code] : [])),
        ["statement.encoding"],
      );
      assert.ok(!recorded.some(({ type }) => type === "CommandHeld"));
      client.destroy();
    });
  }

  it("are judged in the encoding that the client says they are in: Latin-1 is not garbled", async () => {
    const client = await openWire(cleanup, stack, "ana", { client_encoding: "LATIN1" });
    const settled = client.until((messages) => messages.some(({ type }) => type === "Z" || type === "N"));
    client.write(message("Q", "select '", Buffer.from([0xe9]), "'\0"));
    await settled;
    assert.doesNotMatch(failureOf(client.messages[0] ?? { type: "", bytes: Buffer.alloc(0) }).join(" "), /22021/u);
    client.destroy();
  });

  it("are no harm: a statement that does not parse is held, not run", async () => {
    const client = await openWire(cleanup, stack);
    client.write(query("selec 1"));
    await client.more("N");
    assert.match(failureOf(client.messages[0] ?? { type: "", bytes: Buffer.alloc(0) }).join(" "), /approval\.pending/u);
    client.destroy();
  });

  it("are dropped behind a refusal, up to the Sync, as the target would", async () => {
    const client = await openWire(cleanup, stack);
    const answered = client.more("Z");
    client.write(Buffer.concat([parse("copy pg_class to program 'cat'"), bind(), execute(), parse("select 1"), bind(), execute(), sync]));
    await answered;
    assert.equal(client.types, "EZ");
    assert.deepEqual(failureOf(client.messages[0] ?? { type: "", bytes: Buffer.alloc(0) }), ["ERROR", "42501", "policy.denied"]);
    const alive = client.more("Z");
    client.write(query("select 'alive'"));
    await alive;
    assert.equal(client.types, "EZTDCZ");
    client.destroy();
  });

  it("do not disturb other groups of the same pipeline: each is judged by itself, in order", async () => {
    const client = await openWire(cleanup, stack);
    const answered = client.more("Z", 5);
    client.write(Buffer.concat([group("select 1"), group("copy pg_class to program 'cat'"), group("select 2"), query("set role postgres"), query("select 3")]));
    await answered;
    assert.equal(client.types, "12DCZEZ12DCZEZTDCZ");
    client.destroy();
  });

  for (const sql of [
    "copy pg_class to program 'cat'",
    "select pg_read_file('/etc/passwd')",
    "alter system set work_mem = '1GB'",
    "create role mallory superuser",
    "set role postgres",
    "grant all on all tables in schema public to public",
  ]) {
    it(`are refused whatever anybody approves: ${sql}`, async () => {
      const client = await stack.connect();
      const from = stack.target.log.end;
      assert.deepEqual(await failure(client.query(sql)), ["42501", "policy.denied"]);
      assert.deepEqual((await client.query("select 1 as one")).rows, [{ one: 1 }]);
      assert.deepEqual(
        stack.target.log.statements(from).map((statement) => statement.sql),
        ["select 1 as one"],
      );
    });
  }
});

describe("bounds", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup, { env: { SALLYPORT_PG_MAX_SESSIONS: "2", SALLYPORT_PG_MAX_MESSAGE_BYTES: "65536" } });
  });

  it("on sessions: one too many is told, and comes in when another has left", async () => {
    const [first] = [await stack.connect(), await stack.connect()];
    assert.deepEqual(await failure(attempt(stack.gateway())), ["53300", "session.limit"]);
    await first.end();
    await stack.event("session-", ({ type }) => type === "SessionEnded");
    assert.deepEqual(await failure(attempt(stack.gateway())), ["no error"]);
  });

  it("on those of one identity, so that there is room for others", async () => {
    const roomy = await Stack.start(cleanup, { env: { SALLYPORT_PG_MAX_SESSIONS: "4", SALLYPORT_PG_MAX_SESSIONS_PER_IDENTITY: "2" } });
    const [first] = [await roomy.connect(), await roomy.connect()];
    assert.deepEqual(await failure(attempt(roomy.gateway())), ["53300", "session.limit"]);
    assert.deepEqual(await failure(attempt(roomy.gateway("bo"))), ["no error"]);
    await first.end();
    // The gateway sees the connection close a moment later than the client does.
    while ((await failure(attempt(roomy.gateway())))[0] !== "no error");
  });

  it("on messages: a larger one ends the session with a reason", async () => {
    const client = await stack.connect();
    assert.deepEqual((await client.query(`select length('${"x".repeat(65_000)}') as n`)).rows, [{ n: 65_000 }]);
    assert.deepEqual(await failure(client.query(`select length('${"x".repeat(66_000)}')`)), ["54000", "wire.too_large"]);
  });
});

describe("2,000 connections that never sign in", () => {
  const cleanup = suiteCleanup();
  /** `npm run load:unauthenticated` has 10,000, and all of them at once. */
  const CONNECTIONS = 2_000;
  /** What the bounded number of them may cost, sockets and all. */
  const GROWTH_BYTES = 128 * 1_048_576;
  const LIMIT_SECONDS = 8;

  it("keep nobody out, grow no memory, and are all sent away in time", async () => {
    const stack = await Stack.start(cleanup, { env: { SALLYPORT_PG_AUTH_TIMEOUT_SECONDS: String(LIMIT_SECONDS) } });
    const before_ = residentBytes(stack.controlPlane.pid);
    const connections = new UnauthenticatedConnections(cleanup, stack.gatewayPort);
    await connections.arrive(CONNECTIONS);
    const client = await stack.connect();
    assert.deepEqual((await client.query("select 1 as one")).rows, [{ one: 1 }]);
    assert.ok(connections.open <= 600, `${connections.open} are still connected`);
    const growth = residentBytes(stack.controlPlane.pid) - before_;
    assert.ok(growth < GROWTH_BYTES, `the control plane grew by ${growth} bytes`);
    await connections.gone();
    assert.ok(connections.longestMillis < (LIMIT_SECONDS + 5) * 1_000, `one stayed for ${connections.longestMillis} ms`);
    assert.deepEqual((await client.query("select 2 as two")).rows, [{ two: 2 }]);
  });
});

const group = (sql: string): Buffer => Buffer.concat([parse(sql), bind(), execute(), sync]);

async function attempt(config: ClientConfig): Promise<void> {
  const client = new Client(config);
  client.on("error", () => undefined);
  try {
    await client.connect();
  } finally {
    await client.end().catch(() => undefined);
  }
}
