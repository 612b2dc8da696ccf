import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { encodeJoinToken } from "@sallyport/proto/tunnel/join-token";
import { TestProcess } from "../support/process.ts";
import { tempDir } from "../support/temp-dir.ts";
import { connected, startControlPlane } from "../fault/tunnel-harness.ts";

const main = fileURLToPath(new URL("../../edge-agent/src/main.ts", import.meta.url));

function folder(t: TestContext): Record<string, string> {
  const root = tempDir(t, "agent");
  const resource = { name: "orders", protocol: "postgres", host: "127.0.0.1", port: 1, database: "orders", user: "app", tls: { mode: "disable" } };
  writeFileSync(`${root}/agent.yaml`, JSON.stringify({ resources: [resource] })); // JSON is YAML
  return { SALLYPORT_AGENT_CONFIG: `${root}/agent.yaml`, SALLYPORT_AGENT_STATE_DIR: `${root}/state` };
}

/** Inodes of listening TCP sockets (state 0A), of which a process may hold some. */
const listening = (): Set<string> =>
  new Set(
    ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((table) =>
      readFileSync(table, "utf8")
        .split("\n")
        .map((line) => line.trim().split(/\s+/u))
        .filter(([, , , state]) => state === "0A")
        .map((fields) => fields[9] ?? ""),
    ),
  );

function socketsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    const [, inode] = /^socket:\[(\d+)\]$/u.exec(readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? [];
    return inode === undefined ? [] : [inode];
  });
}

describe("the agent's process", () => {
  it("joins with a token from standard input, runs without a listening socket, and drains on SIGTERM", async (t) => {
    const plane = await startControlPlane(t);
    const env = folder(t);
    const token = await plane.joinToken("berlin");
    const join = TestProcess.node(t, main, ["join", "-"], { env, input: `${token}\n` });
    assert.deepEqual(await join.exited, { status: 0, signal: null }, join.stderr);
    assert.match(join.stdout, /^Enrolled as berlin \(([0-9a-f-]+)\)\.$/mu);
    const [, agentId = ""] = /\(([0-9a-f-]+)\)/u.exec(join.stdout) ?? [];

    const run = TestProcess.node(t, main, ["run"], { env });
    await run.json((entry) => entry["msg"] === "linked to the control plane");
    await connected(plane, agentId);
    const sockets = socketsOf(run.pid);
    assert.ok(sockets.length > 0, "the link is a socket");
    const listeners = listening();
    assert.ok(listeners.size > 0, "the control plane of this test listens");
    assert.deepEqual(
      sockets.filter((inode) => listeners.has(inode)),
      [],
    );

    run.kill("SIGTERM");
    assert.deepEqual(await run.exited, { status: 0, signal: null });
    await plane.agents.seen("disconnected drained");
    assert.ok(!join.stdout.includes(token) && !run.stdout.includes("PRIVATE KEY"));
  });

  it("drains when the parent that it was told to follow goes away", async (t) => {
    const plane = await startControlPlane(t);
    const env = folder(t);
    const join = TestProcess.node(t, main, ["join", "-"], { env, input: await plane.joinToken("berlin") });
    assert.equal((await join.exited).status, 0);
    const run = TestProcess.node(t, main, ["run"], { env: { ...env, SALLYPORT_STOP_WITH_STDIN: "on" }, input: "" });
    assert.deepEqual(await run.exited, { status: 0, signal: null });
  });

  it("says what is wrong, with the exit status of the command line", async (t) => {
    const env = folder(t);
    const run = async (args: string[], input?: string): Promise<[number | null, string]> => {
      const process = TestProcess.node(t, main, args, { env, ...(input === undefined ? {} : { input }) });
      return [(await process.exited).status, process.stderr];
    };
    assert.equal((await run([]))[0], 2);
    const [misused, unenrolled] = await run(["run"]);
    assert.equal(misused, 2);
    assert.match(unenrolled, /^config\.invalid: .*holds no enrolled agent/u);
    const [status, message] = await run(["join", "-"], "rubbish");
    assert.equal(status, 1);
    assert.match(message, /^join\.invalid: /u);
    const lonely = encodeJoinToken({ address: "127.0.0.1:1", caFingerprint: "00".repeat(32), agentName: "berlin", secret: "s" });
    assert.equal((await run(["join", lonely]))[0], 3);
  });
});
