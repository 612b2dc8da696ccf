import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { openPolicy } from "../support/policies.ts";
import { isType, type Person, RESOURCE, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { type Ran, ran } from "./command-line.ts";

const cli = fileURLToPath(new URL("../../cli/src/main.ts", import.meta.url));

describe("the command line", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup);
    await (await stack.connectDirect()).query("create table words as select n, 'word ' || n as word from generate_series(1, 3000) n");
  });

  const run = (person: Person, ...args: readonly string[]): Promise<Ran> => ran(stack, person, ...args);
  it("writes what COPY sends, as text and as JSON", async () => {
    const copy = "copy (select n, word from words order by n) to stdout";
    const text = await run("ana", "exec", "--csv", RESOURCE, copy);
    const lines = text.out.trimEnd().split("\n");
    assert.deepEqual([text.status, lines.length, lines[0], lines[2_999]], [0, 3_000, "1\tword 1", "3000\tword 3000"]);
    const both = await run("ana", "--json", "exec", RESOURCE, "select 1 as one; copy (select 1 where false) to stdout");
    const one = await run("ana", "--json", "exec", RESOURCE, "copy (values (1), (2)) to stdout");
    const copied = (both.out + one.out)
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as { copied?: string }).copied);
    assert.deepEqual(copied, [undefined, "", "1\n2\n"], both.err + one.err);
  });

  it("ends quietly when its reader does", async () => {
    await run("ana", "resources"); // which makes the profile
    const args = ["--as", "ana", "exec", RESOURCE, "copy (select repeat('x', 100) from generate_series(1, 20000)) to stdout"];
    const child = spawn("bash", ["-c", 'set -o pipefail; "$0" "$@" | head -1', process.execPath, cli, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, SALLYPORT_CLI_DIR: stack.folder, NODE_OPTIONS: "" },
    });
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
    child.stdout.resume();
    const [status] = (await once(child, "close")) as [number];
    assert.deepEqual([status, said], [0, ""]);
  });

  it("says that it withdrew a held command when it is interrupted", async () => {
    const held = stack.cli("ana", "exec", RESOURCE, "drop table words");
    const { stream } = await stack.event("approval-", isType("ApprovalRequested"));
    held.kill("SIGINT");
    assert.equal((await held.exited).status, 1);
    assert.match(held.stderr, /^Stopped, and withdrawn if it was held\.$/mu);
    await stack.event(stream, isType("ApprovalWithdrawn"));
  });

  it("tells every mistake as JSON where JSON is asked for, with a code", async () => {
    const codeOf = async (...args: readonly string[]) => {
      const { status, err } = await run("bo", "--json", ...args);
      return [status, (JSON.parse(err) as { error: { code: string } }).error.code];
    };
    const missing = join(stack.folder, "missing.sql");
    assert.deepEqual(await codeOf("request", RESOURCE), [2, "misused"], "an option is missing");
    assert.deepEqual(await codeOf("break-glass", "review", "abcd", "--verdict", "maybe", "--comment", "x"), [2, "misused"]);
    assert.deepEqual(await codeOf("request-plan", RESOURCE, missing, "--for", "15m", "--reason", "x"), [2, "misused"]);
    assert.deepEqual(await codeOf("approvals", "approve", "abcd", "--session"), [2, "misused"]);
    assert.deepEqual(await codeOf("events", "tail", "--limit", "many"), [2, "misused"]);
    assert.deepEqual(await codeOf("retention", "show", "--runs", "all"), [2, "misused"]);
    assert.deepEqual(await codeOf("as-of", "2026-02-30", "access"), [2, "misused"], "no such day");
    assert.deepEqual(await codeOf("audit", "export", "--from", "foo 5", "--output", missing), [2, "misused"], "which Date takes for May 2001");
    assert.deepEqual(await codeOf("token", "create", "--join", "edge9", "--identity", "ana"), [2, "misused"], "a join token is nobody's");
    assert.deepEqual(await codeOf("token", "create", "--kind", "machine"), [2, "misused"], "which would say nothing without --group");
    assert.deepEqual(await codeOf("grants", "show", "abcdef"), [1, "approval.not_found"]);
    assert.deepEqual(await codeOf("approvals", "show", "abcdef"), [1, "approval.not_found"]);
    const { status, err } = await run("bo", "request-plan", RESOURCE, missing, "--for", "15m", "--reason", "x");
    assert.deepEqual([status, err], [2, `${missing}: no such file or directory.\n`]);
  });

  it("writes what COPY sends beside the command that sent it", async () => {
    await stack.publish(openPolicy);
    await (await stack.target.connectAsSuperuser()).query("grant pg_write_server_files to app");
    const { out, err } = await run("ana", "--json", "exec", RESOURCE, "copy words to '/dev/null'; copy (values (1)) to stdout");
    const told = out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { rowCount: number; copied?: string });
    const copied = told.map((each) => [each.rowCount, each.copied]);
    assert.deepEqual(
      copied,
      [
        [3_000, undefined],
        [1, "1\n"],
      ],
      err,
    );
  });
});
