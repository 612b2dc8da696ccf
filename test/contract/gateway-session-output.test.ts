import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeReadyForQuery } from "@sallyport/proto/wire/postgres/backend";
import { noObligations, type Obligations } from "../../control-plane/src/domain/decision.ts";
import { RECORDED_CHUNK_BYTES } from "../../control-plane/src/gateway/postgres/recording/message-chunker.ts";
import { turns } from "../support/event-loop.ts";
import { bind, copyData, copyDone, describePortal, execute, flush, message, parse, query, sync, terminate, together } from "../support/frontend-messages.ts";
import { ask, HANG_MS, type Rule, transcript } from "./gateway-session-harness.ts";
import { sessionSuite } from "./gateway-session-suite.ts";
import { unwritten } from "./gateway-session-ports.ts";

const recording: Obligations = { ...noObligations, record: ["output"] };
const recorded: Rule = () => ({ obligations: recording });
/** What a target answers to `select`. */
const row = message("D", "\0\x01\0\0\0\x04", "cell");
const done = message("C", "SELECT 1\0");

describe("output that policy has recorded", { timeout: 6 * HANG_MS }, () => {
  const suite = sessionSuite();

  for (const outputChunkBytes of [RECORDED_CHUNK_BYTES, 7])
    it(`is what the client got, byte for byte and command by command, in chunks of ${outputChunkBytes} bytes`, { timeout: HANG_MS }, async (t) => {
      const bed = await suite.start(t, { rule: recorded, limits: { outputChunkBytes } });
      const { client, record } = await bed.open();
      const steps: readonly (readonly [Buffer, string])[] = [
        [query("select 1 as a; select 2 as b"), "T D C:SELECT 1 T D C:SELECT 1 Z:I"],
        [query("select 1/0"), "E:22012 Z:I"],
        [together(parse("select 'x'"), bind(), describePortal(), execute(), bind(), execute(), sync), "1 2 T D C:SELECT 1 2 D C:SELECT 1 Z:I"],
        [together(parse("select generate_series(1, 3)"), bind(), execute("", 2), execute("", 2), sync), "1 2 D D s D C:SELECT 1 Z:I"],
        [query("copy (select generate_series(1, 3)) to stdout"), "H d d d c C:COPY 3 Z:I"],
        [query("do $$ begin raise notice 'hello'; end $$"), "N:00000 C:DO Z:I"],
        [query(""), "I Z:I"],
      ];
      for (const [sent, expected] of steps) assert.equal(await ask(client, sent), expected);
      assert.deepEqual(record.recording.shown(), client.heard);
      const commands = record.of("CommandAuthorized").length;
      assert.ok(record.recording.outputs.every(({ bytes }) => bytes <= outputChunkBytes));
      assert.deepEqual(
        record.recording.outputs.map(({ sequence }) => sequence),
        record.recording.outputs.map((_, index) => index),
      );
      for (let id = 1; id <= commands; id++) assert.ok(record.recording.shown(id).length > 0, `command ${id} has its output`);
      assert.equal(transcript(messagesOf(record.recording.shown(3))), "1 2 T D C:SELECT 1");
      assert.equal(transcript(messagesOf(record.recording.shown(4))), "2 D C:SELECT 1 Z:I");
    });

  it("reaches the client only when it is durable", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.startScripted(t, { rule: recorded });
    const { client, record, heard, target } = await bed.open();
    const durable = Promise.withResolvers<void>();
    record.recording.fate = () => durable.promise;
    client.write(query("select 1"));
    await heard.until(() => heard.types === "Q");
    target.say(row, done, encodeReadyForQuery("I"));
    await record.completed(1);
    await turns();
    assert.equal(client.types, "");
    durable.resolve();
    await client.more("Z");
    assert.deepEqual(record.recording.shown(1), client.heard);
  });

  it("is that of what was held, once it runs, and what deferred constraints say at the end of a group", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t, { rule: () => ({ effect: "needs_approval", obligations: recording }) });
    const { client, record } = await bed.open();
    const asked = ask(client, query("create temp table d (a int unique deferrable initially deferred)"));
    await bed.approvals.approve(await bed.approvals.number(1));
    assert.equal(await asked, "N:01000 C:CREATE TABLE Z:I");
    assert.deepEqual(record.of("CommandReleased")[0]?.obligations.record, ["output"]);
    assert.equal(transcript(messagesOf(record.recording.shown(1))), "C:CREATE TABLE Z:I");
    bed.rule = recorded;
    client.write(together(parse("insert into d values (1), (1)"), bind(), execute(), flush));
    await client.more("C");
    client.write(together(parse("select 1"), flush));
    await client.more("1");
    assert.equal(await ask(client, sync), "E:23505 Z:I");
    assert.equal(transcript(messagesOf(record.recording.shown(2))), "1 2 C:INSERT 0 2 1 E:23505 Z:I");
  });

  it("is not recorded, and does not wait, where policy does not say so", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t);
    const { client, record } = await bed.open();
    assert.equal(await ask(client, query("select 1")), "T D C:SELECT 1 Z:I");
    bed.rule = recorded;
    assert.equal(await ask(client, query("select 2")), "T D C:SELECT 1 Z:I");
    bed.rule = () => "allow";
    assert.equal(await ask(client, query("select 3")), "T D C:SELECT 1 Z:I");
    assert.deepEqual(
      record.recording.outputs.map(({ commandId }) => commandId),
      [2],
    );
  });

  it("comes while the answer is still under way, when the target pauses", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.startScripted(t, { rule: recorded });
    const { client, heard, target, record } = await bed.open();
    client.write(query("select 1"));
    await heard.until(() => heard.types === "Q");
    target.say(row);
    await client.more("D");
    assert.equal(record.recording.outputs.length, 1);
    target.say(done, encodeReadyForQuery("I"));
    await client.more("Z");
    assert.deepEqual(record.recording.shown(1), client.heard);
  });

  it("comes at once where the target waits for the client: on Flush, and for COPY data", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t, { rule: recorded });
    const { client, record } = await bed.open();
    // What would wait for company waits for ever.
    t.mock.timers.enable({ apis: ["setTimeout"] });
    client.write(together(parse("create temp table t (a int)"), bind(), execute(), flush));
    await client.more("C");
    assert.equal(await ask(client, sync), "Z:I");
    client.write(query("copy t from stdin"));
    await client.more("G");
    assert.equal(await ask(client, together(copyData("1\n2\n"), copyDone)), "C:COPY 2 Z:I");
    client.write(together(parse("copy t from stdin"), bind(), execute(), sync));
    await client.more("G");
    assert.equal(await ask(client, together(copyData("3\n"), copyDone, sync)), "C:COPY 1 Z:I");
    client.write(query("copy t from stdin"));
    await client.more("G");
    client.write(copyData("x\n"));
    assert.equal(await ask(client, copyDone), "E:22P02 Z:I");
    assert.deepEqual(record.recording.shown(), client.heard);
  });

  for (const when of ["at once", "in the middle"] as const) {
    it(`that cannot be recorded, ${when}, is withheld, and the session goes on`, { timeout: HANG_MS }, async (t) => {
      const bed = await suite.start(t, { rule: recorded });
      const { client, record } = await bed.open();
      let left = when === "at once" ? 0 : 1;
      record.recording.fate = () => (left-- > 0 ? undefined : Promise.reject(unwritten("unknown")));
      // About 1 MB, so that there is more than one chunk.
      const answer = await ask(client, query("select repeat('x', 1000) from generate_series(1, 1000)"));
      assert.match(answer, when === "at once" ? /^E:58030 Z:I$/ : /^T( D)+ E:58030 Z:I$/);
      assert.equal(client.heard.indexOf(record.recording.shown(1)), 0, "what it saw before is in the record");
      assert.equal((await record.completed(1))[0]?.outcome, "succeeded");
      record.recording.fate = () => undefined;
      assert.equal(await ask(client, query("select 1")), "T D C:SELECT 1 Z:I");
    });

    it(`that cannot be recorded, ${when}, fails its transaction at the target too`, { timeout: HANG_MS }, async (t) => {
      const bed = await suite.start(t, { rule: recorded });
      const { client, record } = await bed.open();
      const wide = "(a) select g from generate_series(1, 100000) g returning a";
      await ask(client, query("create temp table t (a int)"));
      await ask(client, query("begin"));
      let left = when === "at once" ? 0 : 1;
      record.recording.fate = () => (left-- > 0 ? undefined : Promise.reject(unwritten("unknown")));
      assert.match(await ask(client, query(`insert into t ${wide}`)), /E:58030 Z:E$/);
      record.recording.fate = () => undefined;
      assert.equal(await ask(client, query("select 1")), "E:25P02 Z:E");
      assert.equal(await ask(client, query("commit")), "C:ROLLBACK Z:I");
      left = when === "at once" ? 0 : 1;
      record.recording.fate = () => (left-- > 0 ? undefined : Promise.reject(unwritten("unknown")));
      client.write(together(parse(`insert into t ${wide}`), bind(), execute(), flush));
      await client.more("E");
      record.recording.fate = () => undefined;
      assert.equal(await ask(client, together(parse("select 1"), bind(), execute(), sync)), "Z:I");
      assert.equal(await ask(client, query("select count(*)::text from t")), "T D C:SELECT 1 Z:I");
      assert.equal(client.messages.at(-3)?.bytes.toString("latin1", 11), "0", "the group was undone");
    });
  }

  it("ends the session when it cannot be recorded and goes on and on", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t, { rule: recorded });
    const { client, record } = await bed.open();
    record.recording.fate = () => Promise.reject(unwritten("unknown"));
    client.write(query("select repeat('x', 1000), pg_sleep(0.01) from generate_series(1, 100000)"));
    await client.ended();
    assert.equal(transcript(client.messages), "E:58030");
    await record.until(() => record.of("SessionEnded").length > 0);
    assert.equal(record.of("SessionEnded")[0]?.cause, "ledger_lost");
  });

  it("ends the session when it cannot be recorded in the middle of a message", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t, { rule: recorded });
    const greeted = await bed.open();
    greeted.client.write(terminate);
    await greeted.record.until(() => greeted.record.of("SessionEnded").length > 0);
    const greeting = greeted.record.of("SessionEnded")[0]?.bytesToClient ?? 0;
    const { client, record } = await bed.open();
    // The description of the row, and a part of the row.
    let left = 2;
    record.recording.fate = () => (left-- > 0 ? undefined : Promise.reject(unwritten("unknown")));
    client.write(query("select repeat('x', 10000000)"));
    await client.ended();
    await record.until(() => record.of("SessionEnded").length > 0);
    assert.equal(record.of("SessionEnded")[0]?.cause, "ledger_lost");
    assert.equal(greeting + record.recording.shown(1).length, record.of("SessionEnded")[0]?.bytesToClient, "nothing follows: an error would be taken for data");
  });

  it("ends the session when the answer to COPY data cannot be asked for on the record", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t, { rule: recorded });
    const { client, record } = await bed.open();
    await ask(client, query("create temp table t (a int)"));
    record.recording.fate = () => Promise.reject(unwritten("unknown"));
    client.write(query("copy t from stdin"));
    await client.ended();
    assert.equal(transcript(client.messages.slice(2)), "E:58030");
  });

  it("has commands refused before they run when the recording is full", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t, { rule: recorded });
    const { client, record, heard } = await bed.open();
    record.recording.full = true;
    assert.equal(await ask(client, query("select 1")), "E:54000 Z:I");
    assert.equal(await ask(client, together(parse("select 1"), bind(), execute(), sync)), "E:54000 Z:I");
    assert.deepEqual(record.commands, ["CommandDenied 1 recording.full", "CommandDenied 2 recording.full"]);
    assert.equal(heard.types, "");
    bed.rule = () => "allow";
    assert.equal(await ask(client, query("select 1")), "T D C:SELECT 1 Z:I");
  });

  it("includes what the target says last when it ends the session", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t, { rule: recorded });
    const { client, record } = await bed.open();
    client.write(query("select pg_terminate_backend(pg_backend_pid())"));
    await client.ended();
    assert.match(transcript(client.messages), /E:57P01$/);
    assert.deepEqual(record.recording.shown(1), client.heard);
  });

  it("is not shown any more when somebody ends the session while it is written", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.startScripted(t, { rule: recorded });
    const { client, record, heard, target } = await bed.open();
    const durable = Promise.withResolvers<void>();
    record.recording.fate = () => durable.promise;
    client.write(query("select 1"));
    await heard.until(() => heard.types === "Q");
    target.say(row, done, encodeReadyForQuery("I"));
    await record.completed(1);
    bed.endAll("ended_by_administrator");
    await client.ended();
    assert.equal(transcript(client.messages), "E:57P01");
    assert.equal(record.of("SessionEnded").length, 0, "the end is the last thing recorded");
    durable.resolve();
    await record.until(() => record.of("SessionEnded").length > 0);
  });

  it("includes what comes unasked for behind it, up to the next command", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t, { rule: recorded });
    const listener = await bed.open();
    const { client } = await bed.open();
    assert.equal(await ask(listener.client, query("listen news")), "C:LISTEN Z:I");
    await ask(client, query("notify news, 'extra'"));
    await listener.client.until((messages) => messages.some(({ type }) => type === "A"));
    assert.deepEqual(listener.record.recording.shown(1), listener.client.heard);
    listener.record.recording.fate = () => Promise.reject(unwritten("unknown"));
    await ask(client, query("notify news, 'unseen'"));
    await listener.client.ended();
    assert.equal(transcript(listener.client.messages), "C:LISTEN Z:I A E:58030", "nobody asked, so there is no command to fail");
  });

  it("of a session whose record is slow delays no other session", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t, { rule: recorded });
    const slow = await bed.open();
    const other = await bed.open();
    const durable = Promise.withResolvers<void>();
    slow.record.recording.fate = () => durable.promise;
    slow.client.write(query("select repeat('x', 1000) from generate_series(1, 20000)"));
    await slow.heard.until(() => slow.heard.types === "Q");
    for (let i = 0; i < 20; i++) assert.equal(await ask(other.client, query("select 1")), "T D C:SELECT 1 Z:I");
    assert.equal(slow.client.types, "");
    durable.resolve();
    await slow.client.more("Z");
    assert.deepEqual(slow.record.recording.shown(1), slow.client.heard);
  });
});

function messagesOf(bytes: Buffer): { readonly type: string; readonly bytes: Buffer }[] {
  const messages = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + bytes.readInt32BE(at + 1);
    messages.push({ type: String.fromCharCode(bytes[at] ?? 0), bytes: bytes.subarray(at, end) });
    at = end;
  }
  return messages;
}
