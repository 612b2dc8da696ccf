import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { policyStream } from "../domain/policy/policy.events.ts";
import { policyVersion } from "./policies.ts";
import { admin, fails, setStage, typesIn, until } from "./testing/stage.ts";

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

  it("that do not load any more leave no policy in force (I3)", async (t) => {
    const { app, ledger, restart } = await setStage(t);
    const metadata = { $correlationId: "c", actor: admin.actor, schemaVersion: 1, at: "2026-11-22T10:00:00.000Z" };
    await app.policies.publish(policy("approvers: bo"), "", admin);
    await ledger.append(
      policyStream(),
      [
        { id: "0f6f1f0e-3a55-4c0e-9f5e-0d6a9b1f7a01", type: "PolicyProposed", data: { version: "p2", files: policy("fails to load"), reason: "" }, metadata },
        { id: "0f6f1f0e-3a55-4c0e-9f5e-0d6a9b1f7a02", type: "PolicyPublished", data: { version: "p2" }, metadata },
      ],
      1n,
    );
    await until("refused", () => app.policies.current() === undefined);
    assert.equal((await restart()).policies.current(), undefined);
    await assert.rejects(app.approvals.approve("x", { id: "bo", kind: "human", groups: [] }, "", undefined, admin), fails("policy.missing"));
  });
});
