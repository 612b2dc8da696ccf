import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, describe, it } from "node:test";
import type { Client } from "pg";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { TestProcess } from "../support/process.ts";
import { isType, type RecordedAs, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { running } from "./backends.ts";
import { failure } from "./failure.ts";

describe("a target that speaks TLS only", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  let admin: Client;
  before(async () => {
    stack = await Stack.start(cleanup, { targetTls: true });
    await (
      await stack.connectDirect()
    ).query("create table customers (id int, email text); insert into customers values (1, 'ada.lovelace@example.com'), (2, 'bruno@example.com')");
    admin = await stack.target.connectAsSuperuser();
  });

  const psql = (sql: string, env: Readonly<Record<string, string>> = {}): TestProcess =>
    TestProcess.start(cleanup, "psql", ["-X", "-At", "-v", "VERBOSITY=verbose", "-c", sql], { env: { ...stack.gatewayEnv(), ...env } });
  const said = async (run: TestProcess): Promise<object> => ({ status: (await run.exited).status, stdout: run.stdout, stderr: run.stderr });
  const held = (text: string): Promise<RecordedAs<"ApprovalRequested">> =>
    stack.event(
      "approval-",
      (event): event is RecordedAs<"ApprovalRequested"> => event.type === "ApprovalRequested" && event.data.command.statement?.includes(text) === true,
    );

  const timesRun = (sql: string): number => stack.target.log.statements().filter((each) => each.sql === sql).length;

  it("is reached inside TLS, and by nothing else", async () => {
    const client = await stack.connect("ana", { application_name: "inside" });
    const { rows } = await admin.query<{ ssl: boolean; version: string }>(
      "select ssl, version from pg_stat_ssl join pg_stat_activity using (pid) where application_name = 'inside'",
    );
    assert.deepEqual(rows, [{ ssl: true, version: "TLSv1.3" }]);
    await client.end();
    await assert.rejects(stack.connectDirect({ ssl: false }), /pg_hba\.conf/u);
  });

  it("answers a read with its columns masked", async () => {
    const { stdout, ...rest } = (await said(psql("select email from customers order by id"))) as { stdout: string };
    assert.deepEqual(rest, { status: 0, stderr: "" });
    assert.equal(stdout.trim().split("\n").length, 2);
    assert.doesNotMatch(stdout, /lovelace|bruno/u);
  });

  it("has a dangerous statement held, run once when it is approved, and not at all when it is denied", async () => {
    const dropped = psql("drop table customers");
    await stack.deny((await held("drop table customers")).data.approvalId, "bo", "not this one");
    assert.equal((await dropped.exited).status, 1);
    assert.match(dropped.stderr, /42501[^]*approval\.denied/u);

    const deleted = psql("delete from customers");
    const { data } = await held("delete from customers");
    assert.equal(timesRun("delete from customers"), 0);
    await stack.approve(data.approvalId);
    await deleted.exited;
    assert.equal(deleted.stdout, "DELETE 2\n");
    assert.deepEqual([timesRun("delete from customers"), timesRun("drop table customers")], [1, 0]);

    const replay = stack.cli("bo", "sessions", "replay", data.sessionId);
    assert.equal((await replay.exited).status, 0, replay.stderr);
    for (const told of ["held", "released", "approved by bo", "DELETE 2"]) assert.ok(replay.stdout.includes(told), `${told} in ${replay.stdout}`);
  });

  it("is told to cancel inside TLS as well", async () => {
    const run = psql("select pg_sleep(60)", { PGAPPNAME: "cancelled" });
    await running(admin, "cancelled");
    run.kill("SIGINT");
    assert.equal((await run.exited).status, 1);
    assert.match(run.stderr, /57014[^]*canceling statement/u);
  });

  describe("is refused, and psql is told why", () => {
    let elsewhere: TestPostgres;
    let plain: TestPostgres;
    before(async () => {
      elsewhere = await startTestPostgres(cleanup, { tls: ["db.example"] });
      plain = await startTestPostgres(cleanup, { auth: "password", settings: { log_connections: "on" } });
    });

    const refusals: Readonly<Record<string, { readonly changes: () => object; readonly told: RegExp }>> = {
      "when another authority has signed its certificate": {
        changes: () => ({ tls: { caFile: elsewhere.certificate?.caFile } }),
        told: /certificate of resource "orders-db" is not signed by an authority that the agent trusts/u,
      },
      "when nobody that the agent knows has signed it": {
        changes: () => ({ tls: {} }),
        told: /certificate of resource "orders-db" is not signed by an authority that the agent trusts/u,
      },
      "when its certificate is for another name": {
        changes: () => ({ port: elsewhere.port, tls: { caFile: elsewhere.certificate?.caFile } }),
        told: /The certificate of resource "orders-db" is not for the configured host\./u,
      },
      "when it has no TLS, and before the password is said": {
        changes: () => ({ port: plain.port }),
        told: /Resource "orders-db" does not offer TLS, which its configuration requires\./u,
      },
    };
    for (const [name, { changes, told }] of Object.entries(refusals)) {
      it(name, async () => {
        await stack.restartAgent({ ...changes() });
        const run = psql("select 1");
        assert.equal((await run.exited).status, 2, run.stdout);
        assert.match(run.stderr, told);
        assert.match(run.stderr, /^DETAIL: {2}code: target\.refused$/mu);
        // psql shows no SQLSTATE of a connection that cannot be.
        assert.deepEqual(await failure(stack.connect()), ["08004", "target.refused"]);
      });
    }

    it("until it is set right again, and each refusal is in the record", async () => {
      await stack.restartAgent({});
      assert.deepEqual(await said(psql("select 1")), { status: 0, stdout: "1\n", stderr: "" });
      const refused = (await stack.events("session-")).filter(isType("SessionRefused")).map(({ data }) => data.code);
      assert.deepEqual(
        refused,
        Object.keys(refusals).flatMap(() => ["target.refused", "target.refused"]),
      );
      const log = readFileSync(plain.logFile, "utf8");
      assert.match(log, /connection received/u);
      assert.doesNotMatch(log, /user=app/u, "nobody began to log in where there is no TLS");
    });
  });
});
