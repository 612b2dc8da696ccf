import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { before, it } from "node:test";
import { encodeStartupMessage } from "@sallyport/proto/wire/postgres/startup";
import fc from "fast-check";
import { message, query, terminate } from "../support/frontend-messages.ts";
import { openPolicy } from "../support/policies.ts";
import { describeOnEach } from "../support/postgres-server.ts";
import { RESOURCE, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { WireClient, type WireMessage } from "../support/wire-client.ts";
import { type Step, wireSchema, wireScripts } from "./wire-scripts.ts";

const names = Object.keys(wireScripts);
const settings = { application_name: "wire", client_encoding: "UTF8", datestyle: "ISO" };

/** An answer that does not come within this never will. */
const HANG_MS = 20_000;

describeOnEach("the wire, after the login", (flavour) => {
  const cleanup = suiteCleanup();
  const answers = new Map<string, string[]>();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup, { targetFlavour: flavour, policy: openPolicy, targetAuth: "password" });
    await (await stack.connectDirect()).query(wireSchema);
  });

  const throughGateway = (): Promise<WireClient> =>
    WireClient.open(cleanup, {
      host: "127.0.0.1",
      port: stack.gatewayPort,
      ca: readFileSync(stack.caFile, "utf8"),
      parameters: { user: "ana", database: RESOURCE, ...settings },
      password: stack.tokens.ana,
    });
  const direct = (): Promise<WireClient> => {
    const { host, port, app } = stack.target;
    return WireClient.open(cleanup, { host, port, parameters: { user: app.user, database: app.database, ...settings }, password: app.password });
  };
  const expected = async (name: string): Promise<string[]> => {
    const known = answers.get(name) ?? (await converse(await direct(), wireScripts[name] ?? []));
    answers.set(name, known);
    return known;
  };

  for (const name of names) {
    it(`is the target's own, byte for byte: ${name}`, { timeout: HANG_MS }, async () => {
      assert.deepEqual(await converse(await throughGateway(), wireScripts[name] ?? []), await expected(name));
    });
  }

  it("says no more than the target when that ends the session", async () => {
    const fatal = async (client: WireClient): Promise<string[]> => {
      client.write(query("set idle_session_timeout = '100ms'"));
      await client.ended();
      return client.messages.map(shown);
    };
    assert.deepEqual(await fatal(await throughGateway()), await fatal(await direct()));
  });

  it("runs what was sent along with the password", { timeout: HANG_MS }, async () => {
    const { host, port, app } = stack.target;
    const [gateway, target] = [
      { host: "127.0.0.1", port: stack.gatewayPort, ca: readFileSync(stack.caFile, "utf8"), user: "ana", database: RESOURCE, password: stack.tokens.ana },
      { host, port, ...app },
    ];
    const eager = async (to: typeof gateway | typeof target): Promise<string[]> => {
      const client = await WireClient.connect(cleanup, to);
      const startup = encodeStartupMessage(new Map(Object.entries({ user: to.user, database: to.database, ...settings })));
      client.write(Buffer.concat([startup, message("p", `${to.password}\0`), query("select 1"), query("select repeat('x', 5000)"), terminate]));
      await client.ended();
      return client.messages.slice(client.messages.findIndex(({ type }) => type === "Z")).map(shown);
    };
    assert.deepEqual(await eager(gateway), await eager(target));
  });

  it("runs what was sent before the client said goodbye, though nobody waits for the answer", async () => {
    const target = await stack.connectDirect();
    for (const [id, client] of [await direct(), await throughGateway()].entries()) {
      client.write(Buffer.concat([query(`insert into sink values (${1000 + id}, 'last words')`), terminate]));
      await client.ended();
    }
    const { rows } = await target.query("delete from sink where note = 'last words' returning id");
    assert.deepEqual(rows, [{ id: 1000 }, { id: 1001 }]);
  });

  it("runs what was sent before the client hung up, as the target does", async () => {
    const target = await stack.connectDirect();
    for (const [id, client] of [await direct(), await throughGateway()].entries()) {
      client.finish(query(`insert into sink values (${2000 + id}, 'hung up')`));
      await client.ended();
    }
    const { rows } = await target.query("delete from sink where note = 'hung up' returning id");
    assert.deepEqual(rows, [{ id: 2000 }, { id: 2001 }]);
  });

  it("does not depend on how the client's bytes are cut", async () => {
    // Long scripts would take minutes in small pieces.
    const short = names.filter((name) => (wireScripts[name] ?? []).reduce((sum, { send }) => sum + send.length, 0) < 4_000);
    const cuts = fc.infiniteStream(fc.integer({ min: 1, max: 40 }));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...short), cuts, async (name, sizes) => {
        assert.deepEqual(await converse(await throughGateway(), wireScripts[name] ?? [], sizes), await expected(name));
      }),
      { numRuns: 12 },
    );
  });
});

/** Everything that the server says to a script, message by message, as text that a difference can be read from. */
async function converse(client: WireClient, script: readonly Step[], sizes?: Iterator<number>): Promise<string[]> {
  for (const { send, type, count } of script) {
    const answered = client.more(type, count);
    for (let at = 0; at < send.length;) {
      const size = sizes === undefined ? send.length : Number(sizes.next().value);
      client.write(send.subarray(at, at + size));
      at += size;
      if (sizes !== undefined) await turn();
    }
    await answered;
  }
  client.destroy();
  return client.messages.map(shown);
}

/** Of a notification the process id is left out: it names the backend that sent it. */
const shown = ({ type, bytes }: WireMessage): string => `${type} ${bytes.toString("latin1", type === "A" ? 9 : 1)}`;
