import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { bind, execute, flush, int32, message, parse, query, sync, together } from "../support/frontend-messages.ts";
import { ask, type BedOptions, type GatewayBed, HANG_MS, type Rule, transcript } from "./gateway-session-harness.ts";
import { sessionSuite } from "./gateway-session-suite.ts";

const run = (sql: string): Buffer => together(parse(sql), bind(), execute());
const holdWrites: Rule = ({ facts }) => (facts?.verbs.some((verb) => /^(INSERT|UPDATE|DELETE)/.test(verb)) === true ? "needs_approval" : "allow");

describe("a held command", { timeout: 6 * HANG_MS }, () => {
  const suite = sessionSuite("create table t (id int)");
  const start = (context: TestContext, options: BedOptions = {}): Promise<GatewayBed> => suite.startScripted(context, { rule: holdWrites, ...options });

  it("is announced between two messages of a read that is still being streamed, never inside one", { timeout: HANG_MS }, async (t) => {
    const bed = await start(t);
    const { client, heard, target } = await bed.open();
    client.write(together(run("SELECT 2"), flush));
    await heard.until(() => heard.types === "PBEH");
    const row = message("D", "\0\x01", int32(20), "abcdefghijklmnopqrst");
    target.say(together(message("1"), message("2"), row.subarray(0, 15)));
    await client.more("2");
    // Known already, so that only the read can hold it up.
    await suite.ground.analyser.analyse(Buffer.from("DELETE FROM t"));
    client.write(together(run("DELETE FROM t"), sync));
    for (let turn = 0; turn < 200; turn++) await new Promise<void>((resolve) => void setImmediate(resolve));
    assert.equal(bed.approvals.asked.length, 0, "nobody is asked before the read is over");
    target.say(row.subarray(15), message("C", "SELECT 1\0"));
    await client.more("N");
    assert.equal(transcript(client.messages), "1 2 D C:SELECT 1 N:01000");
    assert.deepEqual(client.messages[2]?.bytes, row);
  });

  it("runs once it is approved, and is recorded with its release", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t, { rule: holdWrites });
    const { client, record } = await bed.open();
    client.write(query("INSERT INTO t VALUES (1)"));
    await bed.approvals.approve(await bed.approvals.number(1));
    await client.more("Z");
    assert.equal(transcript(client.messages), "N:01000 C:INSERT 0 1 Z:I");
    await record.completed(1);
    assert.deepEqual(record.commands, ["CommandHeld 1", "CommandReleased 1", "CommandCompleted 1 succeeded"]);
  });

  it("is not consumed before everything in its group is granted", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t, { rule: holdWrites });
    const { client, record } = await bed.open();
    client.write(together(run("INSERT INTO t VALUES (1)"), run("UPDATE t SET id = 2"), sync));
    await bed.approvals.approve(await bed.approvals.number(1));
    const second = await bed.approvals.number(2);
    assert.deepEqual(bed.approvals.states, ["granted", "pending"]);
    await bed.approvals.approve(second);
    await client.more("Z");
    assert.deepEqual(bed.approvals.taken, ["consumed 1", "consumed 2"]);
    await record.completed(2);
    assert.deepEqual(record.commands.slice(2), ["CommandReleased 1", "CommandReleased 2", "CommandCompleted 1 succeeded", "CommandCompleted 2 succeeded"]);
  });

  it("is withdrawn and denied with the other one of its group that is denied", { timeout: HANG_MS }, async (t) => {
    const bed = await start(t);
    const { client, record, heard } = await bed.open();
    client.write(together(run("INSERT INTO t VALUES (1)"), run("UPDATE t SET id = 2"), sync));
    await bed.approvals.approve(await bed.approvals.number(1));
    await bed.approvals.deny(await bed.approvals.number(2));
    await client.more("Z");
    assert.equal(transcript(client.messages), "N:01000 N:01000 E:42501 Z:I");
    assert.deepEqual(bed.approvals.states, ["withdrawn", "denied"]);
    assert.deepEqual(bed.approvals.taken, []);
    assert.deepEqual(record.commands.slice(2).toSorted(), ["CommandDenied 1 approval.denied", "CommandDenied 2 approval.denied"]);
    assert.equal(heard.types, "");
  });

  const changes: Readonly<Record<string, (bed: GatewayBed) => void>> = {
    "its requester was disabled": (bed) => (bed.disabled = true),
    "another policy was published": (bed) => (bed.policyVersion = "p2"),
    "policy denies it by now": (bed) => (bed.rule = () => "deny"),
  };
  for (const [name, change] of Object.entries(changes)) {
    for (const sql of [query("DELETE FROM t"), together(run("INSERT INTO t VALUES (1)"), run("UPDATE t SET id = 2"), sync)]) {
      it(
        `does not run when ${name} while it was held, ${sql.toString("latin1", 0, 1) === "Q" ? "alone" : "with another one"}`,
        { timeout: HANG_MS },
        async (t) => {
          const bed = await start(t);
          const { client, record, heard } = await bed.open();
          client.write(sql);
          const first = await bed.approvals.number(1);
          const two = sql.toString("latin1", 0, 1) === "P";
          if (two) {
            await bed.approvals.approve(first);
            await bed.approvals.number(2);
          }
          change(bed);
          await bed.approvals.approve(await bed.approvals.number(two ? 2 : 1));
          await client.more("Z");
          assert.match(client.messages.map(({ bytes }) => bytes.toString("latin1")).join(""), /code: approval\.drift/);
          assert.deepEqual(
            record.of("CommandDenied").map(({ commandId, code }) => `${commandId} ${code}`),
            two ? ["1 approval.drift", "2 approval.drift"] : ["1 approval.drift"],
          );
          assert.deepEqual(bed.approvals.taken, []);
          assert.deepEqual(new Set(bed.approvals.states), new Set(["withdrawn"]));
          assert.equal(heard.types, "");
        },
      );
    }
  }

  it("leaves no gap in the record when its release cannot be written", { timeout: HANG_MS }, async (t) => {
    const bed = await start(t);
    const { client, record, heard } = await bed.open();
    record.fate = (events) => (events.some(({ type }) => type === "CommandReleased") ? "refused" : undefined);
    client.write(query("DELETE FROM t"));
    await bed.approvals.approve(await bed.approvals.number(1));
    await client.more("Z");
    assert.equal(transcript(client.messages), "N:01000 E:58030 Z:I");
    assert.deepEqual(record.commands, ["CommandHeld 1", "CommandDenied 1 ledger.unavailable"]);
    assert.equal(heard.types, "");
  });

  it("that its client cancels is withdrawn, and the session goes on", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t, { rule: holdWrites });
    const { client, record } = await bed.open();
    client.write(query("DELETE FROM t"));
    await bed.approvals.number(1);
    bed.gateway.cancels.cancel(client.keyData.readUInt32BE(0), client.keyData.subarray(4));
    await client.more("Z");
    assert.equal(transcript(client.messages), "N:01000 E:57014 Z:I");
    assert.deepEqual(record.commands, ["CommandHeld 1", "CommandDenied 1 approval.withdrawn"]);
    assert.equal(await ask(client, query("SELECT 1")), "T D C:SELECT 1 Z:I");
  });
});
