import assert from "node:assert/strict";
import { closeSync, copyFileSync, openSync, readFileSync, statSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { Client } from "pg";
import { starterPolicy } from "../support/policies.ts";
import { Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { tempDir } from "../support/temp-dir.ts";
import { failure } from "./failure.ts";

describe("a place that is not whole", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup, { policy: [] });
  });

  const refused = async (): Promise<readonly string[]> => {
    const client = new Client(stack.gateway());
    client.on("error", () => undefined);
    const told = await failure(client.connect());
    await client.end().catch(() => undefined);
    return told;
  };

  it("refuses everything until a policy is published", async () => {
    assert.deepEqual(await refused(), ["42501", "policy.missing"]);
  });

  it("does not publish a policy with an error in it, and keeps the one in force", async () => {
    const version = await stack.publish(starterPolicy);
    const broken = tempDir(cleanup, "policy");
    for (const [text, where] of [
      ["permit (principal, action, resource) when { context.nonsense };", /nonsense/u],
      ["permit (principal", /policy\.cedar/u],
      ['@id("a") permit (principal, action == Action::"run", resource) when { context.riskClass == "Read" };', /Read/u],
    ] as const) {
      const file = join(broken, "policy.cedar");
      writeFileSync(file, text);
      for (const verb of ["check", "publish"]) {
        const run = stack.cli("admin", "policy", verb, file);
        const { status } = await run.exited;
        assert.equal(status, 1, run.stdout + run.stderr);
        assert.match(run.stdout + run.stderr, where);
      }
      await assert.rejects(stack.publish([{ name: "policy.cedar", text }]), { code: "policy.invalid" });
    }
    const { version: still } = await stack.call("admin", (api) => api.policies.getPolicy({}));
    assert.equal(still, version);
    assert.deepEqual(await refused(), ["no error"]);
  });

  it("says that the target's password is wrong, unreadable, or the target unreachable; never which password", async () => {
    const { app } = stack.target;
    const admin = await stack.target.connectAsSuperuser();
    await admin.query("alter role app password 'another one'");
    assert.deepEqual(await refused(), ["08004", "target.refused"]);
    await admin.query(`alter role app password '${app.password}'`);
    assert.deepEqual(await refused(), ["no error"]);

    const file = join(stack.folder, "target.password");
    const kept = readFileSync(file);
    truncateSync(file);
    assert.deepEqual(await refused(), ["08004", "target.credential"]);
    writeFileSync(file, kept);
    assert.deepEqual(await refused(), ["no error"]);

    await stack.target.stop();
    assert.deepEqual(await refused(), ["08006", "target.unreachable"]);
    assert.ok(!`${stack.agent.stdout}${stack.controlPlane.stdout}`.includes(app.password));
  });

  it("says that the agent is offline", async () => {
    await stack.killAgent();
    await stack.event("agent-", (event) => event.type === "AgentDisconnected");
    assert.deepEqual(await refused(), ["08001", "agent.offline"]);
  });

  it("does not start on a port in use, nor on a ledger in use, and says which", async () => {
    for (const [name, port] of [
      ["SALLYPORT_PG_PORT", stack.gatewayPort],
      ["SALLYPORT_API_PORT", undefined],
      ["SALLYPORT_TUNNEL_PORT", undefined],
    ] as const) {
      const free = { SALLYPORT_PG_PORT: "0", SALLYPORT_API_PORT: "0", SALLYPORT_TUNNEL_PORT: "0" };
      const { [name]: _, ...others } = free;
      const second = stack.spawnControlPlane({ ...others, SALLYPORT_DATA_DIR: tempDir(cleanup, "second") });
      const { status } = await second.exited;
      assert.notEqual(status, 0);
      assert.match(second.stderr, new RegExp(`^config\\.invalid: .*cannot listen.*EADDRINUSE.*${name}`, "mu"));
      assert.match(second.stderr, new RegExp(String(port ?? ""), "u"));
      assert.doesNotMatch(second.stderr, /^ {4}at /mu, "no stack trace");
    }
    const same = stack.spawnControlPlane({ SALLYPORT_PG_PORT: "0", SALLYPORT_API_PORT: "0", SALLYPORT_TUNNEL_PORT: "0" });
    assert.notEqual((await same.exited).status, 0);
    assert.match(same.stderr, /^ledger\.unavailable: .*already open/mu);
  });

  it("does not start on settings that are wrong, and names each", async () => {
    const run = stack.spawnControlPlane({ SALLYPORT_PG_PORT: "many", SALLYPORT_PG_MAX_SESSIONS: "0", SALLYPORT_TYPO: "x" });
    assert.equal((await run.exited).status, 2);
    for (const word of ["config.invalid", "SALLYPORT_PG_PORT", "SALLYPORT_PG_MAX_SESSIONS", "SALLYPORT_TYPO"])
      assert.ok(run.stderr.includes(word), `${word} in ${run.stderr}`);
  });

  it("does not start on a ledger that is damaged, and changes nothing of it", async () => {
    await stack.killControlPlane("SIGTERM");
    const { ledgerFile } = stack;
    const kept = `${ledgerFile}.kept`;
    copyFileSync(ledgerFile, kept);
    const damages: Readonly<Record<string, () => void>> = {
      "no SQLite file": () => writeFileSync(ledgerFile, "this is no ledger"),
      "empty": () => truncateSync(ledgerFile),
      "cut off": () => truncateSync(ledgerFile, Math.floor(statSync(kept).size / 2)),
      "overwritten in the middle": () => overwrite(ledgerFile, 4_096),
    };
    for (const [name, damage] of Object.entries(damages)) {
      copyFileSync(kept, ledgerFile);
      damage();
      const before_ = readFileSync(ledgerFile);
      const run = stack.spawnControlPlane();
      const { status } = await run.exited;
      assert.notEqual(status, 0, name);
      assert.match(run.stderr, /^ledger\.corrupt: /mu, name);
      assert.deepEqual(readFileSync(ledgerFile), before_, name);
    }
    copyFileSync(kept, ledgerFile);
    await stack.startControlPlane();
    assert.ok((await stack.events("policy-")).length > 0);
  });
});

function overwrite(file: string, from: number): void {
  const handle = openSync(file, "r+");
  writeSync(handle, Buffer.alloc(3 * 4_096, 0xa5), 0, 3 * 4_096, from);
  closeSync(handle);
}
