import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, describe, it } from "node:test";
import { query } from "../support/frontend-messages.ts";
import { starterPolicy } from "../support/policies.ts";
import { RESOURCE, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { WireClient } from "../support/wire-client.ts";
import { ask, corpusText } from "./corpus-wire.ts";

interface CorpusLine {
  readonly heading: string;
  readonly sql: string;
}

/** One statement, or what is sent at once, on each line; `## ` begins a heading, `--` a comment. */
function readCorpus(): readonly CorpusLine[] {
  let heading = "";
  const lines: CorpusLine[] = [];
  for (const line of corpusText("secrets.sql").split("\n")) {
    if (line.startsWith("## ")) heading = line.slice(3);
    else if (line !== "" && !line.startsWith("--")) lines.push({ heading, sql: line });
  }
  return lines;
}

/** Alike but for what is masked or forbidden. Lengths differ by row, not on the whole, so that estimates of widths do not. */
const rows = {
  a: `insert into customers (id, name, country, score, manager, joined, email, tax_id, secret, card_holder, date_of_birth) values
        (1, 'Ada', 'DE', 7, null, '2020-01-01', 'canary.alpha@leaks.example', '11-222', 'Quokka-7731', 'ADA ALPHA', '1983-04-05'),
        (2, 'Bob', 'FR', 5, 1, '2021-01-01', 'cobalt.gamma@leaks.example', '33-444', 'Zephyr-20', 'BOB GAMMA', '1991-06-07'),
        (3, 'Cyd', 'DE', 9, 1, '2022-01-01', 'copper.delta@leaks.example', '55-666', 'Marmot-448', 'CYD DELTA', '1978-08-09');
      insert into vault values (1, 'Alpaca-1', 1), (2, 'Badger-2', 2), (3, 'Coyote-3', 3);`,
  b: `insert into customers (id, name, country, score, manager, joined, email, tax_id, secret, card_holder, date_of_birth) values
        (1, 'Ada', 'DE', 7, null, '2020-01-01', 'cavern.omega@leaks.example', '77-888', 'Tapir-559', 'ADA OMEGA', '1992-10-11'),
        (2, 'Bob', 'FR', 5, 1, '2021-01-01', 'candle.sigma@leaks.example', '99-000', 'Gibbon-662', 'BOB SIGMA', '1975-12-13'),
        (3, 'Cyd', 'DE', 9, 1, '2022-01-01', 'cradle.kappa@leaks.example', '12-345', 'Ocelot-3317', 'CYD KAPPA', '1986-02-03');
      insert into vault values (1, 'Zebra-99', 3), (2, 'Yak-8888', 1), (3, 'Xerus-77', 5);`,
};
const copies = `
  insert into orders values (1, 1, 10, 'x'), (2, 2, 20, 'y'), (3, 3, 30, 'z');
  insert into people_all select id, case id when 1 then 'eu' else 'us' end, secret from customers;
  insert into base_note select id, secret from customers where id = 1;
  insert into sub_note select id, secret, 'more' from customers where id > 1;
  insert into crm.contacts select id, secret, 'tag' from customers;
  insert into accounts select id, name, secret from customers;
  insert into phrases select id, secret, '{t}' from customers;
  refresh materialized view m_plain; refresh materialized view m_made;
  analyze;`;

const vaultIsClosed = {
  name: "vault.cedar",
  text: `@id("no-vault") @reason("Nobody reads it here.")
    forbid (principal, action == Action::"run", resource) when { context.relationsRead.containsAny(["vault", "public.vault"]) };`,
};

describe("what is masked or forbidden cannot be told from any answer", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  const open = new Map<string, WireClient>();

  before(async () => {
    stack = await Stack.start(cleanup, {
      targetAuth: "password",
      targetFlavour: "embedded18",
      policy: [...starterPolicy, vaultIsClosed],
      moreDatabases: ["other-db"],
    });
    for (const [database, sql, sought] of [
      ["app", rows.a, "Quokka-7731"],
      ["other-db", rows.b, "Tapir-559"],
    ] as const) {
      const loader = await stack.connectDirect({ database });
      await loader.query(`${corpusText("secrets-schema.sql")}${sql}${copies}`);
      // It stays, so that others see what it ran last.
      await loader.query(`select id from customers where secret = '${sought}'`);
    }
  });

  /** Kept for the next line, unless this one may leave something behind. */
  async function client(way: "direct" | "gateway", side: "a" | "b", fresh: boolean): Promise<WireClient> {
    const key = `${way} ${side}`;
    const known = open.get(key);
    if (known !== undefined && !known.over && !fresh) return known;
    known?.destroy();
    const { host, port, app } = stack.target;
    const options =
      way === "direct"
        ? { host, port, parameters: { user: app.user, database: side === "a" ? "app" : "other-db" }, password: app.password }
        : {
            host: "127.0.0.1",
            port: stack.gatewayPort,
            ca: readFileSync(stack.caFile, "utf8"),
            parameters: { user: "ana", database: side === "a" ? RESOURCE : "other-db" },
            password: stack.tokens.ana,
          };
    const made = await WireClient.open(cleanup, options);
    open.set(key, made);
    return made;
  }

  for (const [heading, lines] of Map.groupBy(readCorpus(), (line) => line.heading)) {
    describe(heading, () => {
      for (const { sql } of lines) {
        it(sql, async () => {
          const fresh = sql.includes(";");
          const [directA, directB] = [await ask(await client("direct", "a", fresh), query(sql)), await ask(await client("direct", "b", fresh), query(sql))];
          assert.notEqual(directA.text, directB.text, "no way at all: directly, the answers are the same");
          const a = await ask(await client("gateway", "a", fresh), query(sql), stack.gatewayPort);
          const b = await ask(await client("gateway", "b", fresh), query(sql), stack.gatewayPort);
          assert.equal(a.kind, b.kind);
          if (a.kind === "answered") assert.equal(a.text, b.text);
          // Refused after a part of it was answered: that part must be alike, too.
          else assert.deepEqual(told(a.messages), told(b.messages));
        });
      }
    });
  }
});

const told = (messages: readonly { readonly type: string; readonly bytes: Buffer }[]): readonly string[] =>
  messages.filter(({ type }) => type === "D" || type === "d" || type === "C").map(({ bytes }) => bytes.toString("latin1"));
