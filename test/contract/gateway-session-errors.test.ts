import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { bind, copyData, copyDone, execute, flush, message, parse, query, sync, together } from "../support/frontend-messages.ts";
import { ask, HANG_MS, type Rule, transcript } from "./gateway-session-harness.ts";
import { sessionSuite } from "./gateway-session-suite.ts";

/** One statement in the unnamed names, without what ends its group. */
const run = (sql: string): Buffer => Buffer.concat([parse(sql), bind(), execute()]);
const denyDrop: Rule = ({ facts }) => (facts?.verbs.some((verb) => verb.startsWith("DROP")) === true ? "deny" : "allow");

describe("errors and refusals, on a real server", { timeout: 6 * HANG_MS }, () => {
  const suite = sessionSuite(`
    create table t (id int primary key);
    create table child (id int references t deferrable initially deferred);
  `);
  beforeEach(async () => void (await suite.admin.query("delete from child; delete from t; insert into t values (1)")));

  const ids = async (): Promise<number[]> => (await suite.admin.query<{ id: number }>("select id from t order by id")).rows.map(({ id }) => id);

  describe("after an error of the target in a flushed group", () => {
    const cases: Readonly<Record<string, Buffer>> = {
      "a read": run("SELECT 2"),
      "what would be refused": run("DROP TABLE t"),
      "what would be held": run("UPDATE t SET id = 5"),
      "a simple query": query("SELECT 3"),
    };
    for (const [name, later] of Object.entries(cases)) {
      it(`${name} is skipped until Sync, as PostgreSQL does`, { timeout: HANG_MS }, async (t) => {
        const rule: Rule = (request) => (request.facts?.verbs.includes("UPDATE") === true ? "needs_approval" : denyDrop(request));
        const bed = await suite.start(t, { rule });
        const { client, record } = await bed.open();
        client.write(together(run("SELECT 1/0"), flush));
        await client.more("E");
        assert.equal(await ask(client, together(later, flush, later, sync)), "Z:I");
        assert.equal(await ask(client, query("SELECT 4")), "T D C:SELECT 1 Z:I");
        assert.deepEqual(record.commands, ["CommandAuthorized 1", "CommandCompleted 1 failed", "CommandAuthorized 2", "CommandCompleted 2 succeeded"]);
        assert.equal(bed.approvals.asked.length, 0);
      });
    }
  });

  describe("COPY FROM STDIN", () => {
    it("takes data that was sent behind an Execute that no Sync follows yet", { timeout: HANG_MS }, async (t) => {
      const bed = await suite.start(t);
      const { client, record } = await bed.open();
      assert.equal(await ask(client, together(run("COPY t FROM STDIN"), copyData("7\n8\n"), copyDone, sync)), "1 2 G C:COPY 2 Z:I");
      assert.deepEqual(await ids(), [1, 7, 8]);
      assert.equal((await record.completed(1))[0]?.tag, "COPY 2");
    });

    it("ignores a Sync in the middle of its data, and one that was sent before the target asked for it", { timeout: HANG_MS }, async (t) => {
      const bed = await suite.start(t);
      const { client } = await bed.open();
      client.write(together(run("COPY t FROM STDIN"), sync));
      await client.more("G");
      assert.equal(await ask(client, together(copyData("7\n"), sync, flush, copyData("8\n"), copyDone, sync)), "C:COPY 2 Z:I");
      assert.equal(await ask(client, together(query("COPY t FROM STDIN"), copyData("9\n"), sync, copyData("10\n"), copyDone)), "G C:COPY 2 Z:I");
      assert.deepEqual(await ids(), [1, 7, 8, 9, 10]);
    });

    it("that fails has the rest of its data dropped and its group skipped until Sync", { timeout: HANG_MS }, async (t) => {
      for (const rest of [together(copyData("2\n"), copyDone), copyData("2\n"), Buffer.alloc(0)]) {
        const bed = await suite.start(t);
        const { client } = await bed.open();
        client.write(together(run("COPY t FROM STDIN"), copyData("no number\n")));
        await client.more("E");
        assert.equal(await ask(client, together(rest, query("SELECT 1"), run("SELECT 1"), sync)), "Z:I");
        assert.equal(await ask(client, query("SELECT 4")), "T D C:SELECT 1 Z:I");
      }
    });

    for (const [name, intruder] of Object.entries({
      "Parse": together(parse("SELECT 1", "s"), sync),
      "a Bind of a denied statement": together(bind({ statement: "s" }), execute(), sync),
      "Query": query("SELECT 1"),
      "FunctionCall": message("F", Buffer.alloc(8)),
    })) {
      it(`ends the session at ${name} in the middle of its data`, { timeout: HANG_MS }, async (t) => {
        const bed = await suite.start(t);
        const { client, record, heard } = await bed.open();
        client.write(query("COPY t FROM STDIN"));
        await client.more("G");
        client.write(intruder);
        await client.ended();
        assert.match(transcript(client.messages), /^G E:08P01$/);
        assert.equal(heard.types.replaceAll("d", ""), "Q", "nothing of it reached the target");
        await record.until(() => record.of("SessionEnded").length > 0);
        assert.equal(record.of("SessionEnded")[0]?.cause, "protocol_violation");
      });
    }
  });

  it("records as failed what a deferred constraint undoes at Sync", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t);
    const { client, record } = await bed.open();
    assert.equal(await ask(client, together(run("INSERT INTO child VALUES (99)"), sync)), "1 2 C:INSERT 0 1 E:23503 Z:I");
    const [completed] = await record.completed(1);
    assert.deepEqual([completed?.outcome, completed?.errorCode], ["failed", "23503"]);
  });

  describe("a refusal", () => {
    it("fails the transaction that the target is in, so that COMMIT rolls back", { timeout: HANG_MS }, async (t) => {
      const bed = await suite.start(t, { rule: denyDrop });
      const { client } = await bed.open();
      for (const refused of [query("DROP TABLE t"), together(run("DROP TABLE t"), sync)]) {
        await ask(client, query("BEGIN"));
        assert.equal(await ask(client, query("INSERT INTO t VALUES (2)")), "C:INSERT 0 1 Z:T");
        assert.equal(await ask(client, refused), "E:42501 Z:E");
        assert.equal(await ask(client, query("SELECT 1")), "E:25P02 Z:E");
        assert.equal(await ask(client, query("COMMIT")), "C:ROLLBACK Z:I");
      }
      assert.deepEqual(await ids(), [1]);
    });

    for (const [name, refused] of Object.entries({ "in its group": together(run("DROP TABLE t"), flush, sync), "as a simple query": query("DROP TABLE t") })) {
      it(`undoes what an open group did before it, when it comes ${name}`, { timeout: HANG_MS }, async (t) => {
        const bed = await suite.start(t, { rule: denyDrop });
        const { client } = await bed.open();
        client.write(together(run("UPDATE t SET id = 5"), flush));
        await client.more("C");
        assert.equal(await ask(client, refused), "E:42501 Z:I");
        assert.equal(await ask(client, query("SELECT 1")), "T D C:SELECT 1 Z:I");
        assert.deepEqual(await ids(), [1]);
      });
    }

    it("lets go at once of what its group has locked, as an error of the target would", { timeout: HANG_MS }, async (t) => {
      const bed = await suite.start(t, { rule: denyDrop });
      const { client } = await bed.open();
      client.write(together(run("UPDATE t SET id = 5"), flush, run("DROP TABLE t"), flush));
      await client.more("E");
      await suite.admin.query("set lock_timeout = '5s'; update t set id = 6");
      assert.equal(await ask(client, sync), "Z:I");
      assert.deepEqual(await ids(), [6]);
    });

    it("of what is only prepared comes at Parse and is recorded", { timeout: HANG_MS }, async (t) => {
      const bed = await suite.start(t, { rule: denyDrop });
      const { client, record, heard } = await bed.open();
      assert.equal(await ask(client, together(parse("DROP TABLE t", "d"), sync)), "E:42501 Z:I");
      assert.deepEqual(
        record.of("CommandDenied").map(({ via, statement }) => [via, statement]),
        [["parse", "DROP TABLE t"]],
      );
      assert.equal(heard.types, "");
    });
  });
});
