import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { before, describe, it } from "node:test";
import { isType, type Person, type RecordedAs, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { failure } from "./failure.ts";

const LITERAL = "correct-horse-battery-staple";
const POLL_MS = 50;

/** Each holds the literal where a password stands. */
const withLiterals = [
  `create user mapping for public server s options (user 'x', password '${LITERAL}')`,
  `alter user mapping for public server s options (set password '${LITERAL}')`,
  `create server s foreign data wrapper postgres_fdw options (host 'h', password '${LITERAL}')`,
  `create subscription sub connection 'host=h password=${LITERAL}' publication p`,
  `select * from dblink('host=h user=u password=${LITERAL}', 'select 1') as t(x int)`,
  `select dblink_connect('postgresql://u:${LITERAL}@h/db')`,
  `alter role app encrypted password '${LITERAL}'`,
  `alter role app password $pw$${LITERAL}$pw$`,
  `alter role app password E'${LITERAL}'`,
  `alter user app with login password U&'${LITERAL}'`,
  `create group g password '${LITERAL}'; select 1`,
  `explain analyze select dblink_exec('password=''${LITERAL}''', 'x')`,
];

describe("secrets", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  let joinSecret = "";
  before(async () => {
    stack = await Stack.start(cleanup, {
      env: { NODE_OPTIONS: "--disable-warning=ExperimentalWarning --heapsnapshot-signal=SIGUSR2", SALLYPORT_LOG_LEVEL: "trace" },
    });
    await exercise();
    const { joinToken } = await stack.call("admin", (api) => api.agents.createJoinToken({ agentName: "second", ttlSeconds: 60 }));
    joinSecret = joinToken;
  });

  /** A bit of everything that has to do with a secret: sign-ins that work and that do not, commands with passwords in them, a held one. */
  async function exercise(): Promise<void> {
    const client = await stack.connect();
    await client.query("select 1");
    await failure(client.query(`create role mallory login password '${LITERAL}'`));
    await failure(client.query(`alter role app password '${LITERAL}'`));
    // A connection for each: most are held, and leaving withdraws them.
    for (const [index, sql] of withLiterals.entries()) {
      const application = `literal ${index}`;
      const asking = await stack.connect("ana", { application_name: application });
      const asked = failure(asking.query(sql));
      const requested = await stack.event("session-", (event) => event.type === "SessionRequested" && event.data.application === application);
      const judged = await stack.event(
        requested.stream,
        (event) => event.type === "CommandHeld" || event.type === "CommandDenied" || event.type === "CommandCompleted",
      );
      if (judged.type === "CommandHeld") {
        // What it waits for may be asked for a moment later.
        await stack.event(`approval-${judged.data.approvalId}`, isType("ApprovalRequested"));
        await stack.deny(judged.data.approvalId);
      }
      await asked;
      await asking.end();
    }
    // A text that is put together cannot be shown without its secret: it is not held.
    await failure(client.query(`do $$ begin execute 'alter role app password ' || quote_literal('${LITERAL}'); end $$`));
    const held = failure(client.query(`do $$ begin alter role app password '${LITERAL}'; end $$`));
    const { data } = await stack.event(
      "approval-",
      (event): event is RecordedAs<"ApprovalRequested"> => event.type === "ApprovalRequested" && event.data.command.statement?.startsWith("do $$") === true,
    );
    await stack.call("bo", (api) => api.approvals.getApproval({ approvalId: data.approvalId }));
    await stack.deny(data.approvalId);
    await held;
    await failure(client.query({ text: "select $1::text as password", values: ["harmless"] }));
    await stack.connect("ana", { password: `${stack.tokens.ana}-wrong` }).catch(() => undefined);
    await stack.connect("bo", { password: stack.tokens.ana }).catch(() => undefined);
  }

  /** Of each token a part that is secret: its id stands at the beginning. */
  const tokenSecrets = (): string[] => (Object.keys(stack.tokens) as Person[]).map((person) => stack.tokens[person].slice(-24));
  const privateKeys = (): string[] =>
    [join(stack.folder, "agent"), join(stack.dataDir, "pki")].flatMap((folder) =>
      filesIn(folder)
        .flatMap((file) => readFileSync(file, "latin1").match(/-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]+/gu) ?? [])
        .map((pem) => pem.split(/\n|\\n/u)[2] ?? pem.split(/\n|\\n/u)[1] ?? pem),
    );
  const everything = (): string[] => [stack.target.app.password, joinSecret.slice(-24), LITERAL, ...tokenSecrets(), ...privateKeys()];

  const found = (bytes: Buffer, secrets: readonly string[]): string[] => secrets.filter((secret) => bytes.includes(secret));

  it("are really there to be looked for", () => {
    assert.equal(everything().length, 3 + 5 + privateKeys().length);
    assert.ok(privateKeys().length >= 2, "the agent's and the authority's keys");
    for (const secret of everything()) assert.ok(secret.length >= 12, secret);
  });

  it("in statements are replaced before these are recorded", async () => {
    const statements = (await stack.events("session-", "approval-")).flatMap((event) => ("statement" in event.data ? [event.data.statement ?? ""] : []));
    assert.ok(statements.length > withLiterals.length);
    assert.deepEqual(
      statements.filter((statement) => statement.includes(LITERAL)),
      [],
    );
  });

  it("in a statement about a role that does not parse are replaced as well", async () => {
    const slip = "misspelt-horse-battery";
    const client = await stack.connect("ana", { application_name: "slip" });
    const asked = failure(client.query(`alter role app passwrd '${slip}'`));
    const requested = await stack.event("session-", (event) => event.type === "SessionRequested" && event.data.application === "slip");
    const refused = await stack.event(requested.stream, isType("CommandDenied"));
    assert.deepEqual(await asked, ["42501", "approval.unreadable"]);
    assert.ok(refused.data.statement?.includes(slip) === false, refused.data.statement);
  });

  it("are not in the ledger", () => {
    for (const file of filesIn(stack.dataDir).filter((name) => name.includes("ledger.db"))) assert.deepEqual(found(readFileSync(file), everything()), [], file);
  });

  it("are not in the logs, not even at the most talkative level", () => {
    for (const { stdout, stderr } of [stack.controlPlane, stack.agent]) assert.deepEqual(found(Buffer.from(stdout + stderr), everything()), []);
  });

  it("are not in the arguments of any process", () => {
    const lines = readdirSync("/proc")
      .filter((name) => /^\d+$/u.test(name))
      .map((pid) => {
        try {
          return readFileSync(`/proc/${pid}/cmdline`);
        } catch {
          return Buffer.alloc(0); // it has just ended
        }
      });
    assert.deepEqual(found(Buffer.concat(lines), everything()), []);
  });

  it("of the target are on no disk of the control plane, and in no byte of its heap", async () => {
    const { password } = stack.target.app;
    for (const file of filesIn(stack.dataDir)) assert.deepEqual(found(readFileSync(file), [password]), [], file);
    stack.controlPlane.kill("SIGUSR2");
    const snapshot = await heapSnapshot(stack.folder);
    assert.ok(snapshot.includes("ana"), "the snapshot holds what the control plane knows");
    assert.deepEqual(found(snapshot, [password]), []);
    const agentsOwn = readFileSync(join(stack.folder, "target.password"), "utf8").trim();
    assert.equal(agentsOwn, password);
  });

  it("of users are kept as hashes: no token is in any file of the control plane but the one that it wrote for the administrator", () => {
    for (const file of filesIn(stack.dataDir)) {
      if (file.endsWith("bootstrap-admin.token")) continue;
      assert.deepEqual(found(readFileSync(file), tokenSecrets()), [], file);
    }
  });

  it("are in files that nobody else may read", () => {
    for (const folder of [join(stack.folder, "agent"), stack.dataDir]) {
      for (const file of filesIn(folder)) {
        if (statSync(file).size === 0) continue;
        if (!/PRIVATE KEY/u.test(readFileSync(file, "latin1")) && !file.endsWith(".token") && !file.includes("ledger.db")) continue;
        const mode = Number.parseInt(execFileSync("stat", ["-c", "%a", file], { encoding: "utf8" }), 8);
        assert.equal(mode & 0o077, 0, `${file} has mode ${mode.toString(8)}`);
      }
    }
  });
});

describe("an agent", () => {
  const cleanup = suiteCleanup();

  it("listens on nothing, before, in and after a session", async () => {
    const stack = await Stack.start(cleanup);
    const { pid } = stack.agent;
    assert.ok(listening(stack.controlPlane.pid).length >= 3, "the control plane's own listeners are found this way");
    assert.deepEqual(listening(pid), []);
    const client = await stack.connect();
    await client.query("select 1");
    assert.deepEqual(listening(pid), []);
    await client.end();
    assert.deepEqual(listening(pid), []);
  });
});

/** Inodes of listening TCP and Unix sockets, and of UDP ones, that a process holds. */
function listening(pid: number): string[] {
  const held = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/u.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return [];
      }
    }),
  );
  const rows = (table: string): string[][] =>
    existsSync(`/proc/${pid}/net/${table}`)
      ? readFileSync(`/proc/${pid}/net/${table}`, "utf8")
          .trim()
          .split("\n")
          .slice(1)
          .map((line) => line.trim().split(/\s+/u))
      : [];
  const LISTEN = "0A";
  const tcp = ["tcp", "tcp6"].flatMap((table) =>
    rows(table)
      .filter(([, , , state]) => state === LISTEN)
      .map((row) => row[9] ?? ""),
  );
  const udp = ["udp", "udp6"].flatMap((table) => rows(table).map((row) => row[9] ?? ""));
  /** __SO_ACCEPTCON */
  const unix = rows("unix")
    .filter(([, , , flags]) => (Number.parseInt(flags ?? "0", 16) & 0x10000) !== 0)
    .map((row) => row[6] ?? "");
  return [...tcp, ...udp, ...unix].filter((inode) => held.has(inode));
}

const filesIn = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));

/** Node writes it into its working directory, and says nothing when it is done: the last character is a brace. */
async function heapSnapshot(folder: string): Promise<Buffer> {
  for (;;) {
    const name = readdirSync(folder).find((file) => file.endsWith(".heapsnapshot"));
    const bytes = name === undefined ? undefined : await readFile(join(folder, name));
    if (name !== undefined && bytes?.at(-1) === 0x7d) {
      rmSync(join(folder, name));
      return bytes;
    }
    await pause(POLL_MS);
  }
}
