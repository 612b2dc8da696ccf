import assert from "node:assert/strict";
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { backup, DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import { isType, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { tempDir } from "../support/temp-dir.ts";

/** As docs/how-to/run-a-control-plane.md has it, while the control plane runs. */
async function backUp(from: string, to: string): Promise<void> {
  mkdirSync(join(to, "integrity"));
  for (const name of ["integrity/signing.key", "integrity/checkpoints.jsonl"]) cpSync(join(from, name), join(to, name));
  const ledger = new DatabaseSync(join(from, "ledger.db"), { readOnly: true });
  await backup(ledger, join(to, "ledger.db"));
  ledger.close();
  cpSync(join(from, "subject-keys"), join(to, "subject-keys"));
  cpSync(join(from, "pki"), join(to, "pki"), { recursive: true });
}

describe("a backup that is taken while the control plane runs", () => {
  const cleanup = suiteCleanup();

  it("is a control plane again in an empty place: its record verifies, its agents and tokens work, and it goes on", async () => {
    const stack = await Stack.start(cleanup);
    const run = async (...args: readonly string[]): Promise<string> => {
      const process = stack.cli("bo", ...args);
      assert.deepEqual(await process.exited, { status: 0, signal: null }, process.stdout + process.stderr);
      return process.stdout;
    };
    const before = await stack.connect();
    await before.query("select 'before the backup'");
    await before.end();
    await stack.event("session-", isType("SessionEnded"));
    const kept = tempDir(cleanup, "backup");
    await backUp(stack.dataDir, kept);
    const after = await stack.connect();
    await after.query("select 'after the backup'");
    after.on("error", () => undefined);

    await stack.killControlPlane();
    rmSync(stack.dataDir, { recursive: true });
    cpSync(kept, stack.dataDir, { recursive: true });
    await stack.startControlPlane();
    await stack.linked();

    assert.match(await run("sessions", "replay", "last"), /before the backup/u);
    const client = await stack.connect();
    assert.deepEqual((await client.query("select 1 as one")).rows, [{ one: 1 }]);
    await client.end();
    await stack.event("session-", (event) => isType("SessionEnded")(event) && event.data.cause === "client_closed");
    const bundle = join(kept, "all.bundle");
    await run("audit", "export", "--output", bundle);
    assert.match(await run("audit", "verify", bundle), /^Verified/mu);
    assert.match(await run("audit", "verify", join(kept, "ledger.db"), "--witness", join(kept, "integrity", "checkpoints.jsonl")), /^Verified/mu);
  });
});
