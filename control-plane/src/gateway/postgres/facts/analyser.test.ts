import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import type { StatementAnalyser, StatementAnalysis } from "./analysis.ts";
import { createStatementAnalyser, MAX_PARSED_BYTES } from "./analyser.ts";

let analyser: StatementAnalyser;
before(async () => {
  analyser = createStatementAnalyser();
  await analyser.ready();
});
after(() => analyser.close());

const analyse = async (sql: string | Buffer): Promise<StatementAnalysis> => analyser.analyse(Buffer.from(sql));

/** Some 0.1 s to parse. */
const slow = (n: number): string => `SELECT ${"1+".repeat(29_000 + n)}1`;

describe("the statement analyser", () => {
  it("answers a text that it has seen at once, and the same", async () => {
    const first = await analyse("SELECT id FROM orders WHERE name = 'x'");
    const second = analyser.analyse(Buffer.from("SELECT id FROM orders WHERE name = 'x'"));
    assert.ok(!(second instanceof Promise));
    assert.equal(second, first);
  });

  it("parses a text that many send at once a single time", async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => analyse("SELECT 'sent at once'")));
    assert.equal(new Set(answers).size, 1);
  });

  it("gives statements that differ in constants one fingerprint of 16 hex digits", async () => {
    const [a, b, c] = await Promise.all(["SELECT 1 FROM t WHERE a = 1", "select 1 from t where a = 22", "SELECT 1 FROM u"].map(analyse));
    assert.match(a?.facts.fingerprint ?? "", /^[0-9a-f]{16}$/);
    assert.equal(a?.facts.fingerprint, b?.facts.fingerprint);
    assert.notEqual(a?.facts.fingerprint, c?.facts.fingerprint);
  });

  it("says that bytes which are not a text are unclassified, and shows them as ASCII", async () => {
    const nul = await analyse(Buffer.from("SELECT 1\0; DROP TABLE x"));
    assert.deepEqual([nul.facts.riskClass, nul.facts.unclassifiedReason, nul.recordable], ["unclassified", "holds a NUL byte", "SELECT 1\\x00; DROP TABLE x"]);
    const latin = await analyse(Buffer.from("SELECT '\u00e9'", "latin1"));
    assert.deepEqual([latin.facts.riskClass, latin.facts.unclassifiedReason, latin.recordable], ["unclassified", "is not UTF-8", "SELECT '\\xe9'"]);
  });

  it("counts an empty text as no statement, and one that does not parse as one", async () => {
    assert.equal((await analyse("")).facts.statementCount, 0);
    assert.equal((await analyse("-- nothing")).facts.statementCount, 0);
    assert.equal((await analyse("SELEC")).facts.statementCount, 1);
    assert.equal((await analyse("SELECT 1; SELECT 2;")).facts.statementCount, 2);
  });

  it("does not parse what is longer than the bound, and keeps its text", async () => {
    const rows = `INSERT INTO t VALUES ${"(1, 'abcdefghij'),".repeat(200_000)}(1, 'x')`;
    assert.ok(rows.length > 3 << 20 && rows.length > MAX_PARSED_BYTES);
    const { facts, recordable, redacted } = await analyse(rows);
    assert.equal(facts.riskClass, "unclassified");
    assert.equal(recordable, rows);
    assert.equal(redacted, false);
  });

  it("does not show a long text that may hold a password", async () => {
    const text = `ALTER ROLE x PASSWORD 'hunter2-hunter2'; ${"SELECT 1;".repeat(600_000)}`;
    const { recordable, redacted } = await analyse(text);
    assert.equal(recordable, `<unparsed statement of ${text.length} bytes, redacted>`);
    assert.equal(redacted, true);
  });

  it("survives texts that overflow a parser's stack", async () => {
    const bombs: readonly (readonly [string, string])[] = [
      [`SELECT ${"1+".repeat(29_990)}1`, "read"],
      [`SELECT ${"(".repeat(1_500)}1${")".repeat(1_500)}`, "read"],
      [`SELECT ${"(".repeat(30_000)}1${")".repeat(30_000)}`, "unclassified"],
      [`SELECT 1${" UNION SELECT 1".repeat(10_000)}`, "read"],
      [`${"WITH a AS (".repeat(2_000)}SELECT 1${") SELECT 1".repeat(2_000)}`, "read"],
      [`SELECT ${"NOT ".repeat(30_000)}true`, "unclassified"],
      [`DELETE FROM t WHERE ${"(a = 1) AND ".repeat(9_000)}true`, "write"],
      [`DELETE FROM t WHERE ${"NOT (".repeat(1_000)}a = 1${")".repeat(1_000)}`, "destructive"],
      [`SELECT a${".b".repeat(20_000)}`, "read"],
      [`SELECT f(${"f(".repeat(1_200)}1${")".repeat(1_200)})`, "unclassified"],
    ];
    for (const [sql, riskClass] of bombs) {
      const answer = await analyse(sql);
      // An old parser may have been replaced on the way; then the text is unclassified, which is as safe.
      assert.ok([riskClass, "unclassified"].includes(answer.facts.riskClass), `${sql.slice(0, 40)}: ${answer.facts.riskClass}`);
      assert.equal((await analyse(`SELECT 1 -- after ${sql.length}`)).facts.riskClass, "read");
    }
  });

  it("bounds the names of an event, and does not decide on what it left out", async () => {
    const tables = Array.from({ length: 600 }, (_, i) => `t${i}`).join(", ");
    const { facts } = await analyse(`SELECT 1 FROM ${tables}`);
    assert.equal(facts.relationsRead.length, 500);
    assert.equal(facts.riskClass, "unclassified");
  });

  it("takes functions and operators that the installation vouches for as harmless", async () => {
    const vouching = createStatementAnalyser({ harmlessFunctions: ["similarity", "gis.st_distance", "operator(<=>)"] });
    const sql = Buffer.from("SELECT similarity('a', 'b'), gis.st_distance(a, b), a <=> b FROM t");
    const { facts } = await vouching.analyse(sql);
    assert.equal(facts.riskClass, "read");
    assert.equal((await vouching.analyse(Buffer.from("SELECT st_distance(a, b)"))).facts.riskClass, "unclassified");
    await vouching.close();
    assert.deepEqual((await analyse(sql.toString())).facts.functions, ["similarity", "gis.st_distance", "operator(<=>)"]);
  });
});

describe("a statement that takes too long", () => {
  it("is unclassified, and is not parsed a second time", async () => {
    const impatient = createStatementAnalyser({ cpuLimitMs: () => 1 });
    const sql = Buffer.from(slow(1));
    const first = await impatient.analyse(sql);
    assert.deepEqual([first.facts.riskClass, first.facts.unclassifiedReason], ["unclassified", "takes too long to parse"]);
    assert.equal(impatient.analyse(sql), first);
    await impatient.close();
  });

  it("does not delay short statements of others", async () => {
    const patient = createStatementAnalyser();
    await patient.ready();
    const order: string[] = [];
    const long = Promise.resolve(patient.analyse(Buffer.from(slow(2)))).then(() => order.push("long"));
    await Promise.resolve(patient.analyse(Buffer.from("SELECT 'short'"))).then(() => order.push("short"));
    await long;
    assert.deepEqual(order, ["short", "long"]);
    await patient.close();
  });
});

/** Ends its parser: 0.4 s of it on a slow core, short as it is. */
const deadly = (n: number): Buffer => Buffer.from(`${"/*".repeat(8_000)}${n}`);

describe("long statements of many sessions", () => {
  const row = (n: number): string => `(${n}, ${n}, 'customer')`;
  const insert = `insert into orders values ${Array.from({ length: 10_000 }, (_, n) => row(n)).join(",")}`;

  it("are classified, however many of those beside them break the parser", async () => {
    const shared = createStatementAnalyser({ cpuLimitMs: (text) => (text.startsWith("/*") ? 50 : 60_000) });
    const hostile = Array.from({ length: 6 }, (_, n) => shared.analyse(deadly(n)));
    const honest = await shared.analyse(Buffer.from(insert));
    assert.deepEqual([honest.facts.riskClass, honest.facts.verbs], ["write", ["INSERT"]]);
    for (const each of hostile) assert.equal((await each).facts.unclassifiedReason, "takes too long to parse");
    await shared.close();
  });

  it("and short ones that cost as much are parsed in the background", { skip: process.platform !== "linux" }, async () => {
    const threads = (): number => readdirSync("/proc/self/task").filter((thread) => nicenessOf(thread) === 19).length;
    const others = threads();
    const patient = createStatementAnalyser({ cpuLimitMs: () => 60_000 });
    await patient.analyse(Buffer.from("select 1"));
    assert.equal(threads(), others);
    await patient.analyse(deadly(0));
    assert.equal(threads(), others + 1);
    await patient.close();
  });
});

/** The 19th field; the second is a name in parentheses. */
const nicenessOf = (thread: string): number => Number(readFileSync(`/proc/self/task/${thread}/stat`, "latin1").split(") ").at(-1)?.split(" ")[16]);

describe("an analyser that was closed", () => {
  it("answers, with unclassified and without the text", async () => {
    const closed = createStatementAnalyser();
    await closed.close();
    const { facts, recordable } = await closed.analyse(Buffer.from("SELECT 'x'"));
    assert.equal(facts.riskClass, "unclassified");
    assert.match(recordable, /^<unparsed statement of \d+ bytes, redacted>$/);
  });
});
