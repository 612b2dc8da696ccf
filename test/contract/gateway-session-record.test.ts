import assert from "node:assert/strict";
import { before, beforeEach, describe, it } from "node:test";
import { encodeErrorResponse, encodeReadyForQuery } from "@sallyport/proto/wire/postgres/backend";
import { noObligations, type Obligations } from "../../control-plane/src/domain/decision.ts";
import type { SessionEvent } from "../../control-plane/src/domain/session/session.events.ts";
import { turns } from "../support/event-loop.ts";
import { bind, execute, flush, message, parse, query, sync, together } from "../support/frontend-messages.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { ask, GatewayBed, type Ground, HANG_MS, prepareGround, transcript } from "./gateway-session-harness.ts";
import { sessionSuite } from "./gateway-session-suite.ts";
import { type RecordProbe, unwritten } from "./gateway-session-ports.ts";

const run = (sql: string): Buffer => together(parse(sql), bind(), execute());
/** What a target answers to `SELECT` in each protocol. */
const row = message("D", "\0\x01\0\0\0\x04", "cell");
const selected = together(row, message("C", "SELECT 1\0"));
const answered = together(selected, encodeReadyForQuery("I"));
const executed = together(message("1"), message("2"), selected);

const authorises = (events: readonly SessionEvent[]): boolean => events.some(({ type }) => type === "CommandAuthorized");

/** The first command's event is answered when the test says so. */
function delayFirst(record: RecordProbe): PromiseWithResolvers<void> {
  const first = Promise.withResolvers<void>();
  let asked = false;
  record.fate = (events) => {
    if (asked || !authorises(events)) return undefined;
    asked = true;
    return first.promise;
  };
  return first;
}

describe("a command and its record", { timeout: 6 * HANG_MS }, () => {
  const cleanup = suiteCleanup();
  let ground: Ground;
  before(async () => {
    ground = await prepareGround(cleanup);
  });

  it("lets nothing of a result out before the event is durable, and nothing of it out when it never is", { timeout: HANG_MS }, async (t) => {
    for (const durable of [true, false]) {
      const bed = await GatewayBed.start(t, ground);
      const { client, record, heard, target } = await bed.open();
      const first = delayFirst(record);
      client.write(query("SELECT 1"));
      await heard.until(() => heard.types === "Q");
      target.say(answered);
      await turns();
      assert.equal(client.types, "");
      if (durable) first.resolve();
      else first.reject(unwritten("unknown"));
      await client.more("Z");
      assert.equal(transcript(client.messages), durable ? "D C:SELECT 1 Z:I" : "E:58030 Z:I");
    }
  });

  for (const when of ["before", "after"] as const) {
    it(`answers each of two pipelined queries once when the first one's record fails ${when} its answer`, { timeout: HANG_MS }, async (t) => {
      const bed = await GatewayBed.start(t, ground);
      const { client, record, heard, target } = await bed.open();
      const first = delayFirst(record);
      client.write(together(query("SELECT 1"), query("SELECT 2")));
      await heard.until(() => heard.types === "Q");
      if (when === "after") target.say(answered);
      await turns();
      assert.equal(heard.types, "Q", "the second waits for the first one's record");
      first.reject(unwritten("unknown"));
      await turns();
      if (when === "before") target.say(answered);
      await heard.until(() => heard.types === "QQ");
      target.say(answered);
      await client.more("C");
      assert.equal(transcript(client.messages), "E:58030 Z:I D C:SELECT 1 Z:I");
      assert.deepEqual(
        (await record.completed(2)).map(({ outcome }) => outcome),
        ["succeeded", "succeeded"],
      );
    });

    it(`skips the rest of a flushed group whose read's record fails ${when} its answer, and goes on behind Sync`, { timeout: HANG_MS }, async (t) => {
      const bed = await GatewayBed.start(t, ground);
      const { client, record, heard, target } = await bed.open();
      const first = delayFirst(record);
      client.write(together(run("SELECT 1"), flush));
      await heard.until(() => heard.types === "PBEH");
      if (when === "after") target.say(executed);
      await turns();
      first.reject(unwritten("unknown"));
      await client.more("E");
      if (when === "before") target.say(executed);
      client.write(together(run("DELETE FROM t"), flush, query("SELECT 3"), sync));
      await heard.until(() => heard.types.endsWith("S"));
      assert.equal(heard.types, "PBEHPS", "what is left of the group is one failure, and its end");
      target.say(encodeErrorResponse({ severity: "ERROR", sqlstate: "42601", message: "provoked" }), encodeReadyForQuery("I"));
      await client.more("Z");
      assert.equal(transcript(client.messages), "E:58030 Z:I");
      client.write(query("SELECT 4"));
      await heard.until(() => heard.types.endsWith("Q"));
      target.say(answered);
      await client.more("C");
      assert.equal(transcript(client.messages), "E:58030 Z:I D C:SELECT 1 Z:I");
      assert.doesNotMatch(heard.text, /DELETE|SELECT 3/);
    });
  }

  it("does not send a read whose record is refused at the call", { timeout: HANG_MS }, async (t) => {
    const bed = await GatewayBed.start(t, ground);
    const { client, record, heard } = await bed.open();
    record.fate = (events) => (authorises(events) ? "refused" : undefined);
    assert.equal(await ask(client, query("SELECT 1")), "E:58030 Z:I");
    assert.equal(await ask(client, together(run("SELECT 1"), sync)), "E:58030 Z:I");
    assert.equal(heard.types, "");
    assert.deepEqual(record.commands, []);
  });

  it("says behind an event of unknown fate that the command was not sent", { timeout: HANG_MS }, async (t) => {
    const bed = await GatewayBed.start(t, ground);
    const { client, record, heard } = await bed.open();
    const first = delayFirst(record);
    client.write(query("DELETE FROM t"));
    await record.until(() => record.commands.length > 0);
    first.reject(unwritten("unknown"));
    await client.more("Z");
    assert.deepEqual(record.commands, ["CommandAuthorized 1", "CommandDenied 1 ledger.unavailable"]);
    assert.equal(heard.types, "");
  });

  it("survives a record that fails while the session waits for something else", { timeout: HANG_MS }, async (t) => {
    const masked: Obligations = { ...noObligations, rowCap: 5 };
    const bed = await GatewayBed.start(t, ground, { rule: ({ facts }) => ({ obligations: facts?.relationsRead.length === 0 ? noObligations : masked }) });
    for (const end of [false, true]) {
      const { client, record, heard } = await bed.open();
      const first = delayFirst(record);
      // More than the window takes: the gateway waits until it may send on.
      client.write(together(parse("SELECT $1 FROM t"), bind({ values: ["x".repeat(2_000_000)] })));
      await heard.until(() => heard.frames.length > 0);
      if (end) bed.endAll("shutdown");
      // Told to nobody but the session: the test runner fails on a rejection that nobody handles.
      first.reject(unwritten("unknown"));
      await turns();
      if (!end) assert.equal(transcript(client.messages), "E:58030");
    }
  });

  describe("whose session ends", () => {
    it("while it is being recorded was cancelled, and the end is the last event", { timeout: HANG_MS }, async (t) => {
      for (const sql of [query("DELETE FROM t"), together(run("DELETE FROM t"), sync)]) {
        const bed = await GatewayBed.start(t, ground);
        const { client, record, heard } = await bed.open();
        const first = delayFirst(record);
        client.write(sql);
        await record.until(() => record.commands.length === 1);
        bed.endAll("token_expired");
        await client.ended();
        await turns();
        assert.equal(record.of("SessionEnded").length, 0);
        first.resolve();
        await record.until(() => record.of("SessionEnded").length === 1);
        assert.deepEqual(record.commands, ["CommandAuthorized 1", "CommandCompleted 1 cancelled"]);
        assert.equal(record.events.at(-1)?.type, "SessionEnded");
        assert.equal(heard.types, "");
      }
    });

    for (const [name, opening] of Object.entries({ "at the start of a group": Buffer.alloc(0), "in an open group": together(run("SELECT 1"), flush) })) {
      it(`while it is held ${name} was withdrawn, and the end is the last event`, { timeout: HANG_MS }, async (t) => {
        const bed = await GatewayBed.start(t, ground, { rule: ({ facts }) => (facts?.verbs.includes("DELETE") === true ? "needs_approval" : "allow") });
        const { client, record, heard, target } = await bed.open();
        if (opening.length > 0) {
          client.write(opening);
          await heard.until(() => heard.types === "PBEH");
          target.say(executed);
        }
        client.write(together(run("DELETE FROM t"), sync));
        await bed.approvals.number(1);
        client.destroy();
        await record.until(() => record.of("SessionEnded").length === 1);
        assert.match(record.commands.at(-1) ?? "", /^CommandDenied \d approval\.withdrawn$/);
        assert.equal(record.events.at(-1)?.type, "SessionEnded");
        assert.deepEqual(bed.approvals.states, ["withdrawn"]);
        assert.doesNotMatch(heard.text, /DELETE/);
      });
    }

    it("while the target is at work has an unknown outcome", { timeout: HANG_MS }, async (t) => {
      const bed = await GatewayBed.start(t, ground);
      const { client, record, heard, target } = await bed.open();
      client.write(query("DELETE FROM t"));
      await heard.until(() => heard.types === "Q");
      target.breakOff({ code: "agent.offline", message: "" });
      await client.ended();
      await record.until(() => record.of("SessionEnded").length === 1);
      assert.deepEqual(record.commands, ["CommandAuthorized 1", "CommandCompleted 1 unknown"]);
      assert.equal(record.of("SessionEnded")[0]?.cause, "agent_lost");
    });
  });
});

describe("a read whose record fails, on a real server", { timeout: 3 * HANG_MS }, () => {
  const suite = sessionSuite("create table t (id int)");
  beforeEach(async () => void (await suite.admin.query("truncate t")));

  it("undoes what its group did before it, as the client was told of an error", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t);
    const { client, record } = await bed.open();
    client.write(together(run("INSERT INTO t VALUES (1)"), flush));
    await client.more("C");
    const first = delayFirst(record);
    client.write(together(run("SELECT 1"), flush));
    await record.until(() => record.of("CommandAuthorized").length === 2);
    first.reject(unwritten("unknown"));
    await client.more("E");
    assert.equal(await ask(client, sync), "Z:I");
    assert.equal(await ask(client, query("SELECT count(*) FROM t")), "T D C:SELECT 1 Z:I");
    assert.deepEqual((await suite.admin.query("select id from t")).rows, []);
  });
});
