import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { SallyportError } from "@sallyport/proto/errors";
import { encodeReadyForQuery } from "@sallyport/proto/wire/postgres/backend";
import { noObligations, type Obligations } from "../../control-plane/src/domain/decision.ts";
import { RECORDED_CHUNK_BYTES } from "../../control-plane/src/gateway/postgres/recording/message-chunker.ts";
import { turns } from "../support/event-loop.ts";
import { bind, copyData, copyDone, copyFail, execute, flush, int16, message, parse, query, sync, together } from "../support/frontend-messages.ts";
import { ask, firstCells, HANG_MS, type Rule, transcript } from "./gateway-session-harness.ts";
import { sessionSuite } from "./gateway-session-suite.ts";
import { unwritten } from "./gateway-session-ports.ts";
import type { Heard } from "./gateway-session-target.ts";

const recording = (...record: readonly ("input" | "output")[]): Obligations => ({ ...noObligations, record });
const recorded: Rule = () => ({ obligations: recording("input") });
const bothRecorded: Rule = () => ({ obligations: recording("input", "output") });
/** What a target answers to `copy t from stdin`. */
const copyInResponse = message("G", "\0", int16(1), int16(0));
const rows = (count: number, width = 1_000): Buffer => Buffer.from(Array.from({ length: count }, (_, n) => `${n}\t${"x".repeat(width)}\n`).join(""));
/** The messages of COPY that a target was sent. */
const copiedTo = ({ frames }: Heard): Buffer => Buffer.concat(frames.filter(({ type }) => "dcf".includes(String.fromCharCode(type))).map(({ raw }) => raw));

describe("COPY data that policy has recorded", { timeout: 6 * HANG_MS }, () => {
  const suite = sessionSuite();

  /** A session with a table `t` to copy to, whose creation nothing is recorded of. */
  async function openWithTable(t: TestContext, rule: Rule) {
    const bed = await suite.start(t);
    const bench = await bed.open();
    assert.equal(await ask(bench.client, query("create temp table t (a int, b text)")), "C:CREATE TABLE Z:I");
    bed.rule = rule;
    const count = async (): Promise<string | undefined> => {
      const from = bench.client.messages.length;
      await ask(bench.client, query("select count(*) from t"));
      return firstCells(bench.client.messages.slice(from))[0];
    };
    return { ...bench, bed, count };
  }

  it("is what the client sent and the target got, byte for byte and command by command, in bounded chunks", { timeout: HANG_MS }, async (t) => {
    const { client, record, heard, count } = await openWithTable(t, recorded);
    const small = together(...Array.from({ length: 300 }, (_, n) => copyData(`${n}\tsmall\n`)), copyDone);
    const large = together(copyData(rows(600)), copyData("1\tbehind it\n"), copyDone);
    const empty = copyDone;
    const givenUp = together(copyData(rows(1)), copyFail("no more"));
    for (const [sent, answer] of [
      [small, "C:COPY 300 Z:I"],
      [large, "C:COPY 601 Z:I"],
      [empty, "C:COPY 0 Z:I"],
      [givenUp, "E:57014 Z:I"],
    ] as const) {
      const already = record.recording.copied().length;
      client.write(query("copy t from stdin"));
      await client.more("G");
      assert.equal(await ask(client, sent), answer);
      assert.deepEqual(record.recording.copied().subarray(already), sent);
    }
    client.write(together(parse("copy t from stdin"), bind(), execute(), sync));
    await client.more("G");
    assert.equal(await ask(client, together(copyData("7\textended\n"), copyDone, sync)), "C:COPY 1 Z:I");
    assert.equal(await count(), "902");
    assert.deepEqual(record.recording.copied(), copiedTo(heard));
    assert.deepEqual(record.recording.copied(2), small);
    assert.deepEqual(record.recording.copied(3), large);
    assert.ok(record.recording.sent.every(({ bytes }) => bytes <= RECORDED_CHUNK_BYTES));
    assert.deepEqual(
      record.recording.sent.map(({ commandId }) => commandId),
      [2, 3, 3, 3, 3, 4, 5, 6],
    );
    assert.equal(record.recording.outputs.length, 0);
  });

  it("reaches the target only when it is durable, and its end too", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.startScripted(t, { rule: recorded });
    const { client, record, heard, target } = await bed.open();
    const durable = Promise.withResolvers<void>();
    record.recording.fate = () => durable.promise;
    client.write(query("copy t from stdin"));
    await heard.until(() => heard.types === "Q");
    target.say(copyInResponse);
    await client.more("G");
    const written = record.recording.until(() => record.recording.attempts === 1);
    client.write(together(copyData("1\n"), copyData("2\n"), copyDone));
    await written;
    await turns();
    assert.equal(heard.types, "Q");
    durable.resolve();
    await heard.until(() => heard.types === "Qddc");
    target.say(message("C", "COPY 2\0"), encodeReadyForQuery("I"));
    await client.more("Z");
    assert.deepEqual(record.recording.copied(1), copiedTo(heard));
  });

  it("goes on after a while where a client sends a row now and then", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.startScripted(t, { rule: recorded });
    const { client, record, heard, target } = await bed.open();
    client.write(query("copy t from stdin"));
    await heard.until(() => heard.types === "Q");
    target.say(copyInResponse);
    await client.more("G");
    client.write(together(copyData("1\n"), copyData("2\n")));
    await heard.until(() => heard.types === "Qdd");
    assert.equal(record.recording.sent.length, 1);
  });

  it("is that of each COPY of a text, one behind the other, and of what was held, once it runs", { timeout: HANG_MS }, async (t) => {
    const { client, record, bed, count } = await openWithTable(t, () => ({ effect: "needs_approval", obligations: recording("input") }));
    client.write(query("copy t from stdin; copy t from stdin (format csv)"));
    await bed.approvals.approve(await bed.approvals.number(1));
    await client.more("G");
    const [text, csv] = [together(copyData("1\tx\n"), copyDone), together(copyData("2,y\n"), copyDone)];
    const asked = client.more("G");
    client.write(text);
    await asked;
    assert.match(await ask(client, csv), /C:COPY 1 Z:I$/u);
    assert.deepEqual(record.of("CommandReleased")[0]?.obligations.record, ["input"]);
    assert.deepEqual(record.recording.copied(2), together(text, csv));
    bed.rule = recorded;
    assert.equal(await count(), "2");
  });

  it("is not recorded where policy does not say so, nor with output alone", { timeout: HANG_MS }, async (t) => {
    const { client, record, bed } = await openWithTable(t, () => ({ obligations: recording("output") }));
    for (const rule of [bed.rule, (): "allow" => "allow"]) {
      bed.rule = rule;
      client.write(query("copy t from stdin"));
      await client.more("G");
      assert.equal(await ask(client, together(copyData("1\tx\n"), copyDone)), "C:COPY 1 Z:I");
    }
    assert.equal(record.recording.sent.length, 0);
  });

  it("is recorded beside the output, each as its own, with what a trigger says meanwhile", { timeout: HANG_MS }, async (t) => {
    const { client, record, heard, bed } = await openWithTable(t, () => "allow");
    const body = "begin raise notice 'row %', new.a; return new; end";
    await ask(client, query(`create function pg_temp.tell() returns trigger language plpgsql as $$ ${body} $$`));
    await ask(client, query("create trigger tell before insert on t for each row execute function pg_temp.tell()"));
    bed.rule = bothRecorded;
    const from = client.heard.length;
    client.write(query("copy t from stdin"));
    await client.more("G");
    const sent = together(copyData("1\tx\n"), copyData("2\ty\n"), copyDone);
    assert.equal(await ask(client, sent), "N:00000 N:00000 C:COPY 2 Z:I");
    assert.deepEqual(record.recording.copied(4), sent);
    assert.deepEqual(copiedTo(heard), sent);
    assert.deepEqual(record.recording.shown(4), client.heard.subarray(from));
  });

  // Each of two messages takes two events.
  const places = { "at once": 0, "in the middle": 2, "in the middle of a message": 3, "at its end": 4 };
  for (const [when, durable] of Object.entries(places)) {
    for (const way of ["simple", "extended"] as const) {
      it(
        `that cannot be recorded, ${when}, fails its COPY (${way}): nothing of it reached the target, and the session goes on`,
        { timeout: HANG_MS },
        async (t) => {
          const { client, record, heard, count } = await openWithTable(t, recorded);
          const [first, second] = [copyData(rows(300)), copyData(rows(300))];
          let left = durable;
          record.recording.fate = () => (left-- > 0 ? undefined : Promise.reject(unwritten("unknown")));
          client.write(way === "simple" ? query("copy t from stdin") : together(parse("copy t from stdin"), bind(), execute(), sync));
          await client.more("G");
          const answer = await ask(client, together(first, second, copyDone, ...(way === "simple" ? [] : [sync])));
          assert.equal(answer, "E:58030 Z:I");
          record.recording.fate = () => undefined;
          const reached = copiedTo(heard);
          const data = reached.subarray(0, reached.lastIndexOf("f"));
          assert.match(reached.subarray(data.length).toString("latin1"), /^f[^]{4}sallyport could not record/u);
          assert.equal(record.recording.copied(2).indexOf(data), 0, "what reached the target is in the record");
          assert.equal(data.length, Math.floor(durable / 2) * first.length);
          assert.equal((await record.completed(2))[1]?.outcome, "cancelled");
          assert.equal(await count(), "0");
          client.write(query("copy t from stdin"));
          await client.more("G");
          assert.equal(await ask(client, together(copyData("1\tx\n"), copyDone)), "C:COPY 1 Z:I");
        },
      );
    }
  }

  for (const [what, begin, next] of [
    ["the end of the data", query("copy t from stdin"), copyDone],
    ["more data and its end", query("copy t from stdin"), together(copyData("2\ty\n"), copyDone)],
    ["a Sync", together(parse("copy t from stdin"), bind(), execute(), sync), sync],
  ] as const) {
    it(`that cannot be recorded while its client is idle fails its COPY with ${what}`, { timeout: HANG_MS }, async (t) => {
      const { client, record, count } = await openWithTable(t, recorded);
      client.write(begin);
      await client.more("G");
      record.recording.fate = () => Promise.reject(unwritten("unknown"));
      const written = record.recording.until(() => record.recording.attempts === 1);
      client.write(copyData("1\tx\n"));
      await written;
      await turns();
      record.recording.fate = () => undefined;
      assert.equal(await ask(client, next), "E:58030 Z:I");
      assert.equal(await count(), "0");
    });
  }

  for (const way of ["simple", "extended"] as const) {
    it(`that cannot be recorded fails its COPY (${way}) where everything was sent at once, the next command included`, { timeout: HANG_MS }, async (t) => {
      const { client, record, count } = await openWithTable(t, recorded);
      record.recording.fate = () => Promise.reject(unwritten("unknown"));
      const data = together(copyData(rows(600)), copyData("1\tx\n"), copyDone);
      const all =
        way === "simple"
          ? together(query("copy t from stdin"), data, query("select 'on'"))
          : together(parse("copy t from stdin"), bind(), execute(), sync, data, sync, query("select 'on'"));
      assert.equal(await ask(client, all, 2), `${way === "simple" ? "" : "1 2 "}G E:58030 Z:I T D C:SELECT 1 Z:I`);
      assert.equal(await count(), "0");
    });
  }

  it("that cannot be recorded fails its transaction, and is refused once where output is recorded, too", { timeout: HANG_MS }, async (t) => {
    const { client, record, count } = await openWithTable(t, bothRecorded);
    assert.equal(await ask(client, query("begin")), "C:BEGIN Z:T");
    client.write(query("copy t from stdin"));
    await client.more("G");
    record.recording.fate = () => Promise.reject(unwritten("unknown"));
    assert.equal(await ask(client, together(copyData("1\tx\n"), copyDone)), "E:58030 Z:E");
    record.recording.fate = () => undefined;
    assert.equal(await ask(client, query("commit")), "C:ROLLBACK Z:I");
    assert.equal(await count(), "0");
  });

  it("beyond the bound of the recording fails its COPY", { timeout: HANG_MS }, async (t) => {
    const { client, record, count } = await openWithTable(t, recorded);
    record.recording.fate = () => Promise.reject(new SallyportError("recording.full", "Full."));
    client.write(query("copy t from stdin"));
    await client.more("G");
    assert.equal(await ask(client, together(copyData("1\tx\n"), copyDone)), "E:54000 Z:I");
    assert.equal(await count(), "0");
  });

  it("is refused before its COPY runs when the recording is full, and nothing else is", { timeout: HANG_MS }, async (t) => {
    const { client, record, heard, count } = await openWithTable(t, recorded);
    record.recording.full = true;
    const { length } = heard.types;
    assert.equal(await ask(client, query("copy t from stdin")), "E:54000 Z:I");
    assert.equal(await ask(client, together(parse("copy t from stdin"), bind(), execute(), sync)), "E:54000 Z:I");
    assert.deepEqual(record.commands.slice(-2), ["CommandDenied 2 recording.full", "CommandDenied 3 recording.full"]);
    assert.equal(heard.types.length, length);
    assert.equal(await ask(client, query("copy t to stdout")), "H c C:COPY 0 Z:I");
    assert.equal(await count(), "0");
  });

  it("that the target refuses is dropped, and nothing of it comes to the next COPY", { timeout: HANG_MS }, async (t) => {
    const { client, heard, count } = await openWithTable(t, recorded);
    client.write(query("copy t from stdin"));
    await client.more("G");
    // What comes behind the chunk waits for more of its own, which never comes.
    client.write(together(copyData(Buffer.concat([Buffer.from("no number\tx\n"), rows(400)])), copyData("1\tleft over\n")));
    await client.more("Z");
    assert.equal(transcript(client.messages.slice(-2)), "E:22P02 Z:I");
    assert.equal(await ask(client, query("select 1")), "T D C:SELECT 1 Z:I");
    assert.equal(await ask(client, together(copyData("1\tx\n"), copyDone, query("select 1"))), "T D C:SELECT 1 Z:I");
    const { length } = copiedTo(heard);
    client.write(query("copy t from stdin"));
    await client.more("G");
    const next = together(copyData("2\ty\n"), copyDone);
    assert.equal(await ask(client, next), "C:COPY 1 Z:I");
    assert.deepEqual(copiedTo(heard).subarray(length), next);
    assert.equal(await count(), "1");
  });

  it("comes to the target before a Flush or Sync behind it", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.startScripted(t, { rule: recorded });
    const { client, record, heard, target } = await bed.open();
    client.write(query("copy t from stdin"));
    await heard.until(() => heard.types === "Q");
    target.say(copyInResponse);
    await client.more("G");
    client.write(together(copyData("1\n"), flush, sync, copyData("2\n"), copyDone));
    await heard.until(() => heard.types === "QdHSdc");
    assert.equal(record.recording.sent.length, 2);
  });

  it("is not sent any more when somebody ends the session while it is written", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.startScripted(t, { rule: recorded });
    const { client, record, heard, target } = await bed.open();
    const durable = Promise.withResolvers<void>();
    record.recording.fate = () => durable.promise;
    client.write(query("copy t from stdin"));
    await heard.until(() => heard.types === "Q");
    target.say(copyInResponse);
    await client.more("G");
    const written = record.recording.until(() => record.recording.attempts === 1);
    client.write(copyData(rows(600)));
    await written;
    bed.endAll("ended_by_administrator");
    await client.ended();
    assert.equal(transcript(client.messages), "G E:57P01");
    assert.equal(record.of("SessionEnded").length, 0, "the end is the last thing recorded");
    durable.resolve();
    await record.until(() => record.of("SessionEnded").length > 0);
    assert.equal(heard.types, "Q");
    assert.equal(record.recording.sent.length, 1, "what was not being written is not written");
  });
});
