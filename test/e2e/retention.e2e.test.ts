import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { authorized, completed, ended, human, opened, requested } from "@sallyport/control-plane/src/application/testing/samples.ts";
import type { GetRetentionResponse, RunRetentionResponse } from "@sallyport/proto/gen/sallyport/api/v1/audit";
import { openPolicy } from "../support/policies.ts";
import { OldRecord } from "../support/old-record.ts";
import { isType, Stack, type Person } from "../support/stack.ts";
import { tempDir } from "../support/temp-dir.ts";
import { type Ran, ran } from "./command-line.ts";

const secret = "select card from customers where name = 'Sixtyfold Zebedee'";

/** Two months of record, as a control plane would have left them. */
async function oldRecord(folder: string): Promise<string> {
  mkdirSync(folder);
  const record = await OldRecord.begin(folder, 60);
  const id = randomUUID();
  for (const event of [requested(id, human("ana")), opened(id), authorized(1, secret), completed(1), ended(id)])
    await record.append(`session-${id}`, [event.type, event.data]);
  await record.append(`recording-${id}`, ["OutputRecorded", { sequence: 0, commandId: 1, bytes: 3, gzipBase64: Buffer.from(secret).toString("base64") }]);
  await record.signed();
  await record.stop();
  return id;
}

test("what is no longer kept is removed by the control plane, by itself and when told to, and the rest still proves itself", async (t) => {
  const dataDir = join(tempDir(t, "retention"), "control-plane");
  const id = await oldRecord(dataDir);
  const stack = await Stack.start(t, { policy: openPolicy, env: { SALLYPORT_DATA_DIR: dataDir, SALLYPORT_RETENTION: "recording=30d" } });
  const run = (person: Person, ...args: readonly string[]): Promise<Ran> => ran(stack, person, ...args);
  const client = await stack.connect();
  await client.query("select 1");
  await client.end();

  const { data } = await stack.event("retention-", isType("RetentionFinished"));
  assert.deepEqual([data.outcome, data.streams, data.events], ["completed", 1, 1]);
  const shown = await run("bo", "retention", "--json");
  const { rules, runs } = JSON.parse(shown.out) as GetRetentionResponse;
  assert.deepEqual([rules.map(({ category }) => category), runs.map(({ trigger, by }) => [trigger, by])], [["recording"], [["schedule", "node1"]]]);
  assert.equal((await run("bo", "sessions", "show", id)).status, 0);
  assert.match((await run("bo", "sessions", "replay", id)).out, /^Not whole: The recording of this session was removed by retention run .*\n.* asks for /u);
  assert.match((await run("bo", "search", "Zebedee")).out, /Zebedee/u);

  // Another rule, another run.
  await stack.killControlPlane();
  await stack.startControlPlane({ SALLYPORT_RETENTION: "recording=30d,session=30d" });
  assert.equal((await run("bo", "retention", "run")).status, 1);
  const dry = JSON.parse((await run("admin", "retention", "run", "--dry-run", "--json")).out) as RunRetentionResponse;
  assert.deepEqual([dry.runId, dry.counts.map(({ category }) => category)], ["", ["recording", "session"]]);
  const removed = await run("admin", "retention", "run");
  assert.ok(removed.status === 0 || /under way/u.test(removed.err), removed.err);
  await stack.event(
    "retention-",
    isType("RetentionFinished", ({ data: finished }) => finished.events === 5),
  );
  for (const args of [
    ["sessions", "show", id],
    ["sessions", "replay", id],
    ["explain", id, "1"],
  ]) {
    assert.match((await run("bo", ...args)).err, /removed by retention run [0-9a-f-]{36} on \d{4}-\d\d-\d\d/u, args.join(" "));
  }
  assert.match((await run("bo", "as-of", new Date(Date.now() - 50 * 86_400_000).toISOString(), "state")).out, /Not whole: each session that ended before/u);
  assert.doesNotMatch((await run("bo", "search", "Zebedee")).out, /Zebedee/u);

  const bundle = join(stack.folder, "session.bundle");
  assert.equal((await run("bo", "audit", "export", "--session", id, "-o", bundle)).status, 0);
  const proven = await run("bo", "audit", "verify", bundle);
  assert.match(proven.out, /6 of these events, by decisions that are in the log/u);
  assert.equal(proven.status, 0);

  await stack.killControlPlane("SIGTERM");
  const copy = join(stack.folder, "copy.db");
  for (const suffix of ["", "-wal"]) if (existsSync(stack.ledgerFile + suffix)) copyFileSync(stack.ledgerFile + suffix, copy + suffix);
  const whole = await run("bo", "audit", "verify", copy, "--witness", join(dataDir, "integrity", "checkpoints.jsonl"));
  assert.equal(whole.status, 0, whole.out);
  assert.match(whole.out, /6 of these events/u);
  assert.equal((await run("bo", "audit", "completeness", copy)).status, 0);
  const holding = readdirSync(dataDir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && readFileSync(join(entry.parentPath, entry.name)).includes("Sixtyfold Zebedee"))
    .map(({ name }) => name);
  assert.deepEqual(holding, []);
});
