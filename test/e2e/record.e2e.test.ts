import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { before, describe, it } from "node:test";
import { openPolicy } from "../support/policies.ts";
import { isType, type Recorded, type RecordedAs, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { failure } from "./failure.ts";

const MIB = 1_048_576;

describe("the record of what ran", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup, { policy: openPolicy });
    await (await stack.connectDirect()).query("create table sink (id int, note text)");
  });

  /** The events of the session that this application opened, its recording included. */
  async function recordOf(application: string): Promise<Recorded[]> {
    const requested = await stack.event("session-", (event) => event.type === "SessionRequested" && event.data.application === application);
    await stack.event(requested.stream, isType("SessionEnded"));
    const id = requested.stream.slice("session-".length);
    return stack.events(`session-${id}`, `recording-${id}`);
  }

  for (const bytes of [0, 1, 16_000, 17_000, 196_609, MIB, 10 * MIB]) {
    it(`holds every byte of a statement and of a parameter of ${bytes} bytes`, async () => {
      const application = `long ${bytes}`;
      const client = await stack.connect("ana", { application_name: application });
      const value = "é".repeat(bytes / 2) + "x".repeat(bytes % 2);
      const statement = `select length('${value}') as length`;
      await client.query(statement);
      await client.query("select length($1::text) as length", [value]);
      await client.end();
      const events = await recordOf(application);
      const [simple, bound] = events.filter(isType("CommandAuthorized"));
      assert.ok(simple !== undefined && bound !== undefined);
      assert.equal(simple.data.statementBytes, Buffer.byteLength(statement));
      assert.equal(sha(simple.data.statement ?? recorded(events, simple, "statement")), sha(statement));
      const [parameter] = bound.data.parameters;
      assert.equal(parameter?.bytes, Buffer.byteLength(value));
      assert.equal(sha(parameter.value ?? recorded(events, bound, 0)), sha(value));
    });
  }

  it("holds what happened, command by command: rows, tag, error, and the order", async () => {
    const client = await stack.connect("ana", { application_name: "told" });
    await client.query("insert into sink values (1, 'a'), (2, 'b')");
    await failure(client.query("select 1/0"));
    await client.query({ name: "p", text: "select * from sink where id >= $1", values: [1] });
    await client.query({ name: "p", text: "select * from sink where id >= $1", values: [2] });
    await client.end();
    const completed = (await recordOf("told"))
      .filter(isType("CommandCompleted"))
      .map(({ data }) => [data.commandId, data.outcome, data.errorCode, data.tag, data.rows]);
    assert.deepEqual(completed, [
      [1, "succeeded", undefined, "INSERT 0 2", 0],
      [2, "failed", "22012", "", 0],
      [3, "succeeded", undefined, "SELECT 2", 2],
      [4, "succeeded", undefined, "SELECT 1", 1],
    ]);
    const authorised = (await recordOf("told"))
      .filter(isType("CommandAuthorized"))
      .map(({ data }) => [data.via, data.facts.riskClass, data.parameters.map(({ value }) => value)]);
    assert.deepEqual(authorised, [
      ["simple", "write", []],
      ["simple", "read", []],
      ["execute", "read", ["1"]],
      ["execute", "read", ["2"]],
    ]);
  });

  it("has as many completions as authorisations, also when the client leaves in the middle", async () => {
    const client = await stack.connect("ana", { application_name: "left" });
    client.query("select pg_sleep(60)").catch(() => undefined);
    await stack.event("session-", (event) => event.type === "CommandAuthorized" && event.data.statement === "select pg_sleep(60)");
    (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    const events = await recordOf("left");
    assert.deepEqual(
      events.map(({ type }) => type),
      ["SessionRequested", "SessionOpened", "CommandAuthorized", "CommandCompleted", "SessionEnded"],
    );
    assert.equal(events.find(isType("CommandCompleted"))?.data.outcome, "unknown");
  });

  it("can be read back with the command line, as text and as JSON", async () => {
    const replay = stack.cli("bo", "sessions", "replay", "last");
    assert.equal((await replay.exited).status, 0, replay.stderr);
    assert.match(replay.stdout, /pg_sleep/u);
    const json = stack.cli("bo", "--json", "sessions", "replay", "last");
    assert.equal((await json.exited).status, 0, json.stderr);
    const types = json.stdout
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { type: string }).type);
    assert.equal(types[0], "SessionRequested");
    const exported = stack.cli("bo", "events", "export", "--stream", "session-");
    assert.equal((await exported.exited).status, 0, exported.stderr);
    assert.equal(exported.stdout.trim().split("\n").length, (await stack.events("session-")).length);
    const forbidden = stack.cli("ana", "events", "export");
    assert.equal((await forbidden.exited).status, 1);
    assert.match(forbidden.stderr, /auth\.forbidden/u);
  });
});

/** A statement, or a parameter, that is too long for its event, put together from the recording. */
function recorded(events: readonly Recorded[], { data }: RecordedAs<"CommandAuthorized">, part: "statement" | number): Buffer {
  const { from, to } = data.recording ?? { from: 0, to: 0 };
  const chunks = events.filter(isType("InputRecorded")).filter((event) => event.data.sequence >= from && event.data.sequence < to && event.data.part === part);
  return Buffer.concat(chunks.toSorted((a, b) => a.data.offset - b.data.offset).map((event) => Buffer.from(event.data.base64, "base64")));
}

const sha = (bytes: string | Buffer): string => createHash("sha256").update(bytes).digest("hex");
