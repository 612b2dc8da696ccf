import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { execute, parse, bind, query, sync } from "../support/frontend-messages.ts";
import { isType, type Recorded, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import type { WireClient } from "../support/wire-client.ts";
import { openDirectWire, openWire } from "./gateway-wire.ts";
import { peakMib, resetPeak } from "../support/process-usage.ts";
import { recordingPolicy, shownIn } from "./recorded.ts";
import { wireSchema, wireScripts } from "./wire-scripts.ts";

const MIB = 1_048_576;
/** The control plane may grow by so much while it relays 64 MiB: the windows of the tunnel and the garbage between two collections. */
const MAX_GROWTH_MIB = 160;

/** Results, and how commands ended: what comes only in answer to a command that runs. */
const results = (bytes: Buffer): string => {
  const found: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + bytes.readInt32BE(at + 1);
    if ("DdCIsV".includes(String.fromCharCode(bytes[at] ?? 0))) found.push(bytes.toString("latin1", at, end));
    at = end;
  }
  return found.join("\n");
};

describe("output that policy has recorded, end to end", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup, { policy: recordingPolicy(), targetAuth: "password" });
    const target = await stack.connectDirect();
    await target.query(wireSchema);
    await target.query("create table people (name text, email text); insert into people values ('Ana', 'ana.secret@example.com')");
  });

  const open = (application: string): Promise<WireClient> => openWire(cleanup, stack, "ana", { application_name: application, datestyle: "ISO" });

  /** Ends the session, and answers the events of its recording. */
  async function recordingOf(application: string, client: WireClient): Promise<Recorded[]> {
    client.destroy();
    const requested = await stack.event("session-", (event) => event.type === "SessionRequested" && event.data.application === application);
    await stack.event(requested.stream, isType("SessionEnded"));
    return stack.events(requested.stream.replace("session", "recording"));
  }

  for (const [name, script] of Object.entries(wireScripts)) {
    it(`is the target's own, byte for byte, and holds every result: ${name}`, async () => {
      const client = await open(name);
      const direct = await openDirectWire(cleanup, stack, { datestyle: "ISO" });
      for (const peer of [client, direct]) {
        for (const { send, type, count } of script) {
          const answered = peer.more(type, count);
          peer.write(send);
          await answered;
        }
      }
      const told = (peer: WireClient): string => peer.messages.map(({ type, bytes }) => `${type} ${bytes.toString("latin1", type === "A" ? 9 : 1)}`).join("\n");
      assert.equal(told(client), told(direct));
      assert.equal(results(shownIn(await recordingOf(name, client))), results(client.heard));
    });
  }

  it("is masked where the client saw it masked", async () => {
    await stack.publish(recordingPolicy(`@mask("people.email:full")`));
    const client = await open("masked");
    for (const text of ["select * from people", "copy people to stdout", "select upper(email) from people"]) {
      const answered = client.more("Z");
      client.write(query(text));
      await answered;
    }
    const answered = client.more("Z");
    client.write(Buffer.concat([parse("select * from people"), bind({ resultFormats: [1] }), execute(), sync]));
    await answered;
    assert.equal(client.heard.toString("latin1").match(/\*{4}/gu)?.length, 4);
    assert.deepEqual(shownIn(await recordingOf("masked", client)), client.heard);
    assert.doesNotMatch(JSON.stringify((await stack.events("session-", "recording-")).map(({ data }) => data)), /ana\.secret/iu);
    await stack.publish(recordingPolicy());
  });

  it("says in the record of the command that it is recorded", async () => {
    const client = await open("obliged");
    const answered = client.more("Z");
    client.write(query("select 1"));
    await answered;
    await recordingOf("obliged", client);
    const authorised = (await stack.events("session-")).filter(isType("CommandAuthorized"));
    assert.deepEqual(authorised.at(-1)?.data.obligations.record, ["output"]);
  });

  it("is read by people in the session's replay, as far as they ask, and by programs as it is", async () => {
    await stack.publish(recordingPolicy(`@mask("people.email:full")`));
    const client = await open("replayed");
    for (const text of ["select name, email, null from people", "select generate_series(1, 30)", "select 1/0"]) {
      const answered = client.more("Z");
      client.write(query(text));
      await answered;
    }
    const recording = await recordingOf("replayed", client);
    const id = recording[0]?.stream.slice("recording-".length) ?? "";
    const replay = async (...options: readonly string[]): Promise<string> => {
      const cli = stack.cli("bo", ...options, "sessions", "replay", id);
      assert.equal((await cli.exited).status, 0, cli.stderr);
      return cli.stdout;
    };
    const told = await replay();
    assert.match(told, /name \| email \| \?column\?\n +Ana \| \*{4} \| NULL\n/u);
    assert.match(told, /\n +19\n +20\n[^]*… 10 more lines \(--output\)/u);
    assert.match(told, /ERROR 22012: division by zero/u);
    const all = stack.cli("bo", "sessions", "replay", id, "--output", "all");
    assert.equal((await all.exited).status, 0, all.stderr);
    assert.match(all.stdout, /\n +30\n/u);
    const events = (await replay("--json"))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Recorded);
    assert.deepEqual(shownIn(events), client.heard);
    const other = stack.cli("cy", "sessions", "replay", id);
    assert.equal((await other.exited).status, 1);
    assert.doesNotMatch(other.stdout, /Ana/u);
    await stack.publish(recordingPolicy());
  });

  it("is in the session's bundle, which verifies, and leaves what agents stated complete", async () => {
    const client = await open("bundled");
    const answered = client.more("Z");
    client.write(query("select 'in the bundle'"));
    await answered;
    const recording = await recordingOf("bundled", client);
    const id = recording[0]?.stream.slice("recording-".length) ?? "";
    const end = await stack.event(`session-${id}`, isType("SessionEnded"));
    await stack.event("log-checkpoints", (event) => event.type === "CheckpointSigned" && BigInt(event.data.position) >= end.position);
    await stack.event(
      "forwarding-",
      isType("ForwardingAttested", ({ data }) => data.final && data.sessionId === id),
    );
    const bundle = join(stack.folder, "session.bundle");
    const audit = async (...args: readonly string[]): Promise<string> => {
      const cli = stack.cli("bo", "audit", ...args);
      assert.equal((await cli.exited).status, 0, `${cli.stdout}${cli.stderr}`);
      return cli.stdout;
    };
    const key = (await audit("key")).trim();
    await audit("export", "--session", id, "-o", bundle);
    await audit("verify", bundle, "--key", key);
    const chunk = recording.find(isType("OutputRecorded"))?.data.gzipBase64 ?? "none";
    assert.ok(readFileSync(bundle, "utf8").includes(chunk));
    await audit("completeness", stack.ledgerFile);
  });

  const large: readonly (readonly [what: string, text: string, bytes: number])[] = [
    ["64 MiB of COPY", "copy (select repeat(md5(g::text), 32) from generate_series(1, 65536) g) to stdout", 64 * MIB],
    ["a cell of 8 MiB", "select repeat('y', 8388608)", 8 * MIB],
  ];
  for (const [what, text, bytes] of large) {
    it(`is recorded in bounded memory: ${what}, for a client that is late to read`, { timeout: 120_000 }, async (t) => {
      const client = await open(what);
      const floor = resetPeak(stack.controlPlane.pid);
      client.pause();
      client.write(query(text));
      const requested = await stack.event("session-", (event) => event.type === "SessionRequested" && event.data.application === what);
      await stack.event(requested.stream.replace("session", "recording"), isType("OutputRecorded"));
      const answered = client.more("Z");
      client.resume();
      await answered;
      const growth = peakMib(stack.controlPlane.pid) - floor;
      t.diagnostic(`the control plane grew by ${growth} MiB`);
      assert.ok(growth < MAX_GROWTH_MIB, `the control plane grew by ${growth} MiB`);
      const shown = shownIn(await recordingOf(what, client));
      assert.ok(shown.length > bytes);
      assert.ok(shown.equals(client.heard));
    });
  }
});
