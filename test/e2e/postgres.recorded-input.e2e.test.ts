import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { FrameDecoder } from "@sallyport/proto/wire/postgres/frames";
import { copyData, copyDone, query } from "../support/frontend-messages.ts";
import { TestProcess } from "../support/process.ts";
import { isType, type Recorded, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import type { WireClient } from "../support/wire-client.ts";
import { openDirectWire, openWire } from "./gateway-wire.ts";
import { peakMib, resetPeak } from "../support/process-usage.ts";
import { recordingPolicy, sentIn, shownIn } from "./recorded.ts";
import { wireSchema, wireScripts } from "./wire-scripts.ts";

const MIB = 1_048_576;
/** The control plane may grow by so much while it relays 64 MiB: what waits for the record, and the garbage between two collections. */
const MAX_GROWTH_MIB = 160;
const COPY_DATA = 0x64;

/** What the messages of a COPY carry. */
const carried = (messages: Buffer): Buffer =>
  Buffer.concat(new FrameDecoder(1 << 27).push(messages).flatMap(({ type, payload }) => (type === COPY_DATA ? [payload] : [])));

describe("COPY data that policy has recorded, end to end", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup, { policy: recordingPolicy("", "input"), targetAuth: "password" });
    await (await stack.connectDirect()).query("create table people (id int, note text, face bytea)");
  });

  async function psql(way: "gateway" | "direct", application: string, script: string): Promise<string> {
    const run = TestProcess.start(cleanup, "psql", ["-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-f", "-"], {
      env: { ...(way === "gateway" ? stack.gatewayEnv() : stack.directEnv()), PGAPPNAME: application },
      cwd: stack.folder,
      input: script,
    });
    const { status } = await run.exited;
    assert.equal(status, 0, run.stderr);
    return run.stdout;
  }

  it("leaves every answer as it is without a gateway, in every way of COPY", async () => {
    await stack.publish(recordingPolicy("", "input, output"));
    await (await stack.connectDirect()).query(wireSchema);
    for (const [name, script] of Object.entries(wireScripts)) {
      const client = await openWire(cleanup, stack, "ana", { application_name: name });
      const direct = await openDirectWire(cleanup, stack);
      for (const peer of [client, direct]) {
        for (const { send, type, count } of script) {
          const answered = peer.more(type, count);
          peer.write(send);
          await answered;
        }
      }
      const told = (peer: WireClient): string => peer.messages.map(({ type, bytes }) => `${type} ${bytes.toString("latin1", type === "A" ? 9 : 1)}`).join("\n");
      assert.equal(told(client), told(direct), name);
    }
    await stack.publish(recordingPolicy("", "input"));
  });

  /** The events of the session that has ended, and of its recording. */
  async function recordOf(
    application: string,
  ): Promise<{ readonly id: string; readonly session: readonly Recorded[]; readonly recording: readonly Recorded[] }> {
    const requested = await stack.event("session-", (event) => event.type === "SessionRequested" && event.data.application === application);
    await stack.event(requested.stream, isType("SessionEnded"));
    const id = requested.stream.slice("session-".length);
    return { id, session: await stack.events(requested.stream), recording: await stack.events(`recording-${id}`) };
  }

  it("is the file that psql copies, as text, as CSV and in binary", async () => {
    const rows = Array.from({ length: 20_000 }, (_, n) => `${n}\tnote ${n} "é,\\n\t\\\\x${randomBytes(8).toString("hex")}\n`);
    writeFileSync(join(stack.folder, "people.txt"), rows.join(""));
    for (const [name, options] of [
      ["text", ""],
      ["csv", "(format csv, header)"],
      ["binary", "(format binary)"],
    ] as const) {
      await psql("direct", "prepare", `truncate people;\n\\copy people from 'people.txt'\n\\copy people to '${name}.copy' ${options}\ntruncate people;`);
      const counted = await psql("gateway", name, `\\copy people from '${name}.copy' ${options}\nselect count(*) from people;`);
      assert.equal(counted, "20000\n");
      const { recording, session } = await recordOf(name);
      assert.ok(carried(sentIn(recording)).equals(readFileSync(join(stack.folder, `${name}.copy`))), "the record has the file");
      assert.equal(shownIn(recording).length, 0);
      assert.deepEqual(session.find(isType("CommandAuthorized"))?.data.obligations.record, ["input"]);
    }
  });

  it("is read by people in the session's replay, as far as they ask", async () => {
    await stack.publish(recordingPolicy("", "input, output"));
    await psql(
      "gateway",
      "replayed",
      `copy people from stdin (delimiter ',');\n${Array.from({ length: 30 }, (_, n) => `${n},row ${n},\\N\n`).join("")}\\.\nselect 'after';`,
    );
    const { id, recording } = await recordOf("replayed");
    const replay = async (...options: readonly string[]): Promise<string> => {
      const cli = stack.cli("bo", ...options, "sessions", "replay", id);
      assert.equal((await cli.exited).status, 0, cli.stderr);
      return cli.stdout;
    };
    const told = await replay();
    assert.match(told, /bytes of COPY data\n +0,row 0,\\N\n[^]* 19,row 19,\\N\n +… 11 more lines \(--output\)\n[^]*COPY 30\n[^]*after/u);
    const events = (await replay("--json"))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Recorded);
    assert.deepEqual(sentIn(events), sentIn(recording));
    await stack.publish(recordingPolicy("", "input"));
  });

  it("is in the session's bundle, which verifies, and leaves what agents stated complete", async () => {
    await psql("gateway", "bundled", "copy people from stdin;\n1\tin the bundle\t\\N\n\\.\n");
    const { id, session, recording } = await recordOf("bundled");
    const end = session.find(isType("SessionEnded"))?.position ?? 0n;
    await stack.event("log-checkpoints", (event) => event.type === "CheckpointSigned" && BigInt(event.data.position) >= end);
    await stack.event(
      "forwarding-",
      isType("ForwardingAttested", ({ data }) => data.final && data.sessionId === id),
    );
    const audit = async (...args: readonly string[]): Promise<string> => {
      const cli = stack.cli("bo", "audit", ...args);
      assert.equal((await cli.exited).status, 0, `${cli.stdout}${cli.stderr}`);
      return cli.stdout;
    };
    const bundle = join(stack.folder, "session.bundle");
    const key = (await audit("key")).trim();
    await audit("export", "--session", id, "-o", bundle);
    await audit("verify", bundle, "--key", key);
    assert.ok(readFileSync(bundle, "utf8").includes(recording.find(isType("CopyDataRecorded"))?.data.gzipBase64 ?? "none"));
    await audit("completeness", stack.ledgerFile);
  });

  for (const [what, messages] of [
    ["64 MiB in rows", Array.from({ length: 1_024 }, () => copyData(`1\t${"x".repeat(1_000)}\t\\N\n`.repeat(65)))],
    ["a row of 32 MiB", [copyData(`1\t${"x".repeat(32 * MIB)}\t\\N\n`)]],
  ] as const) {
    it(`is recorded in bounded memory: ${what}`, { timeout: 120_000 }, async (t) => {
      const client = await openWire(cleanup, stack, "ana", { application_name: what });
      client.write(query("copy people from stdin"));
      await client.more("G");
      const floor = resetPeak(stack.controlPlane.pid);
      const sent = Buffer.concat([...messages, copyDone]);
      const answered = client.more("Z");
      client.write(sent);
      await answered;
      const growth = peakMib(stack.controlPlane.pid) - floor;
      t.diagnostic(`the control plane grew by ${growth} MiB`);
      assert.ok(growth < MAX_GROWTH_MIB, `the control plane grew by ${growth} MiB`);
      client.destroy();
      const { recording } = await recordOf(what);
      assert.ok(sentIn(recording).equals(sent));
    });
  }
});
