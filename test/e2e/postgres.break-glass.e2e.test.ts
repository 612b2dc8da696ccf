import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import type { Session } from "@sallyport/proto/gen/sallyport/api/v1/api";
import type { Grant } from "@sallyport/proto/gen/sallyport/api/v1/grant";
import { configureChannels } from "../support/notification-channels.ts";
import { isType, type Person, RESOURCE, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { WebhookServer } from "../support/webhook-server.ts";
import { gone, running } from "./backends.ts";
import { failure } from "./failure.ts";
import { answerOf } from "./command-line.ts";

/** An answer that does not come within this never will. */
const HANG_MS = 240_000;

const policy = [
  {
    name: "emergency.cedar",
    text: `
      @id("open-granted") permit (principal, action == Action::"open", resource) when { context.granted };
      @id("masked") @mask("customers.email:full") permit (principal, action == Action::"run", resource) when { !context.emergency };
      @id("unmasked") permit (principal, action == Action::"run", resource) when { context.emergency };
      @id("ask") permit (principal, action == Action::"request", resource) when { context.approvals >= 1 };
      @id("oncall") @maxDuration("1h") @reviewWithin("2s") @notify("security")
      permit (principal in Group::"engineers", action == Action::"break_glass", resource) when { principal.kind == "human" };
      @id("approve") permit (principal in Group::"approvers", action == Action::"approve", resource);`,
  },
];

describe("break-glass", { timeout: HANG_MS }, () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  let hook: WebhookServer;
  before(async () => {
    hook = await WebhookServer.start(cleanup);
    const { env } = configureChannels(cleanup, [{ name: "security", kind: "webhook", server: hook, more: { events: ["break-glass"] } }]);
    stack = await Stack.start(cleanup, { policy, env });
    await (await stack.connectDirect()).query("create table customers (id int, email text); insert into customers values (1, 'ada@example.com')");
  });

  const cli = (person: Person, ...args: readonly string[]): Promise<unknown> => answerOf(stack, person, ...args);
  const break_ = async (...more: readonly string[]): Promise<Grant> => (await cli("ana", "break-glass", RESOURCE, "--reason", "on fire", ...more)) as Grant;
  const told = async (kind: string, grantId: string): Promise<void> => void (await hook.first(({ body }) => body.includes(kind) && body.includes(grantId)));
  const review = (person: Person, id: string, verdict = "justified") =>
    cli(person, "break-glass", "review", id, "--verdict", verdict, "--comment", "I looked at it");

  it("opens at once what is closed, alerts others, marks the session, and is reviewed by somebody else", async () => {
    assert.deepEqual(await failure(stack.connect()), ["42501", "policy.denied"]);
    assert.deepEqual(await cli("bo", "break-glass", RESOURCE, "--reason", "curious"), [1, "policy.denied"]);
    assert.deepEqual(await cli("robot", "break-glass", RESOURCE, "--reason", "beep"), [1, "approval.machine"]);

    const grant = await break_("--ticket", "INC-1", "--for", "30m");
    assert.deepEqual([grant.state, grant.emergency, grant.quorum, grant.rule], ["open", true, 0, "oncall"]);
    await told("break_glass.opened", grant.id);

    const client = await stack.connect();
    assert.deepEqual((await client.query("select email from customers")).rows, [{ email: "ada@example.com" }]);
    const { data: opened } = await stack.event("session-", isType("SessionOpened"));
    assert.deepEqual([opened.grantId, opened.emergency], [grant.id, true]);
    const [listed] = (await cli("ana", "sessions", "list")) as Session[];
    assert.deepEqual([listed?.id, listed?.emergency], [opened.sessionId, true]);
    const shown = (await cli("bo", "sessions", "show", opened.sessionId)) as Session;
    assert.equal(shown.emergency, true);
    const replay = stack.cli("bo", "sessions", "replay", opened.sessionId);
    assert.equal((await replay.exited).status, 0);
    assert.match(replay.stdout, new RegExp(`by break-glass ${grant.id}`, "u"));
    const explained = (await cli("bo", "explain", opened.sessionId, "1")) as { verdict: string };
    assert.equal(explained.verdict, "same");

    assert.deepEqual(await review("bo", grant.id), [2, "input.invalid"], "it is still open");
    const admin = await stack.connectDirect();
    const sleeper = await stack.connect("ana", { application_name: "sleeper" });
    const asleep = failure(sleeper.query("select pg_sleep(600)"));
    await running(admin, "sleeper");
    await cli("bo", "grants", "revoke", grant.id, "--reason", "enough");
    assert.deepEqual(await asleep, ["57P01", "grant.revoked"]);
    await gone(admin, "sleeper");
    assert.deepEqual(await failure(stack.connect()), ["42501", "policy.denied"]);

    assert.deepEqual(await review("ana", grant.id), [1, "approval.self"]);
    assert.deepEqual([((await review("bo", grant.id)) as Grant).verdict], ["justified"]);
    await told("break_glass.reviewed", grant.id);
    assert.deepEqual(await review("cy", grant.id, "misused"), [1, "approval.already_decided"]);
  });

  it("leaves a session of ordinary access as it was, with its masks", async () => {
    const { id } = (await cli("ana", "request", RESOURCE, "--for", "30m", "--reason", "routine")) as Grant;
    await cli("bo", "grants", "approve", id);
    const client = await stack.connect();
    const [row] = (await client.query<{ email: string }>("select email from customers")).rows;
    assert.ok(row);
    assert.doesNotMatch(row.email, /ada/u);
    await client.end();
    await cli("ana", "grants", "revoke", id);
  });

  it("is said to be overdue when nobody reviews it in time, also when the control plane was down then, and stands in the way of another", async () => {
    const grant = await break_("--for", "1s");
    await stack.killControlPlane();
    await stack.startControlPlane();
    await stack.event(`grant-${grant.id}`, isType("BreakGlassReviewOverdue"));
    await told("break_glass.overdue", grant.id);
    assert.deepEqual(await cli("ana", "break-glass", RESOURCE, "--reason", "again"), [1, "auth.forbidden"]);
    const list = stack.cli("bo", "grants", "list");
    assert.equal((await list.exited).status, 0);
    assert.match(list.stdout, /OVERDUE since/u);
    assert.equal(((await review("bo", grant.id, "misused")) as Grant).verdict, "misused");
    assert.equal((await break_("--for", "1s")).state, "open");
  });
});
