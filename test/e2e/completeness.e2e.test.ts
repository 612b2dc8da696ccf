import assert from "node:assert/strict";
import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { openPolicy } from "../support/policies.ts";
import { isType, Stack } from "../support/stack.ts";

interface Report {
  readonly complete: number;
  readonly pending: number;
  readonly gaps: readonly {
    readonly sessionId: string;
    readonly what: string;
    readonly stated: number;
    readonly recorded: readonly number[];
    readonly outage?: string;
  }[];
}

/** The files as they are on disk at this moment. */
function copyOf(ledgerFile: string, folder: string, name: string): string {
  const path = join(folder, name);
  for (const suffix of ["", "-wal"]) if (existsSync(ledgerFile + suffix)) copyFileSync(ledgerFile + suffix, path + suffix);
  return path;
}

test("the agents' own statements show a command that was taken out of the record, and an outage for what it is", async (t) => {
  const stack = await Stack.start(t, { policy: openPolicy });
  const report = async (file: string): Promise<{ readonly exit: number | null; readonly report: Report }> => {
    const cli = stack.cli("bo", "audit", "completeness", file, "--json");
    return { exit: (await cli.exited).status, report: JSON.parse(cli.stdout) as Report };
  };
  const finalStatement = (sessionId: string) =>
    stack.event(
      "forwarding-",
      isType("ForwardingAttested", ({ data }) => data.final && data.sessionId === sessionId),
    );

  const client = await stack.connect();
  await client.query("select 1; select 2");
  await client.query("select $1::int", [3]);
  await client.query({ name: "p", text: "select $1::text", values: ["a"] });
  await client.query({ name: "p", text: "select $1::text", values: ["b"] });
  await client.query("select no_such_column").catch(() => undefined);
  await client.query("create table made (id int)");
  await client.end();
  const opened = await stack.event("session-", isType("SessionOpened"));
  const { sessionId } = opened.data;
  const statement = await finalStatement(sessionId);
  assert.equal(statement.data.commands, 6);
  await stack.event("session-", isType("SessionEnded"));

  const whole = await report(copyOf(stack.ledgerFile, stack.folder, "whole.db"));
  assert.deepEqual([whole.exit, whole.report.complete, whole.report.gaps], [0, 1, []]);

  const cut = copyOf(stack.ledgerFile, stack.folder, "cut.db");
  const db = new DatabaseSync(cut);
  db.exec("DELETE FROM events WHERE type IN ('CommandAuthorized', 'CommandCompleted') AND json_extract(data, '$.commandId') = 6");
  db.close();
  const tampered = await report(cut);
  assert.equal(tampered.exit, 1);
  assert.deepEqual(
    tampered.report.gaps.map(({ sessionId: session, what, stated, recorded }) => [session, what, stated, recorded]),
    [[sessionId, "forwarded_unrecorded", 6, [5, 5]]],
  );

  // The agent dies with its statement unsaid; the ledger says so too.
  const orphan = await stack.connect();
  orphan.on("error", () => undefined);
  await orphan.query("select 1");
  await stack.killAgent();
  await stack.event(
    "session-",
    isType("SessionEnded", ({ data }) => data.cause === "agent_lost"),
  );
  await stack.startAgent();
  const after = await report(copyOf(stack.ledgerFile, stack.folder, "after.db"));
  assert.deepEqual([after.exit, after.report.complete, after.report.gaps.filter(({ outage }) => outage === undefined)], [0, 1, []]);
});
