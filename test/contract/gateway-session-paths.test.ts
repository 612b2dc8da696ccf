import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import type { Client } from "pg";
import type { CommandFacts } from "../../control-plane/src/domain/facts.ts";
import { bind, execute, parse, query, sync } from "../support/frontend-messages.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { ask, type Bench, GatewayBed, type Ground, HANG_MS, prepareGround, startRealTarget } from "./gateway-session-harness.ts";
import type { OpenTarget } from "./gateway-session-target.ts";

/** Its server is PostgreSQL 18, which reports the search path. */
describe("what policy is told of names without a schema", { timeout: 8 * HANG_MS }, () => {
  const cleanup = suiteCleanup();
  let ground: Ground;
  let real: OpenTarget;
  let admin: Client;
  before(async () => {
    ground = await prepareGround(cleanup);
    const { server, open } = await startRealTarget(cleanup);
    real = open;
    admin = await server.connectAsApp();
    await admin.query("create schema sales; create table sales.t (id int); create table t (id int)");
  });

  const watch = async (t: Parameters<typeof GatewayBed.start>[0], namesSchemas: boolean) => {
    const seen: CommandFacts[] = [];
    const bed = await GatewayBed.start(t, ground, {
      target: real,
      namesSchemas,
      rule: ({ facts }) => {
        if (facts !== undefined) seen.push(facts);
        return "allow";
      },
    });
    const read = (): string[] => seen.splice(0).map(({ relationsRead }) => relationsRead.join(" "));
    const open = async (): Promise<Bench> => {
      const bench = await bed.open();
      read();
      return bench;
    };
    return { open, read };
  };
  const traces = ({ heard }: Bench): number => heard.posted.filter(({ $case }) => $case === "trace").length;
  const looking = query("select * from t");

  it("is the schema on the default path, asked once for all sessions of the resource, and recorded with the decision", { timeout: HANG_MS }, async (t) => {
    const { open, read } = await watch(t, true);
    const [one, two] = [await open(), await open()];
    for (const { client } of [one, one, two]) assert.equal(await ask(client, looking), "T C:SELECT 0 Z:I");
    assert.deepEqual(read(), ["public.t", "public.t", "public.t"]);
    assert.deepEqual([traces(one), traces(two)], [1, 0]);
    const [recorded] = one.record.of("CommandAuthorized");
    assert.deepEqual(recorded?.facts.relationsRead, ["public.t"]);
  });

  it("is the name alone where policy names no schemas, and nobody is asked", { timeout: HANG_MS }, async (t) => {
    const { open, read } = await watch(t, false);
    const bench = await open();
    await ask(bench.client, looking);
    assert.deepEqual([read(), traces(bench)], [["t"], 0]);
  });

  it("is the schema that the session has put on its path, without asking", { timeout: HANG_MS }, async (t) => {
    const { open, read } = await watch(t, true);
    const bench = await open();
    await ask(bench.client, query("set search_path = sales"));
    await ask(bench.client, looking);
    await ask(bench.client, Buffer.concat([parse("select * from t"), bind(), execute(), sync]));
    assert.deepEqual([read(), traces(bench)], [["", "sales.t", "sales.t", "sales.t"], 0]);
  });

  it("is what it may have become, in the group that changes it", { timeout: HANG_MS }, async (t) => {
    const { open, read } = await watch(t, true);
    const { client } = await open();
    const group = ["set search_path = sales", "select * from t"].flatMap((sql) => [parse(sql), bind(), execute()]);
    await ask(client, Buffer.concat([...group, sync]));
    assert.ok(read().includes("t sales.t"));
  });
});
