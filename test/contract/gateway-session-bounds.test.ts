import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeReadyForQuery } from "@sallyport/proto/wire/postgres/backend";
import { MAX_APPEND_BYTES } from "../../control-plane/src/ledger/ledger.ts";
import { bind, execute, message, parse, query, sync, together } from "../support/frontend-messages.ts";
import { ask, HANG_MS } from "./gateway-session-harness.ts";
import { sessionSuite } from "./gateway-session-suite.ts";

/** Resolves when `measure` has stayed the same for so long that nothing can be under way. */
async function still(measure: () => number): Promise<number> {
  let last = measure();
  for (let turns = 0; turns < 500; turns++) {
    await new Promise<void>((resolve) => void setImmediate(resolve));
    if (measure() === last) continue;
    last = measure();
    turns = 0;
  }
  return last;
}

describe("the bounds of a session", { timeout: 6 * HANG_MS }, () => {
  const suite = sessionSuite();

  it("let a pipeline of 5,000 executions pass, recorded in full, while other sessions go on", { timeout: 2 * HANG_MS }, async (t) => {
    const bed = await suite.start(t);
    const { client, record } = await bed.open();
    const { client: other } = await bed.open();
    client.write(together(parse("SELECT 1", "s"), ...Array.from({ length: 5_000 }, () => together(bind({ statement: "s" }), execute())), sync));
    await record.until(() => record.of("CommandAuthorized").length > 0);
    assert.equal(await ask(other, query("SELECT 2")), "T D C:SELECT 1 Z:I");
    assert.ok(record.of("CommandAuthorized").length < 5_000, "the other one did not wait for it");
    await client.more("Z");
    assert.equal(client.messages.filter(({ type }) => type === "C").length, 5_000);
    assert.equal(new Set((await record.completed(5_000)).map(({ commandId }) => commandId)).size, 5_000);
    assert.ok(record.of("CommandAuthorized").every(({ statement }) => statement === "SELECT 1"));
  });

  it(
    "let commands with thousands of parameters pass, in appends that the ledger takes, and not one for each parameter",
    { timeout: 2 * HANG_MS },
    async (t) => {
      const bed = await suite.start(t);
      const { client, record } = await bed.open();
      const values = Array.from({ length: 5_000 }, (_, n) => `v${n}`);
      const sizes: number[] = [];
      record.fate = (events) => void sizes.push(Buffer.byteLength(JSON.stringify(events)));
      record.recording.fate = (events) => void sizes.push(Buffer.byteLength(JSON.stringify(events)));
      const list = values.map((_, n) => `$${n + 1}`).join(",");
      client.write(together(parse(`SELECT cardinality(ARRAY[${list}]::text[])`, "s"), sync));
      await client.more("Z");
      client.write(together(...Array.from({ length: 8 }, () => together(bind({ statement: "s", values }), execute())), sync));
      await client.more("Z");
      assert.deepEqual(
        client.messages.filter(({ type }) => type === "D").map(({ bytes }) => bytes.toString("latin1", 11)),
        Array.from({ length: 8 }, () => "5000"),
      );
      const recorded = record.recording.events.flatMap(({ type, data }) => (type === "InputRecorded" && data.part !== "statement" ? [data] : []));
      assert.deepEqual(
        recorded.map(({ base64 }) => Buffer.from(base64, "base64").toString()),
        Array.from({ length: 8 }, () => values).flat(),
      );
      assert.ok(record.recording.attempts < 8 * 10, `${record.recording.attempts} appends`);
      assert.ok(Math.max(...sizes) < MAX_APPEND_BYTES, `${Math.max(...sizes)} bytes at once`);
    },
  );

  it("refuse a command of more parameters than its event holds before anything of it is recorded, and say what to do", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t);
    const { client, record } = await bed.open();
    const many = 30_000;
    const prepared = parse(
      "SELECT 1",
      "s",
      Array.from({ length: many }, () => 23),
    );
    const values = Array.from({ length: many }, () => "7");
    assert.equal(await ask(client, together(prepared, bind({ statement: "s", values }), execute(), sync)), "E:54000 Z:I");
    assert.match(Buffer.concat(client.messages.map(({ bytes }) => bytes)).toString(), /A command of 30000 parameters .*send fewer rows at a time/su);
    assert.equal(record.recording.attempts, 0);
    assert.equal(await ask(client, query("SELECT 2")), "T D C:SELECT 1 Z:I");
  });

  it("stop reading from a client whose tiny messages pile up behind a command", { timeout: HANG_MS }, async (t) => {
    // Had all of them been read, the session would have ended at this limit on what may wait.
    const bed = await suite.startScripted(t, { limits: { largeMessageBytes: 12 * 1_048_576 } });
    const { client, record, heard, target } = await bed.open();
    client.write(query("SELECT 1"));
    await heard.until(() => heard.types === "Q");
    client.write(Buffer.concat(Array.from({ length: 400_000 }, () => message("H"))));
    await still(() => record.events.length);
    assert.equal(client.over, false);
    target.say(encodeReadyForQuery("I"));
    await client.more("Z");
  });

  it("make refusals wait for a client that does not read", { timeout: HANG_MS }, async (t) => {
    const count = 600;
    const bed = await suite.startScripted(t, { rule: () => ({ effect: "deny", reason: "no".repeat(30_000) }) });
    const { client, record } = await bed.open();
    client.pause();
    client.write(together(...Array.from({ length: count }, () => query("SELECT 1"))));
    await record.until(() => record.commands.length > 0);
    const judged = await still(() => record.commands.length);
    assert.ok(judged < count, `${judged} were judged, so that as many refusals pile up`);
    client.resume();
    await client.more("Z", count);
    assert.equal(client.messages.filter(({ type }) => type === "E").length, count);
  });
});
