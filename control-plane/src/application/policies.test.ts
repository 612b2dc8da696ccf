import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import { nodeStream } from "../domain/node/node.events.ts";
import { type PolicyEvent, policyStream } from "../domain/policy/policy.events.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { newEvent } from "./new-event.ts";
import { policyVersion } from "./policy-version.ts";
import { admin, collect, fails, setStage, typesIn, until } from "./testing/stage.ts";

const policy = (text: string) => [{ name: "main.policy", text }];

describe("policies", () => {
  it("are none until one is published, and the same after a restart", async (t) => {
    const { app, restart } = await setStage(t);
    assert.equal(app.policies.current(), undefined);
    const version = await app.policies.publish(policy("approvers: bo"), "first", admin);
    assert.equal(app.policies.current()?.version, version);
    const again = await restart();
    assert.equal(again.policies.current()?.version, version);
    assert.deepEqual(again.policies.published(), { version, files: policy("approvers: bo"), by: "root", at: new Date("2026-11-22T10:00:00.000Z") });
  });

  it("have one version for the same rules, whatever the order of files and the ends of lines", () => {
    const [a, b] = [
      { name: "a", text: "1\r\n2" },
      { name: "b", text: "3" },
    ];
    assert.match(policyVersion([a, b]), /^p[0-9a-f]{12}$/);
    assert.equal(policyVersion([a, b]), policyVersion([b, { name: "a", text: "1\n2" }]));
    assert.notEqual(policyVersion([a, b]), policyVersion([a, { name: "b", text: "4" }]));
    assert.notEqual(policyVersion([{ name: "a", text: "bc" }]), policyVersion([{ name: "ab", text: "c" }]));
  });

  it("that do not check are not published, and every problem is named", async (t) => {
    const { app, ledger } = await setStage(t);
    await assert.rejects(app.policies.publish([...policy("broken"), { name: "other", text: "broken" }], "", admin), (error) => {
      assert.ok(fails("policy.invalid")(error));
      assert.match(String(error), /main\.policy:1: it is broken\nother:1: it is broken/);
      return true;
    });
    await assert.rejects(app.policies.publish([...policy("x"), ...policy("y")], "", admin), fails("policy.invalid"));
    assert.deepEqual(await typesIn(ledger, policyStream()), []);
  });

  it("that would show a reader on a terminal other rules than those that decide are not proposed; one that is in force loads as before", async (t) => {
    const { app, ledger } = await setStage(t);
    const hiding = "approvers: bo\n// harmless\u001b[2K\rapprovers: cy";
    await assert.rejects(app.policies.propose(policy(hiding), "", { id: "root", kind: "human", groups: ["admins"] }, admin), (error) => {
      assert.ok(fails("policy.invalid")(error));
      assert.match(String(error), /main\.policy:2: The control character U\+001B/u);
      return true;
    });
    for (const text of ["approvers: bo // \u202e", "approvers: bo\u0085"])
      assert.equal((await app.policies.check(policy(text))).problems[0]?.severity, "error");
    const named = await app.policies.check([{ name: "main\r.policy", text: "approvers: bo" }]);
    assert.equal(named.problems[0]?.line, 0);
    const harmless = await app.policies.check(policy("approvers: bo\r\n\t// ok\r\n"));
    assert.ok(harmless.problems.every(({ severity }) => severity !== "error"));
    await publishUnchecked(ledger, "p2", hiding, "", "none");
    await until("it is in force", () => app.policies.current()?.version === "p2");
  });

  it("published again while in force change nothing", async (t) => {
    const { app, ledger } = await setStage(t);
    await app.policies.publish(policy("approvers: bo"), "", admin);
    await app.policies.publish(policy("approvers: bo"), "", admin);
    assert.deepEqual(await typesIn(ledger, policyStream()), ["PolicyProposed", "PolicyPublished"]);
  });

  it("can go back to an earlier version, and reach other nodes", async (t) => {
    const { app, restart } = await setStage(t);
    const other = await restart();
    const first = await app.policies.publish(policy("approvers: bo"), "", admin);
    await app.policies.publish(policy("approvers: cy"), "", admin);
    assert.equal(await app.policies.publish(policy("approvers: bo"), "back", admin), first);
    await until("the other node has it", () => other.policies.current()?.version === first && other.policies.published()?.files[0]?.text === "approvers: bo");
  });

  it("that do not load leave the one before in force at that node, which says so (I3)", async (t) => {
    const { app, ledger, restart } = await setStage(t);
    const first = await app.policies.publish(policy("approvers: bo"), "", admin);
    await publishUnchecked(ledger, "p2", "fails to load", first, 1n);
    await until("it says so", () => app.policies.published()?.version === "p2" && app.policies.current()?.version === first);
    assert.equal(app.policies.loadFailure()?.version, "p2");
    await app.policies.settled();
    const said = (await collect(ledger.readStream(nodeStream("one")))).at(-1);
    assert.deepEqual([said?.type, said?.data], ["PolicyLoadFailed", { nodeId: "one", policyVersion: "p2", keeps: first, cause: "it does not load" }]);

    const again = await restart();
    assert.deepEqual([again.policies.current()?.version, again.policies.loadFailure()?.keeps], [first, first]);
    const next = await again.policies.publish(policy("approvers: cy"), "", admin);
    assert.deepEqual([again.policies.current()?.version, again.policies.loadFailure()], [next, undefined]);
  });

  it("that do not load, with none before them that does, leave no policy in force (I3)", async (t) => {
    const { app, ledger, restart } = await setStage(t);
    await publishUnchecked(ledger, "p2", "fails to load", "", "none");
    await until("refused", () => app.policies.loadFailure()?.keeps === "" || app.policies.current() !== undefined);
    assert.equal(app.policies.current(), undefined);
    assert.equal((await restart()).policies.current(), undefined);
    await assert.rejects(app.approvals.approve("x", { id: "bo", kind: "human", groups: [] }, "", undefined, admin), fails("policy.missing"));
  });
});

/** As a newer release on another node could. */
async function publishUnchecked(ledger: Ledger, version: string, text: string, base: string, expected: bigint | "none"): Promise<void> {
  const digest = "ab".repeat(32);
  const proposal = { version, digest, files: policy(text), names: { groups: [], labels: [] }, reason: "", base, proposedBy: "root", required: 0 };
  const events: PolicyEvent[] = [
    { type: "PolicyProposed", data: proposal },
    { type: "PolicyPublished", data: { version, digest, required: 0, rule: "nobody_else", approvers: [] } },
    ...(base === "" ? [] : [{ type: "PolicyRetired", data: { version: base, replacedBy: version } } as const]),
  ];
  const stored = events.map((event) => newEvent(randomUUID(), event, admin, "2026-11-22T10:00:00.000Z"));
  await ledger.append(policyStream(), stored, expected);
}
