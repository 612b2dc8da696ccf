import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { query } from "../support/frontend-messages.ts";
import { openPolicy, type PolicyText } from "../support/policies.ts";
import { isType, type Person, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { gone, running } from "./backends.ts";
import { failure, failureOf } from "./failure.ts";
import { openWire } from "./gateway-wire.ts";
import { answerOf } from "./command-line.ts";

const HANG_MS = 60_000;

interface Listed {
  readonly version: string;
  readonly digest: string;
  readonly state: string;
  readonly required: number;
  readonly approvals: readonly { readonly by: string }[];
}

interface Trial {
  readonly unreproducible: number;
  readonly isRecorded: boolean;
  readonly differences: readonly { readonly kind: string; readonly count: number }[];
  readonly groups: readonly {
    readonly kind: string;
    readonly identity: string;
    readonly rulesNow: readonly string[];
    readonly count: number;
    readonly examples: readonly { readonly statement: string }[];
  }[];
}

const rule = (name: string, text: string): PolicyText => ({ name: `${name}.cedar`, text: `@id("${name}") ${text}` });
const noDeletes = rule("no-deletes", `forbid (principal, action == Action::"run", resource) when { context.verbs.contains("DELETE") };`);
const noDeletesForNewcomers = rule(
  "no-deletes-for-newcomers",
  `forbid (principal in Group::"newcomers", action == Action::"run", resource) when { context.verbs.contains("DELETE") };`,
);
const notForAna = rule("not-for-ana", `forbid (principal == Identity::"ana", action == Action::"open", resource);`);

describe("a change of the policy", { timeout: 6 * HANG_MS }, () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup, { policy: openPolicy });
    await put("bo", ["approvers", "auditors", "admins"]);
    await put("cy", ["admins"]);
    await (await stack.connectDirect()).query("create table orders (id int)");
  });

  const put = (id: string, groups: string[]) => stack.call("admin", (api) => api.identities.putIdentity({ id, kind: "human", groups }));

  const cli = (person: Person, ...args: readonly string[]): Promise<unknown> => answerOf(stack, person, ...args);
  function folder(name: string, ...files: readonly PolicyText[]): string {
    const path = join(stack.folder, name);
    mkdirSync(path, { recursive: true });
    for (const file of [...openPolicy, ...files]) writeFileSync(join(path, file.name), file.text);
    return path;
  }
  const propose = async (path: string): Promise<Listed> => (await cli("admin", "policy", "propose", path, "--reason", "safer")) as Listed;
  async function publish(path: string): Promise<string> {
    const { version, digest } = await propose(path);
    await cli("bo", "policy", "approve", version, digest);
    await cli("admin", "policy", "publish", version);
    return version;
  }
  const inForce = async (): Promise<string> => ((await cli("bo", "policy", "show")) as { version: string }).version;

  it("is recorded as made alone while there was nobody else", async () => {
    const first = await stack.event("policy-", isType("PolicyPublished"));
    assert.deepEqual([first.data.rule, first.data.required, first.data.approvers], ["first_policy", 0, []]);
  });

  it("needs another administrator, and is met by a running session at its next command", async () => {
    const client = await stack.connect();
    await client.query("delete from orders");
    const beforehand = await inForce();

    const path = folder("no-deletes", noDeletes);
    assert.deepEqual(await cli("ana", "policy", "propose", path), [1, "auth.forbidden"]);
    assert.deepEqual(await cli("admin", "policy", "publish", path, "--reason", "safer"), [1, "policy.unapproved"]);
    const proposal = await propose(path); // changes nothing: it is proposed
    const { version, digest } = proposal;
    assert.deepEqual([proposal.state, proposal.required], ["proposed", 1]);
    assert.deepEqual(await cli("admin", "policy", "approve", version, digest), [1, "approval.self"]);
    assert.deepEqual(await cli("ana", "policy", "approve", version, digest), [1, "auth.forbidden"]);
    assert.deepEqual(await cli("bo", "policy", "approve", version, "ab".repeat(32)), [1, "approval.drift"]);
    assert.deepEqual(await cli("bo", "policy", "approve", version, digest.slice(0, 8)), [2, "misused"]);
    const unread = stack.call("bo", (api) => api.policyChanges.approvePolicy({ version, comment: "", digest: "" }));
    await assert.rejects(unread, { code: "input.invalid" });
    assert.deepEqual(await cli("admin", "policy", "publish", version), [1, "policy.unapproved"]);
    assert.equal(await inForce(), beforehand);
    await client.query("delete from orders");

    const trial = (await cli("bo", "policy", "try", version, "--since", "1h")) as Trial;
    const [group] = trial.groups;
    assert.deepEqual(
      [trial.differences, trial.unreproducible, trial.isRecorded, group?.kind, group?.identity, group?.rulesNow, group?.count],
      [[{ kind: "newly_denied", count: 2 }], 0, true, "newly_denied", "ana", ["no-deletes"], 2],
    );
    assert.equal(group?.examples[0]?.statement, "delete from orders");
    const gate = (kinds: string) => cli("bo", "policy", "try", path, "--since", "1h", "--fail-on", kinds, "--identity", "ana");
    assert.equal(((await gate("newly-allowed,newly-approvable")) as Trial).isRecorded, false);
    const gated = stack.cli("bo", "--json", "policy", "try", path, "--since", "1h", "--fail-on", "newly-denied");
    assert.equal((await gated.exited).status, 1);
    assert.deepEqual((JSON.parse(gated.stdout) as Trial).differences, trial.differences);
    assert.deepEqual(await cli("ana", "policy", "try", path), [1, "auth.forbidden"]);
    const tried = await stack.event("policy-", isType("PolicyTried"));
    assert.deepEqual([tried.data.by, tried.data.rules], ["bo", [{ kind: "newly_denied", rule: "no-deletes", count: 2 }]]);

    assert.equal(((await cli("bo", "policy", "approve", version, digest.slice(0, 16), "--comment", "yes")) as Listed).state, "approved");
    assert.equal(await inForce(), beforehand);
    await cli("admin", "policy", "publish", version);
    assert.equal(await inForce(), version);
    assert.deepEqual(await failure(client.query("delete from orders")), ["42501", "policy.denied"]);
    assert.deepEqual((await client.query("select 1 as one")).rows, [{ one: 1 }]);
    const published = await stack.event(
      "policy-",
      isType("PolicyPublished", ({ data }) => data.version === version),
    );
    assert.deepEqual([published.data.rule, published.data.required, published.data.approvers], ["somebody_else", 1, ["bo"]]);
    const { policies } = (await cli("bo", "policy", "list", "--all")) as { policies: Listed[] };
    assert.deepEqual(
      policies.map(({ version: each, state }) => [each, state]),
      [
        [version, "published"],
        [beforehand, "retired"],
      ],
    );
    const earlier = (await cli("bo", "as-of", String(published.position - 1n), "policy")) as { version: string };
    assert.equal(earlier.version, beforehand);
    await client.end();
  });

  it("goes back to an earlier version by the same steps, and supersedes what was proposed on top of the other", async () => {
    const now = await inForce();
    const other = await propose(folder("other", notForAna));
    const back = (await cli("cy", "policy", "rollback", "--reason", "too strict")) as Listed;
    assert.deepEqual([back.state, back.required], ["proposed", 1]);
    await cli("admin", "policy", "approve", back.version, back.digest);
    await cli("bo", "policy", "publish", back.version);
    assert.equal(await inForce(), back.version);
    assert.notEqual(back.version, now);
    assert.deepEqual(await cli("bo", "policy", "approve", other.version, other.digest), [1, "policy.stale"]);
    assert.equal(((await cli("admin", "policy", "propose", join(stack.folder, "other"))) as Listed).state, "proposed");
    assert.equal(((await cli("bo", "policy", "reject", other.version, "--comment", "no")) as Listed).state, "rejected");
  });

  it("that names a group before anybody is in it refuses nobody meanwhile, and meets whoever joins it at their next command", async () => {
    const client = await stack.connect();
    await publish(folder("newcomers", noDeletesForNewcomers));
    assert.equal((await client.query("delete from orders")).command, "DELETE");
    assert.deepEqual((await client.query("select 1 as one")).rows, [{ one: 1 }]);
    await put("ana", ["engineers", "newcomers"]);
    assert.deepEqual(await failure(client.query("delete from orders")), ["42501", "policy.denied"]);
    assert.deepEqual((await client.query("select 1 as one")).rows, [{ one: 1 }], "and nothing else is refused");
    await put("ana", ["engineers"]);
    assert.equal((await client.query("delete from orders")).command, "DELETE");
    const unknown = rule("nobody-yet", `forbid (principal == Identity::"dora", action == Action::"open", resource);`);
    assert.deepEqual(await cli("admin", "policy", "propose", folder("unknown", unknown)), [1, "policy.invalid"]);
    await client.end();
  });

  it("ends a session in the middle of a query that it would not let open, with an error that says so and nothing after it", async () => {
    const admin = await stack.connectDirect();
    const sleeper = await stack.connect("ana", { application_name: "sleeper" });
    const other = await stack.connect("bo");
    const asleep = failure(sleeper.query("select pg_sleep(600)"));
    const wire = await openWire(cleanup, stack);
    wire.write(query("select repeat('x', 1000) from generate_series(1, 10000)"));
    wire.write(query("select pg_sleep(600)"));
    await wire.more("C");
    await running(admin, "sleeper");
    await publish(folder("not-for-ana", notForAna));
    assert.deepEqual(await asleep, ["42501", "policy.denied"]);
    await wire.ended();
    const last = wire.messages.at(-1);
    assert.ok(last);
    assert.deepEqual(failureOf(last), ["FATAL", "42501", "policy.denied"]);
    await gone(admin, "sleeper");
    const ended = await stack.event(
      "session-",
      isType("SessionEnded", ({ data }) => data.cause === "policy_changed"),
    );
    assert.match(ended.data.message, /not-for-ana/u);
    assert.deepEqual((await other.query("select 1 as one")).rows, [{ one: 1 }]);
    assert.deepEqual(await failure(stack.connect("ana")), ["42501", "policy.denied"]);
    await other.end();
  });
});
