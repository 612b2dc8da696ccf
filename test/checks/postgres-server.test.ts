import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { getuid } from "node:process";
import { after, describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { embeddedPostgres } from "@sallyport/deploy/demo/postgres-binaries";
import { startPostgres } from "@sallyport/deploy/demo/postgres-server";
import { runProgram } from "@sallyport/deploy/demo/run-program";
import { appRole, demoDatabase, seedDemo } from "@sallyport/deploy/demo/seed";
import { serverUser } from "@sallyport/deploy/demo/server-user";
import { Client } from "pg";
import { atEnd } from "../support/cleanup.ts";
import { freePort } from "../support/free-port.ts";
import { placeCluster } from "../support/postgres-cluster.ts";
import { type Flavour, skipWithout, startTestPostgres, type TargetAuth } from "../support/postgres-server.ts";
import { TestProcess } from "../support/process.ts";
import { testCertificate } from "../support/certificate.ts";
import { tempDir } from "../support/temp-dir.ts";

const starter = fileURLToPath(new URL("fixtures/start-postgres.ts", import.meta.url));
const notRoot = getuid?.() === 0 ? false : "only root has to change accounts";

/** A server's folder with its cluster in it, where it does not matter who made that. */
async function placed(t: TestContext): Promise<string> {
  const directory = join(tempDir(t), "server");
  await placeCluster(directory, embeddedPostgres());
  return directory;
}

describe("the demo's PostgreSQL", () => {
  const cleanup = { after };

  it("keeps its data from one start to the next", async () => {
    const directory = join(tempDir(cleanup), "server");
    const first = await startPostgres({ directory });
    const passwordFile = join(directory, "..", "agent", "app.password");
    await seedDemo({ server: first, passwordFile });
    const dropped = new Client({
      host: first.host,
      port: first.port,
      user: appRole,
      password: readFileSync(passwordFile, "utf8").trim(),
      database: demoDatabase,
    });
    await dropped.connect();
    await dropped.query("drop table orders");
    await dropped.end();
    await first.stop();

    const second = await startPostgres({ directory });
    atEnd(cleanup, () => second.stop());
    await seedDemo({ server: second, passwordFile });
    const client = new Client({
      host: second.host,
      port: second.port,
      user: appRole,
      password: readFileSync(passwordFile, "utf8").trim(),
      database: demoDatabase,
    });
    await client.connect();
    const { rows } = await client.query(
      "select (select count(*)::int from customers) as customers, (select count(*)::int from payments) as payments, to_regclass('orders') as orders",
    );
    await client.end();
    assert.deepEqual(rows, [{ customers: 500, payments: 2_000, orders: null }]);
    assert.equal(statSync(passwordFile).mode & 0o777, 0o600);
  });

  it("holds the application's password in no log", async (t) => {
    const directory = await placed(t);
    const server = await startPostgres({ directory, settings: { log_statement: "all" } });
    atEnd(t, () => server.stop());
    const passwordFile = join(directory, "..", "app.password");
    await seedDemo({ server, passwordFile });
    const log = readFileSync(server.logFile, "utf8");
    assert.match(log, /alter role sallyport_app/u);
    assert.ok(!log.includes(readFileSync(passwordFile, "utf8").trim()));
  });

  it("stops the server that an earlier parent left behind, then starts", async (t) => {
    const directory = await placed(t);
    const first = await startPostgres({ directory });
    await first.stop();
    // pg_ctl starts it and goes: a server without a parent.
    const port = await freePort();
    const options = ["start", "--wait", "-D", join(directory, "data"), "-l", join(directory, "server.log"), "-o", `-p ${port} -k ''`];
    await runProgram(join(embeddedPostgres().binDir, "pg_ctl"), options, serverUser());
    const connection = connect(port, "127.0.0.1");
    await once(connection, "connect");
    connection.destroy();
    const server = await startPostgres({ directory });
    atEnd(t, () => server.stop());
    await assert.rejects(once(connect(port, "127.0.0.1"), "connect"), { code: "ECONNREFUSED" });
  });

  it("refuses a folder whose server belongs to a living process", async (t) => {
    const directory = await placed(t);
    const parent = TestProcess.node(t, starter, [directory]);
    await parent.json((value) => value["event"] === "ready");
    await assert.rejects(startPostgres({ directory }), new RegExp(`is in use: process ${parent.pid} `, "u"));
    assert.ok(parent.running);
  });

  it("goes when its parent is killed", { skip: existsSync("/usr/bin/setpriv") ? false : "the kernel cannot be asked for that here" }, async (t) => {
    const directory = await placed(t);
    const parent = TestProcess.node(t, starter, [directory]);
    await parent.json((value) => value["event"] === "ready");
    const ended = TestProcess.start(t, "tail", ["-n", "+1", "-F", join(directory, "server.log")]);
    parent.kill("SIGKILL");
    await ended.line(/database system is shut down/u);
  });

  it("does not take another program for its server when the pid file is stale", async (t) => {
    const directory = await placed(t);
    const first = await startPostgres({ directory });
    await first.stop();
    writeFileSync(join(directory, "data", "postmaster.pid"), `${process.pid}\n`);
    const second = await startPostgres({ directory });
    await second.stop();
  });

  it("says why it cannot start when the port is taken", async (t) => {
    const taken = await startPostgres({ directory: await placed(t) });
    atEnd(t, () => taken.stop());
    await assert.rejects(startPostgres({ directory: await placed(t), port: taken.port }), /could not bind/u);
  });

  it("works from a folder that only root may enter", { skip: notRoot }, async (t) => {
    const closed = join(tempDir(t), "closed");
    mkdirSync(closed, { mode: 0o700 });
    const directory = join(closed, "server");
    const server = await startPostgres({ directory });
    atEnd(t, () => rmSync(server.directory, { recursive: true }));
    atEnd(t, () => server.stop());
    assert.equal(readlinkSync(directory), server.directory);
    const status = readFileSync(`/proc/${server.pid}/status`, "utf8");
    assert.doesNotMatch(status, /^Uid:\s+0/mu);
  });

  it("listens on the loopback address only, and on no Unix socket", async (t) => {
    const server = await startTestPostgres(t);
    const admin = await server.connectAsSuperuser();
    const { rows } = await admin.query("select current_setting('listen_addresses') as tcp, current_setting('unix_socket_directories') as unix");
    assert.deepEqual(rows, [{ tcp: "127.0.0.1", unix: "" }]);
  });

  it("accepts TLS only, and shows the certificate that it was given", async (t) => {
    const folder = tempDir(t);
    const certificate = await testCertificate(folder);
    const server = await startPostgres({ directory: await placed(t), tls: certificate });
    atEnd(t, () => server.stop());
    await seedDemo({ server, passwordFile: join(folder, "app.password"), caFile: certificate.caFile });
    const plain = new Client({
      host: server.host,
      port: server.port,
      user: appRole,
      password: readFileSync(join(folder, "app.password"), "utf8").trim(),
      database: demoDatabase,
    });
    await assert.rejects(plain.connect(), /no pg_hba\.conf entry/u);
  });
});

describe("a PostgreSQL for tests", () => {
  const flavours: readonly Flavour[] = ["embedded18", "debian15"];
  for (const flavour of flavours) {
    it(`writes every statement of ${flavour} into its log, with parameters, before it runs`, { skip: skipWithout(flavour) }, async (t) => {
      const server = await startTestPostgres(t, { flavour });
      const client = await server.connectAsApp();
      const from = server.log.end;
      await client.query("select 1,\n  2");
      await client.query("select $1::int as n, $2::text as t", [7, "it's"]);
      await assert.rejects(client.query("select 1/0"));
      const seen = server.log.statements(from).map(({ how, sql, parameters }) => ({ how, sql, parameters }));
      assert.deepEqual(seen, [
        { how: "simple", sql: "select 1,\n  2", parameters: undefined },
        { how: "extended", sql: "select $1::int as n, $2::text as t", parameters: "$1 = '7', $2 = 'it''s'" },
        { how: "simple", sql: "select 1/0", parameters: undefined },
      ]);
    });
  }

  const methods: readonly TargetAuth[] = ["scram-sha-256", "md5", "password", "trust"];
  for (const auth of methods) {
    it(`lets the app role in by ${auth}`, async (t) => {
      const server = await startTestPostgres(t, { auth, tls: auth === "password" });
      const client = await server.connectAsApp();
      const { rows } = await client.query("select current_user::text as role");
      assert.deepEqual(rows, [{ role: "app" }]);
      const wrong = new Client({ host: server.host, port: server.port, user: "app", password: "wrong", database: "app" });
      if (auth === "trust") return;
      await assert.rejects(wrong.connect());
    });
  }

  it("fails in CI, rather than skips, when a server is missing", () => {
    const before = process.env["CI"];
    process.env["CI"] = "true";
    try {
      assert.equal(skipWithout("debian15"), false);
    } finally {
      if (before === undefined) delete process.env["CI"];
      else process.env["CI"] = before;
    }
  });

  it("is given a port that nobody listens on", async () => {
    const port = await freePort();
    await assert.rejects(once(connect(port, "127.0.0.1"), "connect"), { code: "ECONNREFUSED" });
  });
});
