import assert from "node:assert/strict";
import { before, it } from "node:test";
import fc from "fast-check";
import type { Client } from "pg";
import { schemasIn } from "../../control-plane/src/gateway/postgres/facts/search-path.ts";
import { describeOnEach, startTestPostgres } from "../support/postgres-server.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";

const RUNS = 500;
const names = ["a", "A", "b c", 'd"e', "f,g", "public", "$user"] as const;
const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Spellings of a path, right and wrong. */
const paths = fc
  .array(
    fc.oneof(
      fc.constantFrom(...names),
      fc.constantFrom(...names).map(quoted),
      fc.constantFrom("PUBLIC", "pg_catalog", "nowhere", '""', '"', ",", "a b", "'a'", ""),
    ),
    { maxLength: 5 },
  )
  .chain((items) =>
    fc
      .array(fc.constantFrom(", ", ",", " , ", " ", "\n,\t"), { minLength: items.length, maxLength: items.length })
      .map((gaps) => items.map((item, i) => (i === 0 ? item : `${gaps[i]}${item}`)).join("")),
  );

describeOnEach("the schemas that the gateway reads in a search path", (flavour) => {
  const cleanup = suiteCleanup();
  let client: Client;
  const existing = new Set<string>();
  before(async () => {
    const server = await startTestPostgres(cleanup, { flavour, auth: "trust" });
    client = await server.connectAsApp();
    for (const name of ["a", "A", "b c", 'd"e', "f,g", "app"]) await client.query(`create schema ${quoted(name)}`);
    const { rows } = await client.query<{ name: string }>("select nspname as name from pg_catalog.pg_namespace");
    for (const { name } of rows) existing.add(name);
  });

  it("are those that the server reads in it", async () => {
    let read = 0;
    await fc.assert(
      fc.asyncProperty(paths, async (path) => {
        const taken = await client.query("select set_config('search_path', $1, false)", [path]).then(
          () => true,
          () => false,
        );
        if (!taken) return;
        const { rows } = await client.query<{ schemas: readonly string[] }>("select pg_catalog.current_schemas(false)::text[] as schemas");
        const ours = schemasIn(path)?.map((name) => (name === "$user" ? "app" : name)) ?? [];
        assert.deepEqual(
          rows[0]?.schemas,
          [...new Set(ours)].filter((name) => existing.has(name)),
          JSON.stringify(path),
        );
        read++;
      }),
      { numRuns: RUNS },
    );
    assert.ok(read > RUNS / 10, `only ${read} of them are paths`);
  });

  it("are told apart from what the server itself writes, whatever the names", async () => {
    for (const name of names) {
      await client.query(`set search_path = ${quoted(name)}, ${quoted("b c")}`);
      const { rows } = await client.query<{ path: string }>("select pg_catalog.current_setting('search_path') as path");
      assert.deepEqual(schemasIn(rows[0]?.path ?? ""), [name, "b c"]);
    }
  });
});
