import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { bind, execute, parse, query, sync } from "../support/frontend-messages.ts";
import { ask, HANG_MS, type Rule } from "./gateway-session-harness.ts";
import { sessionSuite } from "./gateway-session-suite.ts";
import type { RecordProbe } from "./gateway-session-ports.ts";

/** Of each command that was judged: its text's first line, its class, and what it reads and writes. */
const judged = (record: RecordProbe): string[] =>
  [...record.of("CommandAuthorized"), ...record.of("CommandDenied")].map(({ statement = "", facts }) => {
    const { riskClass, relationsRead, relationsWritten } = facts;
    return [statement.split("\n")[0], riskClass, ...relationsRead, ...relationsWritten.map((name) => `!${name}`)].join(" ");
  });
const denyWrites: Rule = ({ facts }) => (facts?.relationsWritten.includes("t") === true && !facts.verbs.includes("PREPARE") ? "deny" : "allow");

describe("EXECUTE and FETCH of what SQL named, on a real server", { timeout: 8 * HANG_MS }, () => {
  const suite = sessionSuite(`
    create table t (id int, email text); insert into t values (1, 'a'); create table u (id int);
    create function opaque() returns int language plpgsql as 'begin return 1; end';
  `);

  const after = async (t: TestContext, rule: Rule | undefined, ...texts: readonly string[]): Promise<readonly string[]> => {
    const bed = await suite.start(t, rule === undefined ? {} : { rule });
    const { client, record } = await bed.open();
    for (const text of texts) await ask(client, query(text));
    return judged(record);
  };

  it("have the facts of what was prepared, and of what the text adds", { timeout: HANG_MS }, async (t) => {
    const all = await after(t, undefined, "PREPARE p AS DELETE FROM t WHERE id = $1", "EXECUTE p(7)", "PREPARE q AS SELECT email FROM t", "EXECUTE q");
    assert.deepEqual(all, [
      "PREPARE p AS DELETE FROM t WHERE id = $1 write t !t",
      "EXECUTE p(7) write t !t",
      "PREPARE q AS SELECT email FROM t read t",
      "EXECUTE q read t",
    ]);
  });

  it("are refused where that is", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t, { rule: denyWrites });
    const { client, heard } = await bed.open();
    await ask(client, query("PREPARE p AS DELETE FROM t"));
    assert.equal(await ask(client, query("EXECUTE p")), "E:42501 Z:I");
    assert.doesNotMatch(heard.text, /EXECUTE/);
  });

  it("show in the record, and to approvers, what runs", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t);
    const { client, record } = await bed.open();
    await ask(client, query("PREPARE p AS SELECT email FROM t"));
    await ask(client, query("EXECUTE p"));
    assert.equal(record.of("CommandAuthorized")[1]?.statement, "EXECUTE p\n-- runs: PREPARE p AS SELECT email FROM t");
  });

  for (const [what, texts] of Object.entries({
    "that nobody prepared": ["EXECUTE nobody"],
    "that was deallocated": ["PREPARE p AS SELECT 1", "DEALLOCATE p", "EXECUTE p"],
    "that was deallocated with all others": ["PREPARE p AS SELECT 1", "DEALLOCATE ALL", "EXECUTE p"],
    "that DISCARD ALL took": ["PREPARE p AS SELECT 1", "DISCARD ALL", "EXECUTE p"],
    "whose PREPARE failed": ["PREPARE p AS SELECT nothing FROM nowhere", "EXECUTE p"],
    "whose second PREPARE failed": ["PREPARE p AS SELECT 1", "PREPARE p AS SELECT 2", "EXECUTE p"],
    "that was prepared among other statements": ["PREPARE p AS SELECT 1; SELECT 2", "EXECUTE p"],
    "after code that may do anything": ["PREPARE p AS SELECT 1", "SELECT opaque()", "EXECUTE p"],
    "with what may do anything": ["PREPARE p(int) AS SELECT $1", "EXECUTE p(opaque())"],
    "among other statements": ["PREPARE p AS SELECT 1", "SELECT 1; EXECUTE p"],
    "that is only explained": ["PREPARE p AS SELECT 1", "EXPLAIN ANALYZE EXECUTE p"],
  })) {
    it(`leave EXECUTE unclassified of a name ${what}`, { timeout: HANG_MS }, async (t) => {
      assert.match((await after(t, undefined, ...texts)).at(-1) ?? "", / unclassified$/);
    });
  }

  it("outlive a rollback, as prepared statements do", { timeout: HANG_MS }, async (t) => {
    const all = await after(t, undefined, "BEGIN", "PREPARE p AS SELECT id FROM u", "ROLLBACK", "EXECUTE p");
    assert.equal(all.at(-1), "EXECUTE p read u");
  });

  it("leave EXECUTE unclassified of what the protocol prepared and SQL could not", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t);
    const { client, record } = await bed.open();
    await ask(client, Buffer.concat([parse("DEALLOCATE ALL", "p"), parse("SELECT id FROM u", "q"), sync]));
    await ask(client, query("EXECUTE q"));
    await ask(client, query("EXECUTE p"));
    assert.deepEqual(judged(record), ["EXECUTE q read u", "EXECUTE p unclassified"]);
  });

  it("have the limit of what was prepared, or of the smaller of both", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t);
    const { client, record } = await bed.open();
    const texts = [
      "PREPARE p AS SELECT id FROM t LIMIT 3",
      "EXECUTE p",
      "BEGIN",
      "DECLARE c CURSOR FOR SELECT id FROM t LIMIT 5",
      "DECLARE d CURSOR FOR TABLE t",
    ];
    for (const text of [...texts, "FETCH 10 FROM c", "FETCH 2 FROM c", "FETCH ALL FROM c", "FETCH 7 FROM d", "FETCH ALL FROM d"])
      await ask(client, query(text));
    assert.deepEqual(
      record.of("CommandAuthorized").map(({ facts }) => facts.rowLimit),
      [3, 3, 0, 5, 0, 5, 2, 5, 7, 0],
    );
  });

  it("state the purpose that was prepared", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t);
    const { client, record } = await bed.open();
    await ask(client, Buffer.concat([parse("SELECT set_config('sallyport.reason', 'stuck orders', false)", "p"), sync]));
    assert.deepEqual(record.of("PurposeStated"), []);
    await ask(client, query("EXECUTE p"));
    assert.deepEqual(
      record.of("PurposeStated").map(({ reason }) => reason),
      ["stuck orders"],
    );
  });

  it("bind by the protocol what SQL prepared", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t);
    const { client, record } = await bed.open();
    await ask(client, query("PREPARE p AS DELETE FROM u"));
    await ask(client, Buffer.concat([bind({ statement: "p" }), execute(), sync]));
    assert.match(judged(record)[1] ?? "", / destructive !u$/);
  });

  it("fetch from the cursor that was declared, until its transaction ends", { timeout: HANG_MS }, async (t) => {
    const all = await after(
      t,
      undefined,
      "BEGIN",
      "DECLARE c CURSOR FOR SELECT email FROM t",
      "DECLARE h CURSOR WITH HOLD FOR SELECT id FROM u",
      "FETCH 1 FROM c",
      "MOVE 1 FROM c",
      "COMMIT",
      "FETCH ALL FROM h",
      "FETCH 1 FROM c",
    );
    assert.deepEqual(all.slice(3), ["FETCH 1 FROM c read t", "MOVE 1 FROM c read t", "COMMIT read", "FETCH ALL FROM h read u", "FETCH 1 FROM c read"]);
  });

  it("fetch nothing that is known where the name may mean another cursor by now", { timeout: HANG_MS }, async (t) => {
    const declared = ["BEGIN", "DECLARE c CURSOR FOR SELECT email FROM t"];
    for (const texts of [
      [...declared, "CLOSE c; DECLARE c CURSOR FOR SELECT id FROM u", "FETCH 1 FROM c"],
      [...declared, "SELECT opaque()", "FETCH 1 FROM c"],
    ]) {
      assert.equal((await after(t, undefined, ...texts)).at(-1), "FETCH 1 FROM c read");
    }
  });

  it("fetch nothing that is known where the protocol declared the cursor anew", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t);
    const { client, record } = await bed.open();
    for (const text of ["BEGIN", "DECLARE c CURSOR FOR SELECT id FROM u", "DECLARE d CURSOR FOR SELECT id FROM u", "CLOSE c"]) await ask(client, query(text));
    await ask(client, Buffer.concat([parse("DECLARE c CURSOR FOR SELECT email FROM t"), bind(), execute(), sync]));
    for (const text of ["FETCH 1 FROM c", "FETCH 1 FROM d"]) await ask(client, query(text));
    assert.deepEqual(judged(record).slice(-2), ["FETCH 1 FROM c read", "FETCH 1 FROM d read u"]);
  });

  it("say in which state of its transaction a command comes", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t);
    const { client, record } = await bed.open();
    for (const text of ["SELECT 1", "BEGIN", "SELECT 1/0", "SELECT 1", "ROLLBACK"]) await ask(client, query(text));
    assert.deepEqual(
      record.of("CommandAuthorized").map(({ facts }) => facts.transaction),
      ["none", "none", "open", "failed", "failed"],
    );
  });
});
