import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import type { Grant } from "@sallyport/proto/gen/sallyport/api/v1/grant";
import { DatabaseError } from "pg";
import { query } from "../support/frontend-messages.ts";
import { isType, type Person, RESOURCE, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { gone, running } from "./backends.ts";
import { failure, failureOf } from "./failure.ts";
import { openWire } from "./gateway-wire.ts";
import { answerOf } from "./command-line.ts";

/** An answer that does not come within this never will. */
const HANG_MS = 60_000;

describe("access on request", { timeout: 2 * HANG_MS }, () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup, { labels: { access: "on-request" } });
  });

  const cli = (person: Person, ...args: readonly string[]): Promise<unknown> => answerOf(stack, person, ...args);
  const ask = async (...more: readonly string[]): Promise<Grant> =>
    (await cli("ana", "request", RESOURCE, "--for", "30m", "--reason", "stuck", ...more)) as Grant;
  async function granted(): Promise<Grant> {
    const { id } = await ask();
    return (await cli("bo", "grants", "approve", id)) as Grant;
  }
  /** By the API, which takes a moment: command lines would use up a good part of a short time. */
  async function grantedAtOnce(seconds: number): Promise<Grant> {
    const asked = { resource: RESOURCE, durationSeconds: seconds, reason: "stuck", ticket: "" };
    const { grant } = await stack.call("ana", (api) => api.grants.requestAccess(asked));
    assert.ok(grant);
    await stack.call("bo", (api) => api.grants.approveAccess({ grantId: grant.id, comment: "" }));
    return grant;
  }
  const revoke = (grantId: string): Promise<unknown> => stack.call("bo", (api) => api.grants.revokeGrant({ grantId, reason: "" }));
  const refused = async (answer: Promise<unknown>): Promise<DatabaseError> => {
    const error: unknown = await answer.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof DatabaseError);
    return error;
  };
  const refusedToOpen = (person: Person): Promise<readonly string[]> => failure(stack.connect(person));
  const eventsOf = async (grantId: string): Promise<string[]> => (await stack.events(`grant-${grantId}`)).map(({ type }) => type);

  it("is refused with what to do, granted by somebody else, and then opens for whoever asked and for nobody else", async () => {
    const refusal = await refused(stack.connect());
    assert.deepEqual([refusal.code, refusal.hint], ["42501", `Ask for access: sallyport request ${RESOURCE} --for 30m --reason …`]);

    const asked = await ask("--ticket", "OPS-7");
    assert.deepEqual([asked.state, asked.quorum, asked.ticket, asked.rule], ["pending", 1, "OPS-7", "engineers-ask"]);
    assert.deepEqual(await refusedToOpen("ana"), ["42501", "policy.denied"]);
    assert.deepEqual(await cli("ana", "grants", "approve", asked.id), [1, "approval.self"]);
    assert.deepEqual(await cli("robot", "grants", "approve", asked.id), [1, "approval.not_found"]);
    await assert.rejects(
      stack.call("robot", (api) => api.grants.approveAccess({ grantId: asked.id, comment: "" })),
      { code: "approval.machine" },
    );
    const { position: beforehand } = await stack.event(`grant-${asked.id}`, isType("AccessRequested"));
    const open = (await cli("bo", "grants", "approve", asked.id.slice(0, 8), "--comment", "go")) as Grant;
    const { position: during } = await stack.event(`grant-${asked.id}`, isType("AccessGranted"));
    assert.deepEqual([open.state, open.approvers], ["open", ["bo"]]);

    const client = await stack.connect();
    assert.deepEqual((await client.query("select 1 as one")).rows, [{ one: 1 }]);
    for (const other of ["cy", "bo", "robot", "admin"] as const) assert.deepEqual(await refusedToOpen(other), ["42501", "policy.denied"], other);
    const [resource] = (await cli("ana", "resources")) as { access: { standing: boolean; grantedUntil: string } }[];
    assert.deepEqual([resource?.access.standing, resource?.access.grantedUntil], [false, open.endsAt]);
    const { data: opened } = await stack.event("session-", isType("SessionOpened"));
    assert.equal(opened.grantId, open.id);
    for (const commandId of ["", "1"]) {
      const explained = (await cli("bo", "explain", opened.sessionId, ...(commandId === "" ? [] : [commandId]))) as { verdict: string; grant: Grant };
      assert.deepEqual([explained.verdict, explained.grant.id], ["same", open.id]);
    }
    assert.deepEqual(await eventsOf(open.id), ["AccessRequested", "AccessApproved", "AccessGranted", "GrantUsed"]);
    await client.end();
    await cli("ana", "grants", "revoke", open.id);
    assert.deepEqual(await refusedToOpen("ana"), ["42501", "policy.denied"]);

    const { position: after } = await stack.event(`grant-${asked.id}`, isType("GrantRevoked"));
    const then = async (position: bigint): Promise<unknown> => {
      const { grants } = (await cli("bo", "as-of", String(position), "state")) as { grants: Grant[] };
      const { access } = (await cli("bo", "as-of", String(position), "access", "--identity", "ana")) as {
        access: { grantedUntil?: string; decisions: { action: string; effect: string }[] }[];
      };
      return [grants.map(({ state }) => state), access[0]?.grantedUntil, access[0]?.decisions[0]?.effect];
    };
    assert.deepEqual(await Promise.all([beforehand, during, after].map(then)), [
      [["pending"], undefined, "deny"],
      [["open"], open.endsAt, "allow"],
      [[], undefined, "deny"],
    ]);
  });

  it("ends a query in the middle when it is revoked: an error that says so, and nothing after it", async () => {
    const grant = await granted();
    const admin = await stack.connectDirect();
    const sleeper = await stack.connect("ana", { application_name: "sleeper" });
    const asleep = failure(sleeper.query("select pg_sleep(600)"));
    const wire = await openWire(cleanup, stack);
    wire.write(query("select repeat('x', 1000) from generate_series(1, 10000)"));
    wire.write(query("select pg_sleep(600)"));
    await wire.more("C");
    await running(admin, "sleeper");
    await cli("bo", "grants", "revoke", grant.id, "--reason", "over");
    assert.deepEqual(await asleep, ["57P01", "grant.revoked"]);
    await wire.ended();
    const last = wire.messages.at(-1);
    assert.ok(last);
    assert.deepEqual(failureOf(last), ["FATAL", "57P01", "grant.revoked"]);
    await gone(admin, "sleeper");
    const ended = await stack.event(
      "session-",
      isType("SessionEnded", ({ data }) => data.cause === "grant_revoked"),
    );
    assert.match(ended.data.message, /revoked/u);
    assert.deepEqual(await refusedToOpen("ana"), ["42501", "policy.denied"]);
  });

  it("is followed by another one without an end to the session, which is recorded, replayed and explained; revoking ends it", async () => {
    const short = await grantedAtOnce(4);
    const live = await stack.connect();
    const across = live.query("select pg_sleep(5), 1 as one");
    const longer = await grantedAtOnce(600);
    assert.equal((await across).rows.length, 1);
    const continued = await stack.event(
      "session-",
      isType("SessionContinued", ({ data }) => data.grantId === longer.id),
    );
    assert.equal(continued.data.formerGrantId, short.id);
    assert.deepEqual((await live.query("select 2 as two")).rows, [{ two: 2 }]);
    const { sessionId } = continued.data;
    const explained = (await cli("bo", "explain", sessionId, "2")) as { verdict: string; grant: Grant; continued?: { verdict: string } };
    assert.deepEqual([explained.verdict, explained.grant.id, explained.continued?.verdict], ["same", longer.id, "same"]);
    const replayed = stack.cli("bo", "sessions", "replay", sessionId);
    await replayed.exited;
    assert.match(replayed.stdout, new RegExp(`goes on by grant ${longer.id}, after ${short.id}`, "u"));
    assert.deepEqual(await eventsOf(short.id), ["AccessRequested", "AccessApproved", "AccessGranted", "GrantUsed", "GrantExpired"]);

    const another = await grantedAtOnce(600);
    const over = refused(live.query("select pg_sleep(600)"));
    await revoke(longer.id);
    const error = await over;
    assert.deepEqual([error.severity, error.code], ["FATAL", "57P01"]);
    assert.match(error.message, /was revoked\. You have other access to it: connect again\.$/u);
    assert.match(error.hint ?? "", /^Connect again: it is open to you now/u);
    const again = await stack.connect();
    const last = refused(again.query("select pg_sleep(600)"));
    await revoke(another.id);
    assert.match((await last).hint ?? "", /^Ask for access: /u);
  });

  it("ends a live session on time, and outlives a restart", async () => {
    const longer = await granted();
    await stack.killControlPlane();
    await stack.startControlPlane();
    await stack.linked();
    const client = await stack.connect();
    assert.deepEqual((await client.query("select 1 as one")).rows, [{ one: 1 }]);
    await client.end();
    await cli("bo", "grants", "revoke", longer.id);

    const short = await grantedAtOnce(4);
    const live = await stack.connect();
    assert.deepEqual(await failure(live.query("select pg_sleep(600)")), ["57P01", "grant.expired"]);
    assert.deepEqual(await refusedToOpen("ana"), ["42501", "policy.denied"]);
    const opened = await stack.event(
      "session-",
      isType("SessionOpened", ({ data }) => data.grantId === short.id),
    );
    const ended = await stack.event(opened.stream, isType("SessionEnded"));
    assert.equal(ended.data.cause, "grant_expired");
    await stack.event(`grant-${short.id}`, isType("GrantExpired"));
    assert.deepEqual(await eventsOf(short.id), ["AccessRequested", "AccessApproved", "AccessGranted", "GrantUsed", "GrantExpired"]);
  });

  it("is refused for longer than policy gives, and to whom it does not let ask; whoever waits is told what was decided", async () => {
    const run = (person: Person, ...args: readonly string[]) => cli(person, "request", RESOURCE, "--reason", "stuck", ...args);
    assert.deepEqual(await run("ana", "--for", "9h"), [2, "input.invalid"]);
    assert.deepEqual(await run("cy", "--for", "30m"), [1, "policy.denied"]);
    const waiting = stack.cli("ana", "request", RESOURCE, "--for", "30m", "--reason", "stuck", "--wait");
    const [id = ""] = /[0-9a-f-]{36}/u.exec(await waiting.line(/pending/u)) ?? [];
    await cli("bo", "grants", "deny", id, "--comment", "not today");
    assert.equal((await waiting.exited).status, 1);
    assert.match(waiting.stdout, /denied by bo: not today/u);
    const { id: unwanted } = await ask();
    assert.deepEqual(await cli("bo", "grants", "withdraw", unwanted), [1, "auth.forbidden"]);
    assert.equal(((await cli("ana", "grants", "withdraw", unwanted)) as Grant).state, "withdrawn");
  });
});
