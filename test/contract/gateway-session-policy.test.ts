import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bind, execute, parse, query, sync } from "../support/frontend-messages.ts";
import { ask, HANG_MS } from "./gateway-session-harness.ts";
import { errorsSince, sessionSuite } from "./gateway-session-suite.ts";

describe("what policy asks of a session on a real server", { timeout: 8 * HANG_MS }, () => {
  const suite = sessionSuite("create table t (id int)");

  describe("a purpose", () => {
    const policy = `
      @id("open") permit (principal, action == Action::"open", resource);
      @id("run") @reasonRequired @ticketRequired permit (principal, action == Action::"run", resource);`;
    const stated = "set sallyport.reason = 'orders are stuck'; set sallyport.ticket = 'OPS-7'";

    it("is asked for, said by a statement, recorded, and then enough", { timeout: HANG_MS }, async (t) => {
      const { client, record } = await suite.openUnder(t, policy);
      const from = client.messages.length;
      assert.equal(await ask(client, query("select 1")), "E:42501 Z:I");
      const [refusal] = errorsSince(client, from);
      assert.match(refusal?.get("D") ?? "", /^code: policy\.purpose_required; rule: run; policy: p1; missing: reason, ticket$/);
      assert.equal(refusal?.get("H"), "SET sallyport.reason = '…'; SET sallyport.ticket = '…';");
      assert.equal(await ask(client, query(stated)), "C:SET C:SET Z:I");
      assert.equal(await ask(client, query("select 1")), "T D C:SELECT 1 Z:I");
      assert.deepEqual(
        record.of("PurposeStated").map(({ by, reason, ticket }) => [by, reason, ticket]),
        [["ana", "orders are stuck", "OPS-7"]],
      );
      assert.deepEqual(record.events.map(({ type }) => type).slice(2, 5), ["CommandDenied", "PurposeStated", "CommandAuthorized"]);
    });

    it("is said in the text of the command itself, and by prepared statements", { timeout: HANG_MS }, async (t) => {
      const { client } = await suite.openUnder(t, policy);
      assert.equal(await ask(client, query(`${stated}; select 1`)), "C:SET C:SET T D C:SELECT 1 Z:I");
      const other = (await suite.openUnder(t, policy)).client;
      const run = (sql: string): Buffer => Buffer.concat([parse(sql), bind(), execute()]);
      const both = stated.split("; ").map(run);
      assert.equal(await ask(other, Buffer.concat([...both, run("select 1"), sync])), "1 2 C:SET 1 2 C:SET 1 2 D C:SELECT 1 Z:I");
    });

    it("is given when connecting, by option or parameter, is not passed on, and comes back when all is reset", { timeout: HANG_MS }, async (t) => {
      const { client, record } = await suite.openUnder(t, policy, { "options": "-c sallyport.reason=orders\\ are\\ stuck", "sallyport.ticket": "OPS-7" });
      assert.deepEqual(
        record.of("PurposeStated").map(({ reason, ticket }) => [reason, ticket]),
        [["orders are stuck", "OPS-7"]],
      );
      assert.equal(await ask(client, query("select 1 where current_setting('sallyport.reason', true) is null")), "T D C:SELECT 1 Z:I");
      assert.equal(await ask(client, query("set sallyport.reason = ''")), "E:42501 Z:I");
      assert.equal(await ask(client, query("select 1")), "E:42501 Z:I");
      assert.equal(await ask(client, query("reset all")), "C:RESET Z:I");
      assert.equal(await ask(client, query("select 1")), "T D C:SELECT 1 Z:I");
    });

    it("is refused when it is no line that people can read", { timeout: HANG_MS }, async (t) => {
      const { client, record } = await suite.openUnder(t, policy);
      assert.equal(await ask(client, query(`set sallyport.reason = '${"x".repeat(501)}'`)), "E:22023 Z:I");
      assert.equal(await ask(client, query(`set sallyport.reason = e'a\\nb'`)), "E:22023 Z:I");
      assert.deepEqual(record.of("PurposeStated"), []);
    });

    it("is required to open where policy says so, and the refusal tells how to give it", { timeout: HANG_MS }, async (t) => {
      const strict = `@id("open") @reasonRequired permit (principal, action == Action::"open", resource);`;
      await assert.rejects(suite.openUnder(t, strict), /policy\.purpose_required.*-c sallyport\.reason=/s);
      await suite.openUnder(t, strict, { "sallyport.reason": "x" });
    });
  });
});
