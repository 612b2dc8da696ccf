import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { decodeFields } from "@sallyport/proto/wire/postgres/backend";
import type { DecisionRequest } from "../../control-plane/src/domain/decision.ts";
import { query } from "../support/frontend-messages.ts";
import { type BedOptions, type GatewayBed, HANG_MS, transcript } from "./gateway-session-harness.ts";
import { sessionSuite } from "./gateway-session-suite.ts";
import type { OpenTarget } from "./gateway-session-target.ts";
import { TestGrants } from "./test-grants.ts";

describe("a session that uses a grant", { timeout: 6 * HANG_MS }, () => {
  const suite = sessionSuite("create table t (id int)");
  const start = (t: TestContext, grant: TestGrants, options: BedOptions = {}): Promise<GatewayBed> => suite.start(t, { grants: grant.port, ...options });

  it("names it in its record, and has every decision taken with it", { timeout: HANG_MS }, async (t) => {
    const asked: DecisionRequest[] = [];
    const see = (request: DecisionRequest): "allow" => {
      asked.push(request);
      return "allow";
    };
    const grant = new TestGrants();
    const { client, record } = await (await start(t, grant, { rule: see, mayOpen: see })).open();
    client.write(query("SELECT 1"));
    await client.more("Z");
    assert.deepEqual(
      record.of("SessionOpened").map(({ grantId }) => grantId),
      ["g1"],
    );
    assert.equal(grant.used.length, 1);
    assert.ok(asked.length >= 3 && asked.every(({ granted }) => granted === true));
    assert.deepEqual([...new Set(asked.map(({ action }) => action))], ["open", "run"]);
  });

  it("is not opened when the grant is revoked while the target is being opened", { timeout: HANG_MS }, async (t) => {
    const grant = new TestGrants();
    grant.revokedMeanwhile = true;
    const bed = await start(t, grant);
    await assert.rejects(bed.open(), /grant\.revoked/);
    const [record] = bed.records;
    assert.ok(record);
    await record.until(() => record.of("SessionRefused").length === 1);
    assert.deepEqual(
      record.of("SessionRefused").map(({ code, grantId }) => [code, grantId]),
      [["grant.revoked", "g1"]],
    );
    assert.equal(record.of("SessionOpened").length, 0);
    assert.equal(grant.watchers, 0);
  });

  it("is given up at once when the grant ends while the target does not answer", { timeout: HANG_MS }, async (t) => {
    const grant = new TestGrants();
    const silent: OpenTarget = () => ({ data: () => undefined, control: () => undefined, drained: () => undefined, closed: () => undefined });
    const bed = await start(t, grant, { target: silent });
    const opening = assert.rejects(bed.open(), /grant\.expired/);
    await bed.targets.until(() => bed.heard.length === 1);
    grant.expire("g1");
    await opening;
    assert.deepEqual([grant.used.length, grant.watchers], [0, 0]);
  });

  it("runs nothing after the grant's end, even when the timer that ends the session is late", { timeout: HANG_MS }, async (t) => {
    const grant = new TestGrants();
    const onlyGranted = ({ granted }: DecisionRequest): "allow" | "deny" => (granted === true ? "allow" : "deny");
    const { client, record } = await (await start(t, grant, { mayOpen: onlyGranted })).open();
    grant.pass("g1");
    client.write(query("INSERT INTO t VALUES (1)"));
    await client.more("Z");
    const refusal = decodeFields((client.messages[0]?.bytes ?? Buffer.alloc(5)).subarray(5));
    assert.deepEqual([refusal.get("S"), refusal.get("C")], ["ERROR", "57P01"]);
    assert.match(refusal.get("H") ?? "", /sallyport request orders/);
    assert.deepEqual(record.commands, []);
  });

  it("withdraws what it holds, tells the client why, and lets go of the grant", { timeout: HANG_MS }, async (t) => {
    const grant = new TestGrants();
    const bed = await start(t, grant, { rule: () => "needs_approval" });
    const { client, record } = await bed.open();
    client.write(query("INSERT INTO t VALUES (1)"));
    await client.more("N");
    grant.expire("g1");
    await client.ended();
    assert.equal(transcript(client.messages), "N:01000 E:57P01");
    await record.until(() => record.of("SessionEnded").length === 1);
    assert.deepEqual(
      record.of("SessionEnded").map(({ cause }) => cause),
      ["grant_expired"],
    );
    assert.deepEqual(bed.approvals.states, ["withdrawn"]);
    assert.equal(grant.watchers, 0);
  });

  it("releases nothing that is approved in the moment in which the grant ends", { timeout: HANG_MS }, async (t) => {
    const grant = new TestGrants();
    const bed = await start(t, grant, { rule: () => "needs_approval" });
    const { client, record } = await bed.open();
    client.write(query("INSERT INTO t VALUES (1)"));
    const id = await bed.approvals.number(1);
    grant.pass("g1");
    await bed.approvals.approve(id);
    await client.more("Z");
    assert.equal(transcript(client.messages), "N:01000 E:57P01 Z:I");
    assert.deepEqual(bed.approvals.taken, []);
    await record.until(() => record.of("CommandDenied").length === 1);
    assert.deepEqual(record.commands, ["CommandHeld 1", "CommandDenied 1 grant.expired"]);
  });
});
