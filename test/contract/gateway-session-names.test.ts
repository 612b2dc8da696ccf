import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bind, closePortal, closeStatement, execute, flush, message, parse, query, sync, together } from "../support/frontend-messages.ts";
import { ask, firstCells, HANG_MS, type Rule } from "./gateway-session-harness.ts";
import { sessionSuite } from "./gateway-session-suite.ts";
import type { RecordProbe } from "./gateway-session-ports.ts";

const run = (sql: string): Buffer => together(parse(sql), bind(), execute());
const denyDelete: Rule = ({ facts }) => (facts?.verbs.includes("DELETE") === true ? "deny" : "allow");
/** Names as they travel: not of one encoding, so not text. */
const parseNamed = (name: Buffer, sql: string): Buffer => message("P", name, `\0${sql}\0\0\0`);
const bindNamed = (name: Buffer): Buffer => message("B", "\0", name, "\0", Buffer.alloc(6));

/** What was judged of each command that ran: how, and what. */
const judged = (record: RecordProbe): string[] =>
  record.of("CommandAuthorized").map(({ via, statement = "", facts }) => `${via} ${facts.riskClass === "unclassified" ? "unclassified" : statement}`);

describe("what a name stands for, on a real server", { timeout: 6 * HANG_MS }, () => {
  const suite = sessionSuite(`
    create table t (id int);
    create function opaque() returns int language plpgsql as 'begin return 1; end';
  `);

  describe("a name that is used before the target confirmed it", () => {
    it("is judged as what the packet before made of it", { timeout: HANG_MS }, async (t) => {
      const bed = await suite.start(t);
      const { client, record } = await bed.open();
      await ask(client, together(parse("SELECT 1"), sync));
      assert.equal(await ask(client, together(parse("SELECT 'made anew'"), flush, bind(), execute(), sync)), "1 2 D C:SELECT 1 Z:I");
      assert.deepEqual(judged(record), ["execute SELECT 'made anew'"]);
    });

    it("is refused when that is refused", { timeout: HANG_MS }, async (t) => {
      const bed = await suite.start(t, { rule: denyDelete });
      const { client, heard } = await bed.open();
      await ask(client, together(parse("SELECT 1"), parse("SELECT 1", "s"), sync));
      assert.equal(await ask(client, together(parse("DELETE FROM t"), flush, bind(), execute(), sync)), "E:42501 Z:I");
      assert.equal(
        await ask(client, together(closeStatement("s"), parse("DELETE FROM t", "s"), flush, bind({ statement: "s" }), execute(), sync)),
        "E:42501 Z:I",
      );
      assert.doesNotMatch(heard.text, /DELETE/);
    });

    it("is judged anew after Close and Parse, and a portal after it is bound again", { timeout: HANG_MS }, async (t) => {
      const bed = await suite.start(t);
      const { client, record } = await bed.open();
      await ask(client, query("BEGIN"));
      await ask(client, together(parse("SELECT 1", "s"), bind({ portal: "p", statement: "s" }), sync));
      await ask(
        client,
        together(closeStatement("s"), parse("SELECT 2", "s"), flush, closePortal("p"), bind({ portal: "p", statement: "s" }), flush, execute("p"), sync),
      );
      assert.deepEqual(firstCells(client.messages), ["2"]);
      assert.deepEqual(judged(record).slice(1), ["bind SELECT 1", "bind SELECT 2", "execute SELECT 2"]);
    });

    for (const [name, padding] of Object.entries({
      bytes: [parse(`SELECT '${"x".repeat(1_048_576)}'`, "long")],
      executions: Array.from({ length: 300 }, () => together(bind({ statement: "s" }), execute())),
    })) {
      it(`is known when the bound on ${name} cuts its group`, { timeout: HANG_MS }, async (t) => {
        const bed = await suite.start(t);
        const { client, record } = await bed.open();
        await ask(client, together(parse("SELECT 1", "s"), ...padding, bind({ statement: "s" }), execute(), parse("SELECT 2"), bind(), execute(), sync));
        assert.equal(judged(record).at(-1), "execute SELECT 2");
        assert.equal(
          judged(record).some((each) => each.includes("unclassified")),
          false,
        );
        assert.equal(firstCells(client.messages).at(-1), "2");
      });
    }
  });

  it("is not known when SQL may have given it another meaning in the same group", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t);
    const { client, record } = await bed.open();
    await ask(
      client,
      together(parse("SELECT 1", "s"), run("DEALLOCATE s"), run("PREPARE s AS SELECT 'another'"), flush, bind({ statement: "s" }), execute(), sync),
    );
    assert.deepEqual(firstCells(client.messages), ["another"]);
    assert.equal(judged(record).at(-1), "execute unclassified");
  });

  for (const [name, between] of Object.entries({ "in the same part": Buffer.alloc(0), "after a Flush": flush, "after a Sync": sync })) {
    it(`is not known when a cursor may have taken a portal's place, executed ${name}`, { timeout: HANG_MS }, async (t) => {
      const bed = await suite.start(t);
      const { client, record } = await bed.open();
      await ask(client, query("BEGIN"));
      client.write(
        together(parse("SELECT 1", "s"), bind({ portal: "p", statement: "s" }), run("CLOSE p"), run("DECLARE p CURSOR FOR SELECT 'another'"), between),
      );
      await ask(client, together(execute("p"), sync), between === sync ? 2 : 1);
      assert.deepEqual(firstCells(client.messages), ["another"]);
      assert.equal(judged(record).at(-1), "execute unclassified");
    });
  }

  it("is not known for a portal of an earlier group, when a cursor may have taken its place in this one", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t);
    const { client, record } = await bed.open();
    await ask(client, query("BEGIN"));
    await ask(client, together(parse("SELECT 1", "s"), bind({ portal: "p", statement: "s" }), sync));
    await ask(client, together(run("CLOSE p"), run("DECLARE p CURSOR FOR SELECT 'another'"), execute("p"), sync));
    assert.deepEqual(firstCells(client.messages), ["another"]);
    assert.equal(judged(record).at(-1), "execute unclassified");
  });

  it("stays known for a portal that is fetched in parts, whatever runs in it", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t);
    const { client, record } = await bed.open();
    const sql = "SELECT opaque() FROM generate_series(1, 3)";
    await ask(client, query("BEGIN"));
    await ask(client, together(parse(sql), bind({ portal: "p" }), execute("p", 1), execute("p", 1), sync));
    await ask(client, together(execute("p", 5), sync));
    assert.deepEqual(
      record.of("CommandAuthorized").map(({ statement }) => statement),
      ["BEGIN", sql, sql, sql],
    );
  });

  it("that the target cuts off means what another that it cuts off alike does", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t);
    const { client, record } = await bed.open();
    const kept = "A".repeat(63);
    await ask(client, together(parse("SELECT 1", `${kept}x`), sync));
    await ask(client, together(bind({ statement: `${kept}y`, portal: `${kept}p` }), execute(`${kept}q`), sync));
    // The name is taken, and stays what it was.
    await ask(client, together(parse("SELECT 2", `${kept}z`), sync));
    await ask(client, together(bind({ statement: kept }), execute(), sync));
    await ask(client, together(closeStatement(`${kept}w`), parse("SELECT 3", `${kept}z`), bind({ statement: kept }), execute(), sync));
    await ask(client, query(`DEALLOCATE "${kept}v"`));
    await ask(client, together(parse("SELECT 4", kept), sync));
    await ask(client, together(bind({ statement: `${kept}x` }), execute(), sync));
    assert.deepEqual(firstCells(client.messages), ["1", "1", "3", "4"]);
    assert.deepEqual(judged(record), ["execute SELECT 1", "execute SELECT 1", "execute SELECT 3", `simple DEALLOCATE "${kept}v"`, "execute SELECT 4"]);
  });

  it("of 63 bytes is known", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t);
    const { client, record } = await bed.open();
    await ask(client, together(parse("SELECT 1", "A".repeat(63)), sync));
    await ask(client, together(bind({ statement: "A".repeat(63) }), execute(), sync));
    assert.deepEqual(judged(record), ["execute SELECT 1"]);
  });

  it("that is not ASCII is never believed, as the same one comes in other bytes in another encoding", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t);
    const { client, record } = await bed.open({ client_encoding: "LATIN1" });
    const [latin, utf8] = [Buffer.from("é", "latin1"), Buffer.from("é", "utf8")];
    await ask(client, together(parseNamed(latin, "SELECT 1"), bindNamed(latin), execute(), sync));
    await ask(client, query("SET client_encoding = 'UTF8'"));
    await ask(client, together(message("C", "S", utf8, "\0"), parseNamed(utf8, "SELECT 'another'"), sync));
    await ask(client, query("RESET client_encoding"));
    await ask(client, together(bindNamed(latin), execute(), sync));
    assert.deepEqual(firstCells(client.messages), ["1", "another"]);
    assert.deepEqual(judged(record), ["execute unclassified", "simple SET client_encoding = 'UTF8'", "simple RESET client_encoding", "execute unclassified"]);
  });

  it("of a portal that the target cuts off, once it has converted it, is not believed in its own group either", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t);
    const { client, record } = await bed.open({ client_encoding: "LATIN1" });
    // 33 letters, of which the target keeps the 63 bytes that they begin with in UTF-8: one portal.
    const [first, second] = ["x", "y"].map((last) => Buffer.from("é".repeat(32) + last, "latin1")) as [Buffer, Buffer];
    const bindTo = (portal: Buffer, statement: string): Buffer => message("B", portal, `\0${statement}\0`, Buffer.alloc(6));
    const statements = together(parse("SELECT 'shown'", "a"), parse("SELECT 'run'", "b"));
    const swapped = together(bindTo(first, "a"), message("C", "P", second, "\0"), bindTo(second, "b"), message("E", first, "\0", Buffer.alloc(4)));
    await ask(client, together(statements, swapped, sync));
    assert.deepEqual(firstCells(client.messages), ["run"]);
    assert.deepEqual(judged(record).toSorted(), ["bind SELECT 'run'", "bind SELECT 'shown'", "execute unclassified"]);
  });

  describe("a Bind", () => {
    it("that is bound again before it is executed is judged and recorded by itself, for the target plans it", { timeout: HANG_MS }, async (t) => {
      const bed = await suite.start(t);
      const { client, record } = await bed.open();
      await ask(client, together(parse("SELECT 1"), bind(), parse("SELECT 2"), bind(), execute(), sync));
      assert.deepEqual(judged(record), ["bind SELECT 1", "execute SELECT 2"]);
      assert.deepEqual(
        (await record.completed(2)).map(({ outcome }) => outcome),
        ["succeeded", "succeeded"],
      );
    });

    it("whose statement is denied is refused though another takes its place", { timeout: HANG_MS }, async (t) => {
      const bed = await suite.start(t);
      const { client, heard } = await bed.open();
      await ask(client, together(parse("DELETE FROM t", "d"), parse("SELECT 1", "s"), sync));
      bed.rule = denyDelete;
      assert.equal(await ask(client, together(bind({ statement: "d" }), bind({ statement: "s" }), execute(), sync)), "E:42501 Z:I");
      assert.equal(heard.types.includes("B"), false);
    });
  });

  describe("text", () => {
    const hidden = "SELECT E'\u30c3\\' ; DROP TABLE t; --'";

    it("that another encoding may read otherwise is not classified behind code that cannot be, in an open group", { timeout: HANG_MS }, async (t) => {
      for (const end of [flush, Buffer.alloc(0)]) {
        const bed = await suite.start(t);
        const { client, record } = await bed.open();
        await ask(client, together(run("SET client_encoding = 'SJIS'"), end, run("SELECT '\\'"), sync));
        assert.deepEqual(judged(record), ["execute unclassified", "execute unclassified"]);
      }
    });

    it("whose letters only look like UTF-8 is not classified by the names that they would be", { timeout: HANG_MS }, async (t) => {
      await suite.admin.query('create table if not exists "税" (id int)');
      const bed = await suite.start(t);
      const { client, record } = await bed.open({ client_encoding: "EUC_CN" });
      const select = Buffer.concat([Buffer.from("SELECT * FROM "), Buffer.from([0xcb, 0xb0])]);
      assert.equal(select.toString("utf8"), "SELECT * FROM \u02f0");
      assert.equal(await ask(client, message("Q", select, "\0")), "T C:SELECT 0 Z:I");
      await ask(client, query("SELECT E'\\n'"));
      assert.deepEqual(judged(record), ["simple unclassified", "simple SELECT E'\\n'"]);
    });

    it("that another encoding may have no letters for is known to tell what it is made of", { timeout: HANG_MS }, async (t) => {
      await suite.admin.query("create table if not exists people (id int, ssn text, pay int)");
      const made = "SELECT translate(ssn, '4', U&'\\0416'), pay FROM people WHERE ssn = '1'";
      for (const [encoding, expected] of [
        ["UTF8", { columnsFiltered: ["people.ssn"], columnsMatched: ["people.ssn"] }],
        ["LATIN1", { columnsFiltered: ["people.ssn"], columnsMatched: [] }],
      ] as const) {
        const bed = await suite.start(t);
        const { client, record } = await bed.open({ client_encoding: encoding });
        await ask(client, query(made));
        await ask(client, together(run(made), sync));
        await ask(client, query(`DECLARE k CURSOR WITH HOLD FOR ${made}`));
        const facts = record.of("CommandAuthorized").map(({ facts: { columnsFiltered, columnsMatched } }) => ({ columnsFiltered, columnsMatched }));
        assert.deepEqual(facts, [expected, expected, expected]);
      }
    });

    for (const spelling of ["utf-8", "'UTF 8'", "Unicode"]) {
      it(`is UTF-8 when the client spells it ${spelling}`, { timeout: HANG_MS }, async (t) => {
        const bed = await suite.start(t);
        const { client, record } = await bed.open({ client_encoding: spelling });
        await ask(client, query("SELECT E'é\\n'"));
        assert.deepEqual(judged(record), ["simple SELECT E'é\\n'"]);
      });
    }

    it("is classified again once the target says that nothing has changed", { timeout: HANG_MS }, async (t) => {
      const bed = await suite.start(t);
      const { client, record } = await bed.open();
      await ask(client, together(run("SELECT opaque()"), flush, run("SELECT '\\'"), sync));
      await ask(client, together(run("SELECT '\\'"), sync));
      assert.deepEqual(judged(record).slice(1), ["execute unclassified", "execute SELECT '\\'"]);
    });

    it("is not classified for the rest of a session once the encoding was one that hides quotes", { timeout: HANG_MS }, async (t) => {
      const bed = await suite.start(t);
      const { client, record } = await bed.open();
      await ask(client, query("SET client_encoding = 'SJIS'"));
      await ask(client, query("SET client_encoding = 'UTF8'"));
      await ask(client, query(hidden.slice(0, 9)));
      await ask(client, query("SELECT 1"));
      assert.deepEqual(judged(record), ["simple unclassified", "simple SET client_encoding = 'UTF8'", "simple unclassified", "simple SELECT 1"]);
    });

    it("is not classified on a target whose own setting is such an encoding", { timeout: HANG_MS }, async (t) => {
      await suite.admin.query("alter role app set client_encoding = 'GBK'");
      t.after(() => suite.admin.query("alter role app reset client_encoding").then(() => undefined));
      const bed = await suite.start(t);
      const { client, record } = await bed.open();
      for (const sql of ["SELECT '\\'", "SELECT '\u00e9\u00e9'", "SELECT 1"]) await ask(client, query(sql));
      assert.deepEqual(judged(record), ["simple unclassified", "simple unclassified", "simple SELECT 1"]);
    });

    for (const encoding of ["SJIS", "GBK", "BIG5", "UHC", "JOHAB", "GB18030", "SHIFT_JIS_2004"]) {
      it(`in ${encoding} is refused at the start`, { timeout: HANG_MS }, async (t) => {
        const bed = await suite.start(t);
        await assert.rejects(bed.open({ client_encoding: encoding }), /feature\.unsupported/);
        await bed.records[0]?.until(() => bed.records[0]?.of("SessionRefused").length === 1);
        assert.equal(bed.heard.length, 0);
      });
    }
  });
});
