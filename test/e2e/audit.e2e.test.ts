import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { before, describe, it } from "node:test";
import { parseNote } from "@sallyport/proto/audit/note";
import { testingSigner } from "@sallyport/proto/audit/testing-log";
import { openPolicy } from "../support/policies.ts";
import { isType, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";

interface Told {
  readonly status: number | null;
  readonly out: string;
  readonly json: () => Readonly<Record<string, unknown>>;
}

describe("proof for auditors", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  let key = "";
  let sessionId = "";
  const file = (name: string): string => join(stack.folder, name);
  const witness = (): string => join(stack.dataDir, "integrity", "checkpoints.jsonl");

  before(async () => {
    stack = await Stack.start(cleanup, { policy: openPolicy });
    const client = await stack.connect("ana", { application_name: "audited" });
    await client.query("select 1");
    await client.query("select 2 where $1::text <> 'x'", ["y"]);
    await client.end();
    const requested = await stack.event("session-", (event) => event.type === "SessionRequested" && event.data.application === "audited");
    const ended = await stack.event(requested.stream, isType("SessionEnded"));
    sessionId = ended.data.sessionId;
    await stack.event("log-checkpoints", (event) => event.type === "CheckpointSigned" && BigInt(event.data.position) >= ended.position);
    key = (await audit("bo", "key")).out.trim();
  });

  async function audit(person: "ana" | "bo", ...args: readonly string[]): Promise<Told> {
    const [first = "", ...rest] = args;
    const cli = stack.cli(person, ...(first === "--json" ? [first, "audit", ...rest] : ["audit", ...args]));
    const { status } = await cli.exited;
    return { status, out: `${cli.stdout}${cli.stderr}`, json: () => JSON.parse(cli.stdout) as Readonly<Record<string, unknown>> };
  }

  it("is a bundle that verifies elsewhere, with the key from elsewhere", async () => {
    const exported = await audit("bo", "export", "-o", file("all.bundle"));
    assert.equal(exported.status, 0, exported.out);
    const verified = await audit("bo", "--json", "verify", file("all.bundle"), "--key", key);
    assert.equal(verified.status, 0, verified.out);
    const { kind, events, pinned } = verified.json();
    assert.equal(kind, "verified");
    assert.equal(pinned, true);
    assert.ok(Number(events) > 10);
  });

  it("names the first bad line of a bundle that was altered, with exit status 1", async () => {
    const lines = readFileSync(file("all.bundle"), "utf8").split("\n");
    const at = lines.findIndex((line) => line.includes('"select 1"'));
    writeFileSync(file("altered.bundle"), lines.with(at, (lines[at] ?? "").replace('"select 1"', '"select 7"')).join("\n"));
    const verified = await audit("bo", "--json", "verify", file("altered.bundle"), "--key", key);
    assert.equal(verified.status, 1, verified.out);
    assert.deepEqual({ ...(verified.json()["finding"] as object), message: "" }, { code: "event.altered", index: at - 2, line: at + 1, message: "" });
  });

  it("can be had for one session, one identity, one resource or a range, each verified alike", async () => {
    const scopes = [
      ["--session", sessionId],
      ["--identity", "ana"],
      ["--resource", "orders-db"],
      ["--from", "3", "--to", "9"],
      ["--from", "2020-01-01T00:00:00Z", "--to", new Date().toISOString()],
    ];
    const counts: number[] = [];
    for (const [i, scope] of scopes.entries()) {
      const exported = await audit("bo", "export", ...scope, "-o", file(`${i}.bundle`));
      assert.equal(exported.status, 0, exported.out);
      const verified = await audit("bo", "--json", "verify", file(`${i}.bundle`), "--key", key);
      assert.equal(verified.status, 0, verified.out);
      counts.push(Number(verified.json()["events"]));
    }
    assert.equal(counts[0], 7, "requested, opened, two commands with their ends, and the end");
    assert.equal(counts[3], 7);
    assert.ok((counts[1] ?? 0) > 7 && (counts[2] ?? 0) > 7 && (counts[4] ?? 0) > 10);
  });

  it("is for auditors only, and says plainly what was misused", async () => {
    const refused = await audit("ana", "export", "-o", file("no.bundle"));
    assert.equal(refused.status, 1, refused.out);
    assert.match(refused.out, /auth\.forbidden/u);
    assert.equal((await audit("bo", "export", "--session", "x", "--identity", "y", "-o", file("no.bundle"))).status, 2);
    assert.equal((await audit("bo", "verify", file("nowhere"))).status, 2);
    assert.equal((await audit("bo", "verify", file("all.bundle"), "--key", "not a key")).status, 2);
    for (const nobody of [
      ["--identity", "nobody"],
      ["--resource", "nowhere"],
      ["--session", "none"],
    ])
      assert.match((await audit("bo", "export", ...nobody, "-o", file("no.bundle"))).out, /\.not_found/u, "a slip of the pen is not an empty record");
    const unwritable = await audit("bo", "export", "-o", join(file("nowhere"), "no.bundle"));
    assert.deepEqual([unwritable.status, unwritable.out.includes("no such file or directory.")], [2, true], unwritable.out);
    assert.equal((await audit("bo", "verify", stack.folder)).status, 2);
    writeFileSync(file("text"), "not a bundle\n");
    const malformed = await audit("bo", "verify", file("text"));
    assert.equal(malformed.status, 1);
    assert.match(malformed.out, /bundle\.malformed/u);
  });

  it("says nothing of the completeness of what is no bundle, or was altered", async () => {
    assert.deepEqual([(await audit("bo", "completeness", file("all.bundle"), "--key", key)).status], [0]);
    for (const [name, code] of [
      ["text", /bundle\.malformed/u],
      ["altered.bundle", /event\.altered/u],
    ] as const) {
      const told = await audit("bo", "completeness", file(name));
      assert.deepEqual([told.status, code.test(told.out), told.out.includes("agree")], [1, true, false], told.out);
    }
    const other = await audit("bo", "completeness", file("all.bundle"), "--key", testingSigner("another").key.text);
    assert.deepEqual([other.status, other.out.includes("key.replaced")], [1, true], other.out);
  });

  it("is not put in the place of what is no file", async () => {
    const pipe = file("pipe");
    execFileSync("mkfifo", [pipe]);
    const exported = await audit("bo", "export", "-o", pipe);
    assert.deepEqual([exported.status, exported.out], [2, `${pipe} is not a file.\n`]);
    assert.equal(statSync(pipe).isFIFO(), true);
  });

  it("is promised for an event at once, signed with the same key", async () => {
    const promised = await audit("bo", "promise", `session-${sessionId}`, "0");
    assert.equal(promised.status, 0, promised.out);
    const note = parseNote(`${promised.out.trimEnd()}\n`);
    assert.equal(note?.signatures[0]?.keyId, key.split("+")[1]);
    assert.equal((await audit("bo", "promise", `session-${sessionId}`, "99")).status, 2);
  });

  it("costs an idle ledger nothing: no checkpoint was made for a checkpoint alone", async () => {
    const sizes = (await stack.events("log-checkpoints")).filter(isType("CheckpointSigned")).map(({ data }) => data.treeSize);
    assert.ok(sizes.length > 1);
    for (const [i, size] of sizes.entries()) assert.ok(i === 0 || size > (sizes[i - 1] ?? 0) + 1, sizes.join(", "));
  });

  it("holds for the ledger file itself, after a stop, down to the last event", async () => {
    await stack.killControlPlane("SIGTERM");
    const verified = await audit("bo", "--json", "verify", stack.ledgerFile, "--key", key, "--witness", witness());
    assert.equal(verified.status, 0, verified.out);
    assert.equal(verified.json()["unsigned"], 0);
    assert.ok(Number(verified.json()["witnessed"]) > 1);
  });

  it("finds a ledger damaged that was cut in the middle of a page, with a code", async () => {
    const whole = readFileSync(stack.ledgerFile);
    writeFileSync(file("cut.db"), whole.subarray(0, whole.length - 6_000));
    const cut = await audit("bo", "--json", "verify", file("cut.db"));
    assert.equal(cut.status, 1, cut.out);
    assert.match((cut.json()["finding"] as { message: string }).message, /damaged/u);
    assert.match((await audit("bo", "completeness", file("cut.db"))).out, /^ledger\.corrupt: /mu);
  });

  it("keeps a ledger that was shortened or changed since from being served", async () => {
    const whole = readFileSync(stack.ledgerFile);
    const alter = async (sql: string): Promise<string> => {
      const db = new DatabaseSync(stack.ledgerFile);
      db.exec(sql);
      db.close();
      const started = stack.spawnControlPlane();
      assert.equal((await started.exited).status, 1);
      writeFileSync(stack.ledgerFile, whole);
      return started.stderr;
    };
    const cut = "DELETE FROM events WHERE position > (SELECT max(position) - 4 FROM events)";
    assert.match(await alter(cut), /ledger\.corrupt: .*witness/u);
    assert.match(await alter("UPDATE events SET data = replace(data, 'select 1', 'select 7') WHERE type = 'CommandAuthorized'"), /ledger\.corrupt/u);
    await stack.startControlPlane();
    assert.ok((await stack.events("session-")).length > 0);
  });
});
