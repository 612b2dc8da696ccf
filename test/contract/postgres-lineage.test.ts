import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import fc from "fast-check";
import type { Client } from "pg";
import { createStatementAnalyser } from "../../control-plane/src/gateway/postgres/facts/analyser.ts";
import type { ColumnSource, StatementAnalyser, StatementAnalysis } from "../../control-plane/src/gateway/postgres/facts/analysis.ts";
import { describeOnEach, startTestPostgres } from "../support/postgres-server.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { tracedStatements } from "./lineage-grammar.ts";

const tables = { c: ["id", "email", "ssn"], o: ["oid", "cid", "memo"] } as const;
const columns = Object.entries(tables).flatMap(([table, names]) => names.map((column) => ({ table, column })));
/** What is done to every value of one column, in a copy of the tables. */
const changes = {
  longer: (column: string) => `${column} || '!'`,
  other: (column: string) => `chr(65 + length(${column})) || reverse(${column})`,
  alike: () => "'same'",
};

const RUNS = 600;

interface Answer {
  /** Values of each column, sorted: the order of rows may depend on how they are stored. */
  readonly values: readonly (readonly string[])[];
  readonly origins: readonly { readonly tableID: number; readonly columnID: number }[];
}

describeOnEach("the columns that a result is made of", (flavour) => {
  const cleanup = suiteCleanup();
  let client: Client;
  let analyser: StatementAnalyser;
  const oids = new Map<number, string>();
  const copies: { readonly schema: string; readonly source: ColumnSource }[] = [];

  before(async () => {
    analyser = createStatementAnalyser();
    await analyser.ready();
    client = await (await startTestPostgres(cleanup, { flavour })).connectAsSuperuser();
    await client.query(`create schema plain;
      create table plain.c (id text, email text, ssn text);
      create table plain.o (oid text, cid text, memo text);
      insert into plain.c select n::text, 'mail' || n, (100 * n)::text from generate_series(1, 5) n;
      insert into plain.o select (10 * n)::text, (n % 5 + 1)::text, 'memo' || n from generate_series(1, 7) n;
      set statement_timeout = '2s'; set jit = off`);
    for (const source of columns) {
      for (const [name, change] of Object.entries(changes)) {
        const schema = `${source.table}_${source.column}_${name}`;
        const copy = Object.entries(tables).map(([table, names]) => {
          const values = names.map((column) => (table === source.table && column === source.column ? `${change(column)} as ${column}` : column));
          return `create table ${schema}.${table} as select ${values.join(", ")} from plain.${table}`;
        });
        await client.query(`create schema ${schema}; ${copy.join("; ")}`);
        copies.push({ schema, source });
      }
    }
    const found = await client.query<{ oid: number; relname: string }>("select oid, relname from pg_class where relnamespace = 'plain'::regnamespace");
    for (const { oid, relname } of found.rows) oids.set(oid, relname);
  });
  after(() => analyser.close());

  async function ask(schema: string, sql: string): Promise<Answer | undefined> {
    await client.query(`begin; set local search_path = ${schema}`);
    try {
      const { rows, fields } = await client.query<unknown[]>({ text: sql, rowMode: "array" });
      return { values: fields.map((_, i) => rows.map((row) => String(row[i])).toSorted()), origins: fields };
    } catch {
      return undefined;
    } finally {
      await client.query("rollback");
    }
  }

  /** What whoever masks would take the column for. */
  function sourcesOf(
    { outputs: [result] }: StatementAnalysis,
    index: number,
    { tableID, columnID }: Answer["origins"][number],
  ): readonly ColumnSource[] | "anything" {
    if (result === undefined) return "anything";
    const table = oids.get(tableID);
    const output = result.columns?.[index];
    const origin = table === undefined ? [] : [{ table, column: tables[table as keyof typeof tables][columnID - 1] ?? "" }];
    if (output === undefined && result.originsTell && table !== undefined) return origin;
    const { sources, opaque } = output ?? result.computed;
    return opaque ? "anything" : [...sources, ...origin];
  }

  const covers = (sources: readonly ColumnSource[], { table, column }: ColumnSource): boolean =>
    sources.some((one) => one.table === table && (one.column === column || one.column === "*"));

  it("are all that change it, but for those that rows are picked by", { timeout: 300_000 }, async () => {
    const tried = { right: 0, changed: 0 };
    await fc.assert(
      fc.asyncProperty(tracedStatements, async (sql) => {
        const plain = await ask("plain", sql);
        if (plain === undefined) return;
        tried.right++;
        const analysis = await analyser.analyse(Buffer.from(sql));
        const filtered = analysis.facts.columnsFiltered.map((name) => ({ table: name.split(".")[0] ?? "", column: name.split(".")[1] ?? "" }));
        assert.equal(analysis.outputs.length, 1, "what the server takes is traced");
        const { columns: described } = analysis.outputs[0] ?? {};
        if (described !== undefined) assert.equal(described.length, plain.values.length, "as many columns as the server gives");
        for (const [index, origin] of plain.origins.entries()) {
          if (described?.[index]?.plain === true) assert.ok(oids.has(origin.tableID), `column ${index + 1} is plain: the server names its origin`);
        }
        for (const { schema, source } of copies) {
          if (covers(filtered, source)) continue;
          const other = await ask(schema, sql);
          if (other === undefined) continue;
          for (const [index, values] of plain.values.entries()) {
            if (values.join() === other.values[index]?.join()) continue;
            tried.changed++;
            const sources = sourcesOf(analysis, index, plain.origins[index] ?? { tableID: 0, columnID: 0 });
            const known = sources === "anything" || covers(sources, source);
            assert.ok(known, `column ${index + 1} changes with ${source.table}.${source.column}, which is not among ${JSON.stringify(sources)}`);
          }
        }
      }),
      { numRuns: RUNS },
    );
    assert.ok(tried.right > RUNS / 10 && tried.changed > RUNS / 4, `enough of the statements are right, and change: ${JSON.stringify(tried)}`);
  });
});
