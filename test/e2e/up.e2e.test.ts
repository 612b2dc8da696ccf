import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { freePort } from "../support/free-port.ts";
import { TestProcess } from "../support/process.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { tempDir } from "../support/temp-dir.ts";

const main = fileURLToPath(new URL("../../cli/src/main.ts", import.meta.url));
const quiet = "--disable-warning=ExperimentalWarning";

interface Ended {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** The story that the README tells, by the commands that it gives. */
describe("sallyport up", () => {
  const cleanup = suiteCleanup();
  const directory = join(tempDir(cleanup, "up"), ".sallyport");
  const env: Record<string, string> = { NODE_OPTIONS: quiet };
  let up: TestProcess;

  const start = async (): Promise<void> => {
    up = TestProcess.node(cleanup, main, ["up", "--dir", directory], { env });
    await up.line((line) => line.includes("Ctrl-C stops everything"));
  };
  const stop = async (): Promise<void> => {
    up.kill("SIGINT");
    assert.equal((await up.exited).status, 0, up.stdout + up.stderr);
  };
  const spawn = (...args: readonly string[]): TestProcess =>
    TestProcess.node(cleanup, main, args, { env: { NODE_OPTIONS: quiet, SALLYPORT_CLI_DIR: directory } });
  const run = async (...args: readonly string[]): Promise<Ended> => {
    const command = spawn(...args);
    const { status } = await command.exited;
    return { status, out: command.stdout, err: command.stderr };
  };
  const pending = async (): Promise<{ readonly id: string; readonly statement: string }> => {
    for (;;) {
      const { out } = await run("--as", "bo", "--json", "approvals", "list");
      const [first] = JSON.parse(out) as { id: string; statement: string }[];
      if (first !== undefined) return first;
    }
  };

  before(async () => {
    for (const name of ["PG", "TUNNEL", "API"]) env[`SALLYPORT_${name}_PORT`] = String(await freePort());
    await start();
  });

  it("prints a psql line and a token for an engineer and an approver", () => {
    for (const who of ["ana", "bo"])
      assert.match(up.stdout, new RegExp(`psql "host=localhost port=${env["SALLYPORT_PG_PORT"]} dbname=customers user=${who} `, "u"));
    assert.equal(up.stdout.match(/token sp_[0-9a-f]{16}_/gu)?.length, 2);
  });

  it("answers a read with its sensitive columns masked", async () => {
    const { status, out } = await run("--as", "ana", "--json", "exec", "customers", "select name, email, ssn from customers order by id limit 3");
    assert.equal(status, 0);
    const { rows } = JSON.parse(out) as { rows: string[][] };
    assert.equal(rows.length, 3);
    for (const [name = "", email = "", ssn = ""] of rows) {
      assert.doesNotMatch(name, /\*/u);
      assert.match(email, /\*/u);
      assert.doesNotMatch(ssn, /\d{3}-\d{2}-\d{4}/u);
    }
  });

  it("holds DROP TABLE until the other identity approves, then does it once; the same again, denied, is not done", async () => {
    const first = spawn("--as", "ana", "exec", "customers", "drop table orders");
    const held = await pending();
    assert.equal(held.statement, "drop table orders");
    const own = await run("--as", "ana", "approvals", "approve", held.id);
    assert.equal(own.status, 1);
    assert.match(own.err, /approval\.self/u);
    assert.equal((await run("--as", "bo", "approvals", "approve", held.id)).status, 0);
    assert.equal((await first.exited).status, 0, first.stderr);
    assert.match(first.stderr, new RegExp(`approvals approve ${held.id}`, "u"));

    const second = spawn("--as", "ana", "exec", "customers", "drop table products");
    const again = await pending();
    assert.equal((await run("--as", "bo", "approvals", "deny", again.id, "--comment", "not today")).status, 0);
    assert.equal((await second.exited).status, 1);
    assert.match(second.stderr, /bo denied this command: not today[^]*approval\.denied/u);
    const { out } = await run("--as", "ana", "exec", "customers", "select to_regclass('orders') is null, to_regclass('products') is null", "--csv");
    assert.equal(out.trim().split("\n").at(-1), "t,f");
  });

  it("holds DELETE without WHERE, and withdraws it when its client goes", async () => {
    const client = spawn("--as", "ana", "exec", "customers", "delete from payments");
    const { id } = await pending();
    client.kill("SIGKILL");
    await client.exited;
    for (;;) {
      const { out } = await run("--as", "bo", "--json", "approvals", "show", id);
      if ((JSON.parse(out) as { state: string }).state === "withdrawn") break;
    }
    const { out } = await run("--as", "ana", "exec", "customers", "select count(*) from payments", "--csv");
    assert.equal(out.trim(), "count\n2000");
  });

  it("refuses what no approval can lift, with the rule and a stable code", async () => {
    const { status, err } = await run("--as", "ana", "exec", "customers", "copy customers to program 'cat'");
    assert.equal(status, 1);
    assert.match(err, /SQLSTATE 42501[^]*code: policy\.denied; rule: no-server-access/u);
  });

  it("opens on request what is open to nobody, for who asked, once another agrees", async () => {
    const denied = await run("--as", "ana", "exec", "customers-production", "select 1");
    assert.equal(denied.status, 1);
    assert.match(denied.err, /sallyport request customers-production/u);
    const asked = JSON.parse((await run("--as", "ana", "--json", "request", "customers-production", "--for", "30m", "--reason", "a bug")).out) as {
      id: string;
    };
    assert.equal((await run("--as", "ana", "grants", "approve", asked.id)).status, 1);
    assert.equal((await run("--as", "bo", "grants", "approve", asked.id)).status, 0);
    const { out } = await run("--as", "ana", "exec", "customers-production", "select count(*) > 0 as there from customers", "--csv");
    assert.equal(out.trim(), "there\nt");
    assert.equal((await run("--as", "bo", "exec", "customers-production", "select 1")).status, 1);
  });

  it("tells misuse from refusal from silence by its exit status", async () => {
    assert.equal((await run("nonsense")).status, 2);
    assert.equal((await run("--as", "nobody", "resources")).status, 2);
    assert.equal((await run("--as", "ana", "events", "export")).status, 1);
    assert.equal((await run("--help")).status, 0);
  });

  it("goes on after Ctrl-C and a second start, its history intact, and is silent in between", async () => {
    const earlier = JSON.parse((await run("--as", "bo", "--json", "sessions", "list", "--limit", "100")).out) as { id: string; state: string }[];
    await stop();
    assert.ok(existsSync(join(directory, "control-plane", "ledger.db")));
    assert.equal((await run("--as", "ana", "exec", "customers", "select 1")).status, 3);
    assert.equal((await run("--as", "bo", "sessions", "list")).status, 3);
    await start();
    const later = JSON.parse((await run("--as", "bo", "--json", "sessions", "list", "--limit", "100")).out) as { id: string; state: string }[];
    assert.deepEqual(later, earlier);
    assert.ok(later.every(({ state }) => state === "ended" || state === "refused"));
    const replay = await Promise.all(later.map(({ id }) => run("--as", "bo", "sessions", "replay", id)));
    const told = replay.map(({ out }) => out).join("\n");
    for (const words of [
      /held {4}#1 drop table orders/u,
      /released #1 approved by bo/u,
      /denied {2}#1 drop table products/u,
      /done {4}#1 succeeded DROP TABLE/u,
      /masked: .*email×3/u,
    ])
      assert.match(told, words);
    assert.equal((await run("--as", "ana", "exec", "customers", "select 1")).status, 0);
    await stop();
  });
});
