import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { platform } from "node:process";
import { before, it } from "node:test";
import { embeddedPostgres } from "@sallyport/deploy/demo/postgres-binaries";
import { openPolicy } from "../support/policies.ts";
import { describeOnEach } from "../support/postgres-server.ts";
import { TestProcess } from "../support/process.ts";
import { Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { running } from "./backends.ts";

const BIG = 64 * 1_048_576;

describeOnEach("psql", (flavour) => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup, { targetFlavour: flavour, policy: openPolicy });
    await (
      await stack.connectDirect()
    ).query(
      "create table notes (id int primary key, note text); insert into notes select n, 'note ' || n from generate_series(1, 1000) n; create table big (value text)",
    );
  });

  const psql = (way: "gateway" | "direct", script: string, ...args: readonly string[]): TestProcess =>
    TestProcess.start(cleanup, "psql", ["-X", "-q", "-v", "VERBOSITY=verbose", ...args, "-f", "-"], {
      env: { ...(way === "gateway" ? stack.gatewayEnv() : stack.directEnv()), PGAPPNAME: "psql" },
      cwd: stack.folder,
      input: script,
    });
  const said = async (way: "gateway" | "direct", script: string): Promise<object> => {
    const run = psql(way, script);
    const { status } = await run.exited;
    return { status, stdout: run.stdout.replaceAll(/(?<=process with PID )\d+/gu, "(pid)"), stderr: run.stderr };
  };

  const scripts: Readonly<Record<string, string>> = {
    "transactions, savepoints and errors": `
      begin; insert into notes values (2000, 'a'); savepoint s; insert into notes values (1, 'twice'); rollback to s; select count(*) from notes; rollback;
      select * from nowhere;
      begin; select 1/0; select 1; commit;
      select count(*) from notes;
      begin; update notes set note = 'kept' where id = 7; commit;
      select note from notes where id = 7;`,
    "prepared statements and cursors": `
      prepare p(int) as select note from notes where id = $1; execute p(3); execute p(4); deallocate p; execute p(5);
      \\set FETCH_COUNT 100
      select id from notes order by id;
      select 1 as one \\gdesc
      select id, note from notes where id < 3 \\gx`,
    "COPY out and in": `
      begin;
      \\copy notes to 'notes.csv' csv header
      truncate notes;
      \\copy notes from 'notes.csv' csv header
      select count(*), md5(string_agg(id || note, ',' order by id)) from notes;
      copy (select * from notes order by id limit 3) to stdout;
      copy notes from stdin;
5001	by hand
5002	by hand too
\\.
      \\copy notes from program 'echo x'
      rollback;`,
    "LISTEN and NOTIFY": `listen news; notify news, 'hello'; select 1; unlisten news;`,
    "large objects": `
      \\lo_import '/etc/passwd' 'a comment'
      select lo_get(:LASTOID) = pg_read_binary_file('/etc/passwd') as same;
      \\lo_export :LASTOID 'exported'
      \\! cmp exported /etc/passwd && echo identical
      \\lo_unlink :LASTOID`,
    "what psql asks by itself": `
      \\d notes
      \\dt
      \\l+ app
      \\df pg_catalog.abs
      \\encoding LATIN1
      select 'é';
      \\set ON_ERROR_STOP 1
      select 1/0;
      select 'never reached';`,
  };
  for (const [name, script] of Object.entries(scripts)) {
    it(`says the same as on a direct connection: ${name}`, async () => {
      assert.deepEqual(await said("gateway", script), await said("direct", script));
    });
  }

  it("takes a value of 64 MiB to the target and back", async () => {
    const file = join(stack.folder, "big.txt");
    writeFileSync(file, `${"0123456789abcdef".repeat(BIG / 16)}\n`);
    const run = psql(
      "gateway",
      `\\copy big from 'big.txt'\nselect length(value), md5(value) from big;\n\\copy big to 'back.txt'\ndelete from big where true;`,
      "-At",
    );
    const { status } = await run.exited;
    assert.equal(run.stderr, "");
    assert.equal(status, 0);
    assert.match(run.stdout, new RegExp(`^${BIG}\\|`, "u"));
    assert.equal(await sha256(join(stack.folder, "back.txt")), await sha256(file));
  });

  it("cancels a statement at the target when Ctrl-C is pressed", async () => {
    const admin = await stack.target.connectAsSuperuser();
    const run = TestProcess.start(cleanup, "psql", ["-X", "-c", "select pg_sleep(60)"], { env: { ...stack.gatewayEnv(), PGAPPNAME: "ctrl-c" } });
    await running(admin, "ctrl-c");
    run.kill("SIGINT");
    const { status } = await run.exited;
    assert.equal(status, 1);
    assert.match(run.stderr, /canceling statement due to user request/u);
    const [, event] = (await stack.events("session-")).flatMap((each) =>
      each.type === "CommandCompleted" && each.data.errorCode === "57014" ? [0, each] : [],
    );
    assert.ok(event !== undefined, "the record says that it was cancelled");
  });

  it("checks the gateway's certificate against the authority, and the host's name", async () => {
    const run = TestProcess.start(cleanup, "psql", ["-X", "-Atc", "select 1"], {
      env: { ...stack.gatewayEnv(), PGHOST: "localhost", PGSSLMODE: "verify-full" },
    });
    assert.deepEqual({ ...(await run.exited), out: run.stdout }, { status: 0, signal: null, out: "1\n" });
    const other = TestProcess.start(cleanup, "psql", ["-X", "-Atc", "select 1"], {
      env: { ...stack.gatewayEnv(), PGHOST: "127.0.0.2", PGSSLMODE: "verify-full" },
    });
    await other.exited;
    assert.notEqual(other.stdout, "1\n");
  });

  const newest = join(embeddedPostgres().movableRoot ?? "", "lib");
  it("goes back to protocol 3.0 with a client library that asks for a newer one", { skip: platform === "linux" ? false : "LD_LIBRARY_PATH" }, async () => {
    for (const PGMAXPROTOCOLVERSION of ["3.0", "3.2", "latest"]) {
      const env = { ...stack.gatewayEnv(), LD_LIBRARY_PATH: newest, PGMAXPROTOCOLVERSION };
      const run = TestProcess.start(cleanup, "psql", ["-X", "-Atc", "select 1"], { env });
      assert.deepEqual({ ...(await run.exited), out: run.stdout, err: run.stderr }, { status: 0, signal: null, out: "1\n", err: "" });
    }
  });

  it("asks for the password when none is given, and says what is wrong with a wrong one", async () => {
    const run = TestProcess.start(cleanup, "psql", ["-X", "-w", "-Atc", "select 1"], { env: { ...stack.gatewayEnv(), PGPASSWORD: "" } });
    assert.equal((await run.exited).status, 2);
    assert.match(run.stderr, /no password supplied/u);
    assert.equal(readFileSync(stack.caFile, "utf8").includes("PRIVATE"), false);
  });
});

async function sha256(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
