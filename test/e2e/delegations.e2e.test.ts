import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { isType, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";

const policy = `
  @id("open") permit (principal, action == Action::"open", resource);
  @id("run") permit (principal, action == Action::"run", resource) when { context.riskClass == "read" };
  @id("drops") @approvals("1 from approvers") permit (principal, action == Action::"run", resource)
  when { context.hazards.contains("drop") && context.approvals >= 1 };
  @id("approve") permit (principal in Group::"approvers", action == Action::"approve", resource);`;

describe("a delegation, on the command line", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup, { policy: [{ name: "a.cedar", text: policy }] });
    await (await stack.connectDirect()).query("create table gone (id int)");
  });

  it("lets somebody approve in another's place, shows both, is explained, and ends", async () => {
    const client = await stack.connect();
    const dropped = client.query("drop table gone");
    const { data, stream } = await stack.event("approval-", isType("ApprovalRequested"));
    const refused = stack.cli("admin", "approvals", "approve", data.approvalId);
    assert.equal((await refused.exited).status, 1, refused.stdout);

    const given = stack.cli("bo", "--json", "delegate", "admin", "--for", "8h", "--reason", "at the dentist");
    assert.equal((await given.exited).status, 0, given.stderr);
    const { id } = JSON.parse(given.stdout) as { id: string };
    const listed = stack.cli("admin", "delegations");
    assert.equal((await listed.exited).status, 0, listed.stderr);
    assert.match(listed.stdout, /bo\s+admin\s+.*at the dentist/u);

    const approved = stack.cli("admin", "approvals", "approve", data.approvalId);
    assert.equal((await approved.exited).status, 0, approved.stderr);
    assert.equal((await dropped).command, "DROP");
    const vote = await stack.event(stream, isType("ApprovalGiven"));
    assert.deepEqual([vote.data.by, vote.data.onBehalfOf, vote.data.groups], ["admin", "bo", ["approvers"]]);
    const shown = stack.cli("bo", "approvals", "show", data.approvalId);
    assert.equal((await shown.exited).status, 0, shown.stderr);
    assert.match(shown.stdout, /admin in the place of bo/u);
    const explained = stack.cli("bo", "explain", data.sessionId, "1");
    assert.equal((await explained.exited).status, 0, explained.stdout);

    const foreign = stack.cli("ana", "delegations", "end", id);
    assert.notEqual((await foreign.exited).status, 0, foreign.stdout);
    const ended = stack.cli("admin", "delegations", "end", id.slice(0, 8), "--reason", "thank you");
    assert.equal((await ended.exited).status, 0, ended.stderr);
    assert.equal((await stack.event(`delegation-${id}`, isType("DelegationEnded"))).data.by, "admin");

    // The past is as it was: at its beginning it counted, and after its end it did not.
    const [begun, over] = await Promise.all([
      stack.event(`delegation-${id}`, isType("DelegationGiven")),
      stack.event(`delegation-${id}`, isType("DelegationEnded")),
    ]);
    const asOf = async (position: bigint, ...what: readonly string[]): Promise<string> => {
      const run = stack.cli("bo", "as-of", String(position), ...what);
      assert.equal((await run.exited).status, 0, run.stderr);
      return run.stdout;
    };
    assert.match(await asOf(begun.position, "state"), /IN THE PLACE OF[^]*\bbo\s+admin\b/u);
    assert.match(await asOf(begun.position, "access", "--identity", "admin"), /\bfor bo\b/u);
    assert.doesNotMatch(await asOf(over.position, "state"), /IN THE PLACE OF/u);
    assert.doesNotMatch(await asOf(over.position, "access", "--identity", "admin"), /\bfor bo\b/u);

    const none = stack.cli("bo", "delegations");
    await none.exited;
    assert.match(none.stdout, /Nobody decides in another's place/u);
  });

  it("may begin later, and is listed as scheduled until then", async () => {
    const startsAt = new Date(Date.now() + 3_600_000).toISOString();
    const given = stack.cli("bo", "--json", "delegate", "admin", "--from", startsAt, "--for", "5d", "--reason", "on leave");
    assert.equal((await given.exited).status, 0, given.stderr);
    const { id, state, ...told } = JSON.parse(given.stdout) as { id: string; state: string; startsAt: string; endsAt: string };
    assert.deepEqual([state, told.startsAt, Date.parse(told.endsAt) - Date.parse(startsAt)], ["scheduled", startsAt, 5 * 86_400_000]);
    const listed = stack.cli("admin", "delegations");
    assert.equal((await listed.exited).status, 0, listed.stderr);
    assert.match(listed.stdout, new RegExp(String.raw`scheduled\s+bo\s+admin\s+${startsAt}`, "u"));
    const { position } = await stack.event(`delegation-${id}`, isType("DelegationGiven"));
    const then = stack.cli("bo", "as-of", String(position), "state");
    assert.equal((await then.exited).status, 0, then.stderr);
    assert.match(then.stdout, /scheduled\s+bo\s+admin/u);
    for (const [from, why] of [
      ["2d", /is no instant/u],
      ["2026-01-01T00:00Z", /begins at an instant to come/u],
    ] as const) {
      const refused = stack.cli("bo", "delegate", "admin", "--from", from, "--for", "1d", "--reason", "on leave");
      assert.equal((await refused.exited).status, 2, refused.stdout);
      assert.match(refused.stderr, why);
    }
    const ended = stack.cli("bo", "delegations", "end", id);
    assert.equal((await ended.exited).status, 0, ended.stderr);
  });
});
