import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { decodeFields } from "@sallyport/proto/wire/postgres/backend";
import type { DecisionRequest, Obligations } from "../../control-plane/src/domain/decision.ts";
import { noObligations } from "../../control-plane/src/domain/decision.ts";
import type { WireClient } from "../support/wire-client.ts";
import { query } from "../support/frontend-messages.ts";
import { ask, type Bench, type BedOptions, type GatewayBed, HANG_MS, transcript } from "./gateway-session-harness.ts";
import { sessionSuite } from "./gateway-session-suite.ts";
import { TestGrants } from "./test-grants.ts";

const onlyGranted = ({ granted }: DecisionRequest): "allow" | "deny" => (granted === true ? "allow" : "deny");
const onlyRead: Obligations = { ...noObligations, readOnly: true };

describe("a session whose grant is over while another one is open", { timeout: 12 * HANG_MS }, () => {
  const suite = sessionSuite("create table t (id int)");

  interface Scene extends Bench {
    readonly grants: TestGrants;
    readonly bed: GatewayBed;
  }

  /** A session on `g1`, with `g2` open as well. */
  async function scene(t: TestContext, options: BedOptions = {}, next: { readonly emergency?: boolean } = {}): Promise<Scene> {
    const grants = new TestGrants();
    const bed = await suite.start(t, { grants: grants.port, mayOpen: onlyGranted, ...options });
    const bench = await bed.open();
    grants.give("g2", next.emergency);
    return { ...bench, grants, bed };
  }

  const lastError = ({ messages }: WireClient): ReadonlyMap<string, string> =>
    decodeFields((messages.findLast(({ type }) => type === "E")?.bytes ?? Buffer.alloc(5)).subarray(5));

  /** Its end as the client and the record have it. */
  async function endOf({ client, record }: Bench): Promise<readonly unknown[]> {
    await client.ended();
    await record.until(() => record.of("SessionEnded").length === 1);
    const said = lastError(client);
    return [said.get("S"), said.get("C"), record.of("SessionEnded").map(({ cause }) => cause), record.of("SessionContinued").length];
  }

  it("goes on with it: a running query is not cut, what follows runs, and the record names the grant before that", { timeout: HANG_MS }, async (t) => {
    const { client, record, grants } = await scene(t);
    client.write(query("insert into t select 1 from pg_sleep(0.2)"));
    await record.until(() => record.commands.length === 1);
    grants.expire("g1");
    await record.until(() => record.of("SessionContinued").length === 1);
    await client.until((messages) => messages.filter(({ type }) => type === "Z").length === 1);
    assert.equal(transcript(client.messages), "C:INSERT 0 1 Z:I");
    assert.match(await ask(client, query("insert into t values (2)")), /^C:INSERT 0 1 Z:I$/u);
    const [sessionId] = record.of("SessionOpened").map((opened) => opened.sessionId);
    assert.deepEqual(record.of("SessionContinued"), [
      { sessionId, decision: { policyVersion: "p1", rules: ["rule"], reason: "" }, formerGrantId: "g1", grantId: "g2" },
    ]);
    assert.deepEqual(grants.used, [
      ["g1", sessionId],
      ["g2", sessionId],
    ]);
    assert.equal(grants.watchers, 1);
  });

  it("ends with the last of them", { timeout: HANG_MS }, async (t) => {
    const bench = await scene(t);
    bench.grants.expire("g1");
    await bench.record.until(() => bench.record.of("SessionContinued").length === 1);
    await ask(bench.client, query("select 1"));
    bench.grants.revoke("g2");
    assert.deepEqual(await endOf(bench), ["FATAL", "57P01", ["grant_revoked"], 1]);
    assert.match(lastError(bench.client).get("H") ?? "", /sallyport request orders/u);
    assert.equal(bench.grants.watchers, 0);
  });

  it("ends with the next one that is over before the record of it is durable, also where the timer is late", { timeout: HANG_MS }, async (t) => {
    const bench = await scene(t);
    const { grants } = bench;
    grants.using = Promise.resolve().then(() => grants.pass("g2"));
    grants.expire("g1");
    assert.deepEqual(await endOf(bench), ["FATAL", "57P01", ["grant_expired"], 1]);
    assert.equal(grants.watchers, 0);
  });

  it("runs nothing that waited for the record of a grant that is over by then", { timeout: HANG_MS }, async (t) => {
    const bench = await scene(t);
    const { grants, client, record } = bench;
    grants.onUse = () => grants.pass("g2");
    grants.pass("g1");
    client.write(query("insert into t values (5)"));
    assert.deepEqual(await endOf(bench), ["FATAL", "57P01", ["grant_expired"], 1]);
    assert.deepEqual(record.commands, []);
  });

  it("lets what comes meanwhile wait for the record of it, also where the timer is late", { timeout: HANG_MS }, async (t) => {
    const { client, record, grants } = await scene(t);
    const { promise, resolve } = Promise.withResolvers<void>();
    grants.using = promise;
    grants.pass("g1");
    client.write(query("insert into t values (3)"));
    await new Promise((settled) => setImmediate(settled));
    assert.deepEqual(record.commands, []);
    resolve();
    await client.more("Z");
    assert.deepEqual(
      record.events.map(({ type }) => type).filter((type) => type !== "CommandCompleted"),
      ["SessionRequested", "SessionOpened", "SessionContinued", "CommandAuthorized"],
    );
  });

  it("keeps what is held, and releases it under the grant that it goes on with", { timeout: HANG_MS }, async (t) => {
    const { client, record, grants, bed } = await scene(t, { rule: () => "needs_approval" });
    client.write(query("insert into t values (4)"));
    const id = await bed.approvals.number(1);
    grants.pass("g1");
    await bed.approvals.approve(id);
    await client.more("Z");
    assert.equal(transcript(client.messages), "N:01000 C:INSERT 0 1 Z:I");
    assert.deepEqual(record.events.map(({ type }) => type).slice(2, 5), ["CommandHeld", "SessionContinued", "CommandReleased"]);
  });

  it("ends all the same when its grant is revoked (I5)", { timeout: HANG_MS }, async (t) => {
    const bench = await scene(t);
    bench.grants.revoke("g1");
    assert.deepEqual(await endOf(bench), ["FATAL", "57P01", ["grant_revoked"], 0]);
    assert.match(lastError(bench.client).get("M") ?? "", /was revoked\. You have other access to it: connect again\.$/u);
  });

  it("ends where the other one is of another kind, or access stands by now, and says so", { timeout: HANG_MS }, async (t) => {
    const toEmergency = await scene(t, { mayOpen: () => "allow" }, { emergency: true });
    toEmergency.grants.expire("g1");
    assert.deepEqual(await endOf(toEmergency), ["FATAL", "57P01", ["grant_expired"], 0]);
    assert.match(lastError(toEmergency.client).get("M") ?? "", /You have other access to it, of another kind: connect again\.$/u);
    const toStanding = await scene(t, { mayOpen: () => "allow" });
    toStanding.grants.pass("g2");
    toStanding.grants.expire("g1");
    assert.deepEqual(await endOf(toStanding), ["FATAL", "57P01", ["grant_expired"], 0]);
    assert.match(lastError(toStanding.client).get("M") ?? "", /of another kind: connect again\.$/u);
  });

  it("ends where policy does not open it any more, or opens it read-only, which the target was not told", { timeout: HANG_MS }, async (t) => {
    let now: "allow" | "deny" | "read-only" = "allow";
    const mayOpen = () => (now === "read-only" ? ({ effect: "allow", obligations: onlyRead } as const) : now);
    const denied = await scene(t, { mayOpen });
    now = "deny";
    denied.grants.expire("g1");
    assert.deepEqual(await endOf(denied), ["FATAL", "57P01", ["grant_expired"], 0]);
    assert.match(lastError(denied.client).get("M") ?? "", /its time is up\.$/u);
    now = "allow";
    const narrowed = await scene(t, { mayOpen });
    now = "read-only";
    narrowed.grants.expire("g1");
    assert.deepEqual(await endOf(narrowed), ["FATAL", "57P01", ["grant_expired"], 0]);
    assert.match(lastError(narrowed.client).get("M") ?? "", /read-only by now: connect again\.$/u);
  });

  it("stays read-only where it was opened so, though policy asks for it no more", { timeout: HANG_MS }, async (t) => {
    let obligations = onlyRead;
    const { client, record, grants } = await scene(t, { mayOpen: () => ({ effect: "allow", obligations }) });
    obligations = noObligations;
    grants.expire("g1");
    await record.until(() => record.of("SessionContinued").length === 1);
    assert.match(await ask(client, query("begin read write; insert into t values (5)")), /^E:/u);
  });

  it("ends where going on cannot be recorded, or the other one is revoked meanwhile", { timeout: HANG_MS }, async (t) => {
    const unrecorded = await scene(t);
    unrecorded.record.fate = ([event]) => (event?.type === "SessionContinued" ? "refused" : undefined);
    unrecorded.grants.expire("g1");
    assert.deepEqual(await endOf(unrecorded), ["FATAL", "57P01", ["grant_expired"], 0]);
    assert.match(lastError(unrecorded.client).get("M") ?? "", /going on with it could not be recorded: connect again\.$/u);
    const revoked = await scene(t);
    revoked.grants.using = new Promise(() => undefined);
    revoked.grants.expire("g1");
    revoked.grants.revoke("g2");
    assert.deepEqual(await endOf(revoked), ["FATAL", "57P01", ["grant_expired"], 0]);
    assert.deepEqual([revoked.grants.watchers, revoked.grants.used.length], [0, 1]);
  });

  it("records nothing behind its end when the client leaves meanwhile", { timeout: HANG_MS }, async (t) => {
    const { client, record, grants } = await scene(t);
    const { promise, resolve } = Promise.withResolvers<void>();
    grants.using = promise;
    grants.expire("g1");
    client.destroy();
    await record.until(() => record.of("SessionEnded").length === 1);
    resolve();
    await new Promise((settled) => setImmediate(settled));
    assert.equal(record.events.at(-1)?.type, "SessionEnded");
    assert.equal(grants.watchers, 0);
  });
});
