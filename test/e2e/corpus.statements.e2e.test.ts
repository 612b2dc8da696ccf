import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, describe, it } from "node:test";
import { bind, describePortal, execute, parse, query, sync } from "../support/frontend-messages.ts";
import { type Person, RESOURCE, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { WireClient } from "../support/wire-client.ts";
import { type Answer, ask, corpusText } from "./corpus-wire.ts";

interface Case {
  readonly name: string;
  readonly sql: string;
  readonly atLeast?: string;
}

const cases = (file: string): readonly Case[] => (JSON.parse(corpusText(file)) as { readonly cases: readonly Case[] }).cases;

describe("under the starter policy, on a real server", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  const open = new Map<string, WireClient>();

  before(async () => {
    stack = await Stack.start(cleanup, { targetAuth: "password" });
    await (await stack.connectDirect()).query(corpusText("benign-schema.sql"));
  });

  /** Kept for the next statement as long as all of them only look. */
  async function client(person: Person | undefined, sql: string): Promise<WireClient> {
    const key = person ?? "direct";
    const known = open.get(key);
    if (known !== undefined && !known.over && /^\s*(?:select|with|show|values)\b[^;]*;?\s*$/i.test(sql)) return known;
    known?.destroy();
    const { host, port, app } = stack.target;
    const gateway = { host: "127.0.0.1", port: stack.gatewayPort, ca: readFileSync(stack.caFile, "utf8"), database: RESOURCE };
    const made = await WireClient.open(
      cleanup,
      person === undefined
        ? { host, port, parameters: { user: app.user, database: app.database }, password: app.password }
        : { ...gateway, parameters: { user: person, database: RESOURCE, application_name: `corpus ${person}` }, password: stack.tokens[person] },
    );
    open.set(key, made);
    return made;
  }

  /** The agent's own look-ups are in the log, too. */
  const reached = (mark: number, person: Person, text: string): boolean =>
    stack.target.log.statements(mark).some(({ application, sql }) => application === `corpus ${person}` && sql.includes(text.trim()));

  it("what is let through is in the server's log, so that what is not is not", async () => {
    const mark = stack.target.log.end;
    assert.equal((await ask(await client("bo", "select 1"), query("select 1"), stack.gatewayPort)).kind, "answered");
    assert.ok(reached(mark, "bo", "select 1"));
  });

  describe("whoever may only read gets nothing else through", () => {
    for (const { name, sql } of cases("bypass.json")) {
      it(name, async () => {
        const asking = await client("bo", sql);
        const mark = stack.target.log.end;
        const { kind } = await ask(asking, query(sql), stack.gatewayPort);
        assert.equal(kind, "refused");
        assert.ok(!reached(mark, "bo", sql));
      });
    }
  });

  describe("whoever may also write gets nothing worse through without somebody else", () => {
    for (const { name, sql } of cases("bypass.json").filter(({ atLeast }) => atLeast !== "write")) {
      it(name, async () => {
        const asking = await client("ana", sql);
        const mark = stack.target.log.end;
        const { kind } = await ask(asking, query(sql), stack.gatewayPort);
        assert.equal(kind, "refused");
        assert.ok(!reached(mark, "ana", sql));
      });
    }
  });

  describe("what only reads is answered as without a gateway, at once", () => {
    for (const { name, sql } of cases("benign.json")) {
      it(name, async () => {
        const expected = await ask(await client(undefined, sql), message(sql));
        const answer = await ask(await client("bo", sql), message(sql), stack.gatewayPort);
        assert.equal(answer.kind, "answered", complaint(answer));
        assert.deepEqual(outline(answer), outline(expected), complaint(answer));
      });
    }
  });
});

/** One with parameters is bound to nulls: what matters is that it runs. */
function message(sql: string): Buffer {
  const parameters = Math.max(0, ...[...sql.matchAll(/\$(\d+)/g)].map(([, number]) => Number(number)));
  if (parameters === 0) return query(sql);
  return Buffer.concat([parse(sql), bind({ values: Array.from({ length: parameters }, () => null) }), describePortal(), execute(), sync]);
}

/** Kinds of messages without the rows and notices, of which there may be more now than a moment ago, with the SQLSTATE of an error. */
const outline = ({ messages }: Answer): readonly string[] =>
  messages
    .filter(({ type }) => !["D", "d", "N", "S", "A"].includes(type))
    .map(({ type, bytes }) => (type === "E" ? `E${/\0C(?<state>[0-9A-Z]{5})\0/.exec(bytes.toString("latin1"))?.groups?.["state"] ?? "?"}` : type));

const complaint = ({ messages }: Answer): string =>
  messages
    .filter(({ type }) => type === "E" || type === "N")
    .map(({ bytes }) => bytes.subarray(5).toString("utf8").replaceAll("\0", " "))
    .join("\n");
