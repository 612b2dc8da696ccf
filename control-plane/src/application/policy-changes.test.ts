import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { SallyportError } from "@sallyport/proto/errors";
import fc from "fast-check";
import { getShortestPaths } from "xstate/graph";
import type { Principal } from "../domain/decision.ts";
import type { ConfiguredApprovals } from "../domain/policy/approvals-required.ts";
import type { VersionState } from "../domain/policy/policy.decider.ts";
import { type PolicyEvent, policyStream } from "../domain/policy/policy.events.ts";
import { policyMachine } from "../domain/policy/policy.machine.ts";
import { approvedBy, proposed, published, rejectedBy, retired, superseded, tried, withdrawnBy } from "../domain/policy/policy.samples.ts";
import type { Application } from "./application.ts";
import { policyVersion } from "./policy-version.ts";
import type { CommandContext } from "./ports.ts";
import { human } from "./testing/samples.ts";
import { admin, fails, setStage, type Stage, typesIn, until } from "./testing/stage.ts";

const files = (text: string) => [{ name: "main.policy", text: `approvers: ${text}` }];
const administrator = (id: string): Principal => ({ ...human(id), groups: ["admins"] });
const as = (id: string): CommandContext => ({ ...admin, actor: { kind: "human", id } });

/** Ana, Bo and Cy administer, and a first policy is in force. */
async function world(t: TestContext, policyApprovals: ConfiguredApprovals = "auto"): Promise<Stage & { readonly first: string }> {
  const stage = await setStage(t, { policyApprovals });
  for (const id of ["ana", "bo", "cy"]) await stage.app.identities.put(administrator(id), admin);
  return { ...stage, first: await stage.app.policies.publish(files("first"), "first", as("ana")) };
}
const propose = async ({ policies }: Application, text = "next", by = "ana"): Promise<string> =>
  (await policies.propose(files(text), "why", administrator(by), as(by))).version;
const approve = ({ policies }: Application, version: string, by: string) => policies.approve(version, undefined, administrator(by), "", as(by));
const knows = ({ policies }: Application, version: string): boolean => policies.versions().some((each) => each.version === version);
const codeOf = (settled: PromiseSettledResult<unknown>): string =>
  settled.status === "fulfilled" ? "done" : settled.reason instanceof SallyportError ? settled.reason.code : "?";

describe("a change of the policy", () => {
  it("needs somebody else once there is somebody, and the short way stops there", async (t) => {
    const { app, first } = await world(t);
    await assert.rejects(app.policies.publish(files("next"), "", as("ana")), fails("policy.unapproved"));
    const version = policyVersion(files("next"));
    assert.equal(app.policies.find(version)?.state, "proposed");
    assert.equal(app.policies.current()?.version, first);
    await assert.rejects(approve(app, version, "ana"), fails("approval.self"));
    await approve(app, version, "bo");
    await app.policies.publishProposed(version, as("ana"));
    assert.equal(app.policies.current()?.version, version);
    assert.deepEqual(app.policies.find(version)?.approvals, [{ by: "bo", comment: "" }]);
  });

  it("is made alone by whoever is alone, and the record says so", async (t) => {
    const { app, ledger } = await setStage(t);
    await app.identities.put(administrator("ana"), admin);
    await app.identities.put({ ...human("robot"), kind: "machine", groups: ["admins"] }, admin);
    await app.policies.publish(files("first"), "", as("ana"));
    await app.policies.publish(files("second"), "", as("ana"));
    const rules: string[] = [];
    for await (const { type, data } of ledger.readStream(policyStream())) if (type === "PolicyPublished") rules.push((data as { rule: string }).rule);
    assert.deepEqual(rules, ["first_policy", "nobody_else"]);
    // What a machine proposes, the one person there is must agree to.
    await assert.rejects(app.policies.publish(files("third"), "", { ...admin, actor: { kind: "machine", id: "robot" } }), fails("policy.unapproved"));
  });

  it("counts two who agree in the same millisecond at two nodes as two", async (t) => {
    const { app, join } = await world(t, 2);
    const other = await join("two");
    const version = await propose(app);
    await until("the other node knows", () => knows(other, version));
    await Promise.all([approve(app, version, "bo"), approve(other, version, "cy")]);
    await until("both see both", () => [app, other].every(({ policies }) => policies.find(version)?.approvals.length === 2));
    assert.equal((await app.policies.publishProposed(version, as("ana"))).state, "published");
  });

  it("counts one person who agrees twice at once as one", async (t) => {
    const { app, join } = await world(t, 2);
    const other = await join("two");
    const version = await propose(app);
    await until("the other node knows", () => knows(other, version));
    await Promise.all([approve(app, version, "bo"), approve(other, version, "bo")]);
    await assert.rejects(app.policies.publishProposed(version, as("ana")), fails("policy.unapproved"));
  });

  it("is either agreed to and then rejected, or rejected and not agreed to, when both happen at once", async (t) => {
    const { app, join } = await world(t);
    const other = await join("two");
    const version = await propose(app);
    await until("the other node knows", () => knows(other, version));
    const [agreed, refused] = await Promise.allSettled([approve(app, version, "bo"), other.policies.reject(version, administrator("cy"), "no", as("cy"))]);
    assert.equal(codeOf(refused), "done");
    assert.ok(["done", "approval.already_decided"].includes(codeOf(agreed)));
    await until("both see the end", () => [app, other].every(({ policies }) => policies.find(version)?.state === "rejected"));
    await assert.rejects(app.policies.publishProposed(version, as("ana")), fails("approval.already_decided"));
  });

  it("is published once, by however many at once", async (t) => {
    const { app, join, ledger } = await world(t);
    const other = await join("two");
    const version = await propose(app);
    await approve(app, version, "bo");
    await until("the other node knows", () => other.policies.find(version)?.state === "approved");
    await Promise.all([app, other, app, other].map(({ policies }) => policies.publishProposed(version, as("ana"))));
    assert.equal((await typesIn(ledger, policyStream())).filter((type) => type === "PolicyPublished").length, 2);
  });

  it("is stale when another was published first, also in the same instant", async (t) => {
    const { app, join, ledger } = await world(t);
    const other = await join("two");
    const [a, b] = [await propose(app, "a"), await propose(app, "b", "bo")];
    await approve(app, a, "cy");
    await approve(app, b, "cy");
    await until("the other node knows", () => other.policies.find(b)?.state === "approved");
    const codes = (await Promise.allSettled([app.policies.publishProposed(a, as("ana")), other.policies.publishProposed(b, as("bo"))])).map(codeOf).toSorted();
    assert.deepEqual(codes, ["done", "policy.stale"]);
    await until("both agree", () => app.policies.current()?.version === other.policies.current()?.version);
    assert.deepEqual((await typesIn(ledger, policyStream())).slice(-3), ["PolicyPublished", "PolicyRetired", "PolicySuperseded"]);
    const loser = [a, b].find((version) => version !== app.policies.current()?.version) ?? "";
    assert.equal(app.policies.find(loser)?.state, "superseded");
  });

  it("goes back to the version before, or to one that is named, and to none that never was in force", async (t) => {
    const { app, first } = await world(t);
    const version = await propose(app);
    await approve(app, version, "bo");
    await app.policies.publishProposed(version, as("ana"));
    await assert.rejects(app.policies.goBack(version, "", administrator("ana"), as("ana")), fails("input.invalid"));
    await assert.rejects(app.policies.goBack("p000000000000", "", administrator("ana"), as("ana")), fails("policy.not_found"));
    for (const named of ["", first]) assert.equal((await app.policies.goBack(named, "back", administrator("ana"), as("ana"))).version, first);
    await approve(app, first, "cy");
    await app.policies.publishProposed(first, as("ana"));
    assert.equal(app.policies.current()?.version, first);
  });

  it("is after a restart what it was, at every step", async (t) => {
    const { app, restart } = await world(t);
    const version = await propose(app);
    const same = async (): Promise<void> => assert.deepEqual((await restart()).policies.versions(), app.policies.versions());
    await same();
    await approve(app, version, "bo");
    await same();
    await app.policies.publishProposed(version, as("ana"));
    await same();
  });

  it("forgets who is forgotten in what it shows", async (t) => {
    const { app, restart } = await world(t);
    const version = await propose(app);
    await app.policies.approve(version, undefined, administrator("bo"), "I am Bo", as("bo"));
    const { id } = await app.erasures.request("bo", "they asked", administrator("ana"), as("ana"));
    for (const by of ["cy", "dan"]) {
      await app.identities.put(administrator(by), admin);
      await app.erasures.approve(id, administrator(by), "", as(by));
    }
    assert.ok(!/"bo"|I am Bo/u.test(JSON.stringify(app.policies.versions())));
    assert.deepEqual((await restart()).policies.versions(), app.policies.versions());
  });
});

describe("every path through the life of a policy", () => {
  const events: PolicyEvent[] = [
    proposed("next", "p0", 1),
    tried("next"),
    approvedBy("bo", "next"),
    rejectedBy("cy", "next"),
    withdrawnBy("ana", "next"),
    superseded("next", "other"),
    published("next", ["bo"], 1),
    retired("next", "other"),
  ];
  const paths = getShortestPaths(policyMachine, {
    events,
    limit: 5_000,
    serializeState: ({ value, context }: VersionState) => `${value} ${context.approvers.join()}`,
  });

  /** What somebody does so that this happens. */
  async function bring(app: Application, event: PolicyEvent, version: string): Promise<void> {
    switch (event.type) {
      case "PolicyProposed":
        await propose(app);
        return;
      case "PolicyTried":
        await app.policies.recordTrial({ ...event.data, version }, as("ana"));
        return;
      case "PolicyApproved":
        await approve(app, version, event.data.by);
        return;
      case "PolicyRejected":
        await app.policies.reject(version, administrator(event.data.by), "", as(event.data.by));
        return;
      case "PolicyProposalWithdrawn":
        await app.policies.withdraw(version, administrator("ana"), as("ana"));
        return;
      case "PolicyPublished":
        await app.policies.publishProposed(version, as("ana"));
        return;
      case "PolicySuperseded":
      case "PolicyRetired": {
        const other = await propose(app, `other ${String(Math.random())}`, "cy");
        await approve(app, other, "ana");
        await app.policies.publishProposed(other, as("cy"));
      }
    }
  }

  it("is walked by the commands, on the real ledger, to the state that the machine says", async (t) => {
    assert.deepEqual(new Set(paths.map(({ state }) => state.value)), new Set(Object.keys(policyMachine.states)));
    for (const { state, steps } of paths) {
      const { app } = await world(t);
      const version = policyVersion(files("next"));
      for (const { event } of steps) if ("data" in event) await bring(app, event, version);
      assert.equal(app.policies.find(version)?.state ?? "absent", state.value);
      assert.deepEqual(app.policies.find(version)?.approvals.map(({ by }) => by) ?? [], state.context.approvers);
    }
  });

  it("never puts a policy in force that nobody else agreed to, whatever is tried in whatever order", async (t) => {
    const people = ["ana", "bo", "cy"] as const;
    const moves = fc.array(fc.record({ what: fc.nat({ max: 5 }), who: fc.constantFrom(...people), which: fc.constantFrom("x", "y") }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(moves, async (all) => {
        const { app, ledger } = await world(t);
        for (const { what, who, which } of all) {
          const version = policyVersion(files(which));
          const attempt = [
            () => propose(app, which, who),
            () => approve(app, version, who),
            () => app.policies.reject(version, administrator(who), "", as(who)),
            () => app.policies.withdraw(version, administrator(who), as(who)),
            () => app.policies.publishProposed(version, as(who)),
            () => app.policies.publish(files(which), "", as(who)),
          ][what];
          await attempt?.().catch((error: unknown) => assert.ok(error instanceof SallyportError, String(error)));
        }
        const proposers = new Map<string, string>();
        for await (const { type, data } of ledger.readStream(policyStream())) {
          const { version, proposedBy = "", approvers = [] } = data as { version: string; proposedBy?: string; approvers?: string[] };
          if (type === "PolicyProposed") proposers.set(version, proposedBy);
          if (type !== "PolicyPublished" || version === policyVersion(files("first"))) continue;
          assert.ok(approvers.length > 0 && !approvers.includes(proposers.get(version) ?? ""));
        }
      }),
      { numRuns: 15 },
    );
  });
});
