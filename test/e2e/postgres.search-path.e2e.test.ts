import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, describe, it } from "node:test";
import { bind, execute, flush, parse, query, sync } from "../support/frontend-messages.ts";
import type { PolicyText } from "../support/policies.ts";
import { describeOnEach } from "../support/postgres-server.ts";
import { RESOURCE, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { WireClient } from "../support/wire-client.ts";
import { ask } from "./corpus-wire.ts";

const openIt = `@id("open") permit (principal, action == Action::"open", resource);`;
const policies = {
  /** Everything but one table. */
  forbidding: `${openIt} @id("run") permit (principal, action == Action::"run", resource);
    @id("not-hr") forbid (principal, action == Action::"run", resource) when { context.relationsRead.contains("hr.orders") };`,
  /** Nothing but that name, as statements may say it, in the schemas where people look for it. */
  listing: `${openIt} @id("run") permit (principal, action == Action::"run", resource)
    when { ["orders", "sales.orders", "public.orders", "public.sneaky"].containsAll(context.relationsRead) };`,
} as const;
const policyOf = (text: string): readonly PolicyText[] => [{ name: "path.cedar", text }];

const schema = `
  create schema sales; create schema hr; create schema closed;
  create table sales.orders as select 'row of sales' as who;
  create table hr.orders as select 'row of hr' as who;
  create table closed.orders as select 'row of closed' as who;
  create function use_hr() returns text language plpgsql as $$ begin return set_config('search_path', 'hr', false); end $$;
  create view sneaky as select use_hr();
  create schema stranger;
`;

const LOOK = "select who from orders";
const extended = (sql: string): Buffer => Buffer.concat([parse(sql), bind(), execute()]);

interface Case {
  /** The path at the start; the role's own where there is none. */
  readonly options?: string;
  /** Each is answered before the next is sent; the last one looks. */
  readonly steps: readonly (string | Buffer)[];
  /** What the last step is answered with, under each policy. `held back`: a refusal of ours; `error`: one of the server's. */
  readonly forbidding: string;
  readonly listing: string;
  /** Of a server that does not report its path, where it is another. */
  readonly unreported?: { readonly forbidding?: string; readonly listing?: string };
}

/** A name may be in any schema there: the strictest counts. */
const heldWithoutReport = { forbidding: "held back" } as const;

const cases: Readonly<Record<string, Case>> = {
  "a path of the role's own": { steps: [LOOK], forbidding: "row of sales", listing: "row of sales", unreported: heldWithoutReport },
  "a path that the client asks for": { options: "-c search_path=hr", steps: [LOOK], forbidding: "held back", listing: "held back" },
  "a path that the client asks for, to what is permitted": {
    options: "-c search_path=sales",
    steps: [LOOK],
    forbidding: "row of sales",
    listing: "row of sales",
    unreported: heldWithoutReport,
  },
  "SET": { steps: ["set search_path = hr", LOOK], forbidding: "held back", listing: "held back" },
  "SET SCHEMA": { steps: ["set schema 'hr'", LOOK], forbidding: "held back", listing: "held back" },
  "SET and the look in one text": { steps: [`set search_path = hr; ${LOOK}`], forbidding: "held back", listing: "held back" },
  "SET and the look in one pipeline": {
    steps: [Buffer.concat([extended("set search_path = hr"), extended(LOOK), sync])],
    forbidding: "held back",
    listing: "held back",
  },
  "SET, and the look behind a Flush": {
    steps: [Buffer.concat([extended("set search_path = hr"), flush, extended(LOOK), sync])],
    forbidding: "held back",
    listing: "held back",
  },
  "SET LOCAL": { steps: ["begin", "set local search_path = hr", LOOK], forbidding: "held back", listing: "held back" },
  "SET LOCAL, after its transaction": {
    steps: ["begin", "set local search_path = hr", "commit", LOOK],
    forbidding: "row of sales",
    listing: "row of sales",
    unreported: { forbidding: "held back", listing: "held back" },
  },
  "SET in a transaction that is rolled back": {
    steps: ["set search_path = hr", "begin", "set search_path = sales", "rollback", LOOK],
    forbidding: "held back",
    listing: "held back",
  },
  "SET up to a savepoint": {
    steps: ["begin", "set search_path = hr", "savepoint s", "set search_path = sales", "rollback to s", LOOK],
    forbidding: "held back",
    listing: "held back",
  },
  "set_config": { steps: ["select set_config('search_path', 'hr', false)", LOOK], forbidding: "held back", listing: "held back" },
  "set_config with a computed path": {
    steps: [Buffer.concat([parse("select set_config('search_path', $1, false)"), bind({ values: ["hr"] }), execute(), sync]), LOOK],
    forbidding: "held back",
    listing: "held back",
  },
  "set_config in the statement that looks, where it comes too late": {
    options: "-c search_path=sales",
    steps: [`select set_config('search_path', 'hr', false), who from orders`],
    forbidding: "row of sales",
    listing: "row of sales",
    unreported: { forbidding: "held back", listing: "held back" },
  },
  // Where nobody reports it, and within one pipeline, what a view does unseen is up to whoever made it (ADR 0023): a list of bare names lets it through.
  "a function in a view": { steps: ["select * from public.sneaky", LOOK], forbidding: "held back", listing: "held back", unreported: { listing: "row of hr" } },
  "a function in a view, and the look in one pipeline": {
    steps: [Buffer.concat([extended("select * from public.sneaky"), extended(LOOK), sync])],
    forbidding: "held back",
    listing: "row of hr",
  },
  "RESET": { options: "-c search_path=hr", steps: ["set search_path = sales", "reset search_path", LOOK], forbidding: "held back", listing: "held back" },
  "RESET ALL": { options: "-c search_path=hr", steps: ["set search_path = sales", "reset all", LOOK], forbidding: "held back", listing: "held back" },
  "DISCARD ALL": { options: "-c search_path=hr", steps: ["set search_path = sales", "discard all", LOOK], forbidding: "held back", listing: "held back" },
  "a schema that the role may not use": { steps: ["set search_path = closed, hr", LOOK], forbidding: "held back", listing: "held back" },
  "a schema that is not there": { steps: ["set search_path = nowhere, hr", LOOK], forbidding: "held back", listing: "held back" },
  "another spelling": { steps: [`set "SEARCH_PATH" to "nowhere" , HR`, LOOK], forbidding: "held back", listing: "held back" },
  "$user, who may become one with a schema": {
    steps: [`set search_path = "$user", sales`, LOOK],
    forbidding: "held back",
    listing: "held back",
    unreported: { listing: "row of sales" },
  },
  "$user, of another role": { steps: [`set search_path = "$user"`, "set role hr", LOOK], forbidding: "held back", listing: "held back" },
  "a table of the session's own": {
    options: "-c search_path=sales",
    steps: ["create temp table orders as select 'row of its own' as who", LOOK],
    // Nothing is certain any more: as strict as without a report.
    forbidding: "held back",
    listing: "row of its own",
  },
  "a table of the session's own that is gone": {
    options: "-c search_path=hr",
    steps: ["create temp table orders as select 'row of its own' as who", "drop table pg_temp.orders", LOOK],
    forbidding: "held back",
    listing: "held back",
  },
  "a statement prepared under another path": {
    options: "-c search_path=sales",
    steps: ["prepare p as select who from orders", "set search_path = hr", "execute p"],
    forbidding: "held back",
    listing: "held back",
  },
  "a statement of the protocol prepared under another path": {
    options: "-c search_path=sales",
    steps: [Buffer.concat([parse(LOOK, "p"), sync]), "set search_path = hr", Buffer.concat([bind({ statement: "p" }), execute(), sync])],
    forbidding: "held back",
    listing: "held back",
  },
  "a portal that was bound under a path that was refused": {
    options: "-c search_path=hr",
    steps: ["begin", Buffer.concat([parse(LOOK), bind({ portal: "c" }), sync]), "set search_path = sales", Buffer.concat([execute("c"), sync])],
    forbidding: "held back",
    listing: "held back",
  },
  "a portal that was bound before": {
    options: "-c search_path=sales",
    steps: ["begin", Buffer.concat([parse(LOOK), bind({ portal: "c" }), sync]), "set search_path = hr", Buffer.concat([execute("c"), sync])],
    // It shows the row of sales; what it was bound to is not remembered, so it counts as what it may be.
    forbidding: "held back",
    listing: "held back",
  },
  "a cursor that was declared before": {
    options: "-c search_path=sales",
    steps: ["begin", `declare c cursor for ${LOOK}`, "set search_path = hr", "fetch all in c"],
    forbidding: "held back",
    listing: "held back",
  },
  "a forbidden schema behind a permitted one": {
    options: "-c search_path=sales,hr",
    steps: [LOOK],
    forbidding: "held back",
    listing: "held back",
  },
};

describeOnEach("what a name means under a search path", (flavour) => {
  const reports = flavour === "embedded18";
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup, { targetFlavour: flavour, targetAuth: "password", policy: policyOf(policies.forbidding) });
    await (await stack.connectDirect()).query(schema);
    const { rows } = await (
      await stack.connectDirect()
    ).query<{ role: string; database: string }>("select current_user as role, current_database() as database");
    const { role = "", database = "" } = rows[0] ?? {};
    const admin = await stack.target.connectAsSuperuser(database);
    await admin.query(`create role hr; grant hr to "${role}"; grant usage on schema hr to hr; grant select on hr.orders to hr`);
    await admin.query(
      `alter schema closed owner to current_user; alter table closed.orders owner to current_user; alter role "${role}" set search_path = sales, public; create role stranger`,
    );
  });

  const open = (options: string | undefined): Promise<WireClient> =>
    WireClient.open(cleanup, {
      host: "127.0.0.1",
      port: stack.gatewayPort,
      ca: readFileSync(stack.caFile, "utf8"),
      parameters: { user: "ana", database: RESOURCE, ...(options === undefined ? {} : { options }) },
      password: stack.tokens.ana,
    });

  for (const policy of ["forbidding", "listing"] as const) {
    describe(policy === "forbidding" ? "where one table is forbidden" : "where only some tables are permitted", () => {
      before(async () => {
        await stack.publish(policyOf(policies[policy]));
      });
      for (const [name, found] of Object.entries(cases)) {
        const expected = reports ? found[policy] : (found.unreported?.[policy] ?? found[policy]);
        it(`${name}: ${expected}`, async () => {
          const client = await open(found.options);
          let shown = "";
          let heldBack = false;
          for (const step of found.steps) {
            const { kind, text } = await ask(client, typeof step === "string" ? query(step) : step, stack.gatewayPort);
            heldBack ||= kind === "refused";
            shown = /row of (?:sales|hr|closed|its own)/u.exec(text)?.[0] ?? (heldBack ? "held back" : text);
          }
          client.destroy();
          assert.equal(shown, expected);
        });
      }
    });
  }
});
