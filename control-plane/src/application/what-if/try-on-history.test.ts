import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it, type TestContext } from "node:test";
import { type RecordedDecision, recordDecision } from "../../domain/decision.ts";
import type { CommandFacts, RiskClass } from "../../domain/facts.ts";
import { policyStream } from "../../domain/policy/policy.events.ts";
import { type SessionEvent, sessionStream } from "../../domain/session/session.events.ts";
import { createCedarCompiler } from "../../policy/compiler.ts";
import { createApplication } from "../application.ts";
import { newEvent } from "../new-event.ts";
import { policyVersion } from "../policy-version.ts";
import { ManualTime } from "../testing/manual-time.ts";
import { command, completed, denied, ended, human, opened, orders, requested } from "../testing/samples.ts";
import { admin, openSealed, silent } from "../testing/stage.ts";
import type { WhatIfQuestion, WhatIfReport } from "./report.ts";
import { tryOnHistory } from "./try-on-history.ts";

const compiler = createCedarCompiler();
const HOUR_MS = 3_600_000;

const policy = (...rules: readonly string[]) => [
  { name: "a.cedar", text: [`@id("open") permit (principal, action == Action::"open", resource);`, ...rules].join("\n") },
];
const reads = `@id("reads") permit (principal in Group::"engineers", action == Action::"run", resource) when { context.riskClass == "read" };`;
const writes = `@id("writes") permit (principal, action == Action::"run", resource) when { context.riskClass == "write" && context.approvals >= 1 };`;
const first = policy(reads, writes);

interface World {
  readonly app: Awaited<ReturnType<typeof createApplication>>;
  /** As the gateway records what it decides, in a session of its own unless one is named. */
  run(
    riskClass: RiskClass,
    more?: { readonly who?: string; readonly fingerprint?: string; readonly session?: string; readonly commandId?: number },
  ): Promise<string>;
  begin(who?: string): Promise<string>;
  append(sessionId: string, ...events: readonly SessionEvent[]): Promise<void>;
  tried(rules: WhatIfQuestion["files"], more?: Partial<WhatIfQuestion>): Promise<WhatIfReport>;
  readonly ledger: Awaited<ReturnType<typeof openSealed>>["ledger"];
  readonly sealing: Awaited<ReturnType<typeof openSealed>>["sealing"];
}

async function world(t: TestContext): Promise<World> {
  const { ledger, sealing } = await openSealed(t);
  const clock = new ManualTime(new Date().toISOString());
  const app = await createApplication({ ledger, clock, log: silent, compiler, subjects: sealing.subjects, nodeId: "one", scheduler: clock });
  t.after(() => Promise.all([app.failClosed.close(), app.live.close()]));
  for (const id of ["ana", "bo"]) await app.identities.put({ ...human(id), groups: ["engineers"] }, admin);
  await app.resources.offer("a1", [orders]);
  await app.policies.publish(first, "first", admin);

  const revisions = new Map<string, bigint>();
  async function append(sessionId: string, ...events: readonly SessionEvent[]): Promise<void> {
    const stored = events.map((event) => newEvent(randomUUID(), event, admin, new Date().toISOString()));
    const { revision } = await ledger.append(sessionStream(sessionId), stored, revisions.get(sessionId) ?? "none");
    revisions.set(sessionId, revision);
  }
  async function begin(who = "ana"): Promise<string> {
    const sessionId = randomUUID();
    const principal = app.identities.find(who) ?? human(who);
    const decision = app.policies.current()?.decide({ principal, action: "open", resource: orders });
    assert.ok(decision);
    const event = { ...opened(sessionId), data: { sessionId, agentId: "a1", decision: recordDecision(decision) } } as SessionEvent;
    await append(sessionId, requested(sessionId, { id: principal.id, kind: principal.kind, groups: principal.groups }), event);
    return sessionId;
  }
  return {
    app,
    ledger,
    sealing,
    begin,
    append,
    async run(riskClass, { who = "ana", fingerprint = "f1", session, commandId = 1 } = {}) {
      const sessionId = session ?? (await begin(who));
      const asked = command(commandId, `statement ${fingerprint}`);
      const facts: CommandFacts = { ...asked.facts, riskClass, fingerprint };
      const decision = app.policies.current()?.decide({ principal: app.identities.find(who) ?? human(who), action: "run", resource: orders, facts });
      assert.ok(decision);
      const data = { ...asked, facts, decision: recordDecision(decision) };
      const event: SessionEvent =
        decision.effect === "allow"
          ? { type: "CommandAuthorized", data: { ...data, obligations: decision.obligations } }
          : decision.effect === "deny"
            ? { type: "CommandDenied", data: { ...data, code: "policy.denied" } }
            : { type: "CommandHeld", data: { ...data, approvalId: randomUUID(), expiresAt: new Date().toISOString() } };
      await append(sessionId, event);
      return sessionId;
    },
    tried: (rules, more = {}) =>
      tryOnHistory(
        { ledger, compiler },
        {
          version: policyVersion(rules),
          files: rules,
          since: new Date(Date.now() - HOUR_MS),
          until: new Date(Date.now() + HOUR_MS),
          identity: "",
          resource: "",
          ...more,
        },
      ),
  };
}

const found = ({ differences }: WhatIfReport): unknown => Object.fromEntries(differences.map(({ kind, count }) => [kind, count]));

describe("trying a policy on history", () => {
  it("finds no difference under the policy that decided then", async (t) => {
    const { run, tried } = await world(t);
    for (const riskClass of ["read", "write", "destructive", "read"] as const) await run(riskClass);
    const report = await tried(first);
    assert.deepEqual([found(report), report.decisions, report.unreproducible, report.earlierReleases, report.forgotten], [{}, 8, 0, 0, 0]);
  });

  it("takes the decision to go on with another grant again, with the groups of that moment", async (t) => {
    const { app, begin, append, tried } = await world(t);
    const opens = (group: string) => [{ name: "a.cedar", text: `@id("open") permit (principal in Group::"${group}", action == Action::"open", resource);` }];
    await app.policies.publish(opens("engineers"), "engineers only", admin);
    const sessionId = await begin();
    await app.identities.put({ ...human("ana"), groups: ["engineers", "late"] }, admin);
    const decision = app.policies.current()?.decide({ principal: app.identities.find("ana") ?? human("ana"), action: "open", resource: orders });
    assert.ok(decision);
    await append(sessionId, { type: "SessionContinued", data: { sessionId, decision: recordDecision(decision), formerGrantId: "g1", grantId: "g2" } });
    const [same, late] = [await tried(opens("engineers")), await tried(opens("late"))];
    assert.deepEqual([found(same), same.decisions, same.unreproducible], [{}, 2, 0]);
    assert.deepEqual(found(late), { newly_denied: 1 });
  });

  it("tells what would be allowed, denied, held and masked otherwise, by rule, identity, resource and fingerprint", async (t) => {
    const { run, tried } = await world(t);
    const session = await run("read", { fingerprint: "f1" });
    await run("read", { fingerprint: "f1", who: "bo" });
    await run("write", { fingerprint: "f2" });
    await run("destructive", { fingerprint: "f3" });

    const report = await tried(
      policy(
        `@id("bo-no-more") forbid (principal == Identity::"bo", action == Action::"run", resource);`,
        `@id("masked") @rowCap("5") permit (principal, action == Action::"run", resource) when { context.riskClass == "read" };`,
        `@id("anything") permit (principal, action == Action::"run", resource) when { context.riskClass != "read" };`,
      ),
    );
    assert.deepEqual(found(report), { newly_allowed: 1, approval_no_longer_needed: 1, newly_denied: 1, obligations_changed: 1 });
    const masked = report.groups.find(({ kind }) => kind === "obligations_changed");
    assert.deepEqual(
      [
        masked?.identity,
        masked?.resource,
        masked?.fingerprint,
        masked?.rulesThen,
        masked?.rulesNow,
        masked?.examples.map((each) => [each.sessionId, each.commandId, each.statement]),
      ],
      ["ana", "orders", "f1", ["reads"], ["masked"], [[session, 1, "statement f1"]]],
    );
    assert.deepEqual(
      report.byRule.top.filter(({ name }) => name === "anything").map(({ count }) => count),
      [1, 1],
    );
    assert.deepEqual(report.byIdentity.top.map(({ kind, name }) => `${kind} ${name}`).toSorted(), [
      "approval_no_longer_needed ana",
      "newly_allowed ana",
      "newly_denied bo",
      "obligations_changed ana",
    ]);

    const stricter = await tried(
      policy(
        `@id("ask") permit (principal, action == Action::"run", resource) when { context.riskClass == "read" && context.approvals >= 1 };`,
        `@id("two") permit (principal, action == Action::"run", resource) when { context.riskClass == "write" && context.approvals >= 2 };`,
        `@id("perhaps") permit (principal, action == Action::"run", resource) when { context.riskClass == "destructive" && context.approvals >= 1 };`,
      ),
    );
    assert.deepEqual(found(stricter), { newly_approvable: 1, newly_needing_approval: 2, approvals_changed: 1 });
  });

  it("tells of a command that used up an approval what policy asked for then, and not that it used one", async (t) => {
    const { app, append, begin, tried } = await world(t);
    const session = await begin();
    const principal = app.identities.find("ana") ?? human("ana");
    const used = (riskClass: RiskClass, commandId: number, lost: Partial<RecordedDecision> = {}): SessionEvent => {
      const asked = command(commandId);
      const facts = { ...asked.facts, riskClass };
      const decision = app.policies.current()?.decide({ principal, action: "run", resource: orders, facts });
      assert.ok(decision);
      const { obligations } = decision;
      return {
        type: "CommandAuthorized",
        data: { ...asked, facts, decision: { ...recordDecision(decision), ...lost }, obligations, approvalId: randomUUID() },
      };
    };
    await append(session, used("read", 1), used("write", 2));
    const asking = `@id("asking") permit (principal, action == Action::"run", resource) when { context.riskClass == "read" && context.approvals >= 1 };`;
    const free = `@id("free") permit (principal, action == Action::"run", resource) when { context.riskClass == "write" };`;
    const same = await tried(first);
    assert.deepEqual([found(same), same.unreproducible], [{}, 0]);
    assert.deepEqual(found(await tried(policy(asking, writes))), { newly_needing_approval: 1 });
    assert.deepEqual(found(await tried(policy(reads, free))), { approval_no_longer_needed: 1 });
    assert.deepEqual(found(await tried(policy(writes))), { newly_denied: 1 });

    // Of what cannot be taken again nobody knows, and a gate must not miss it.
    await append(session, used("write", 3, { policyVersion: "p000000000000" }));
    const lost = await tried(policy(reads, free));
    assert.deepEqual([found(lost), lost.unreproducible], [{ approval_no_longer_needed: 2 }, 1]);
  });

  it("takes people with the groups, and resources with the labels, that they had then", async (t) => {
    const { app, run, tried } = await world(t);
    await run("read");
    await app.identities.put({ ...human("ana"), groups: ["nobodies"] }, admin);
    await app.resources.offer("a1", [{ ...orders, labels: { tier: "lead" } }]);
    await run("read"); // denied by now
    const same = await tried(first);
    assert.deepEqual([found(same), same.unreproducible], [{}, 0]);
    const golden = await tried(
      policy(`@id("gold") permit (principal in Group::"engineers", action == Action::"run", resource) when { resource.labels.contains("tier=gold") };`),
    );
    assert.deepEqual(found(golden), {});
    const leaden = await tried(policy(`@id("lead") permit (principal, action == Action::"run", resource) when { resource.labels.contains("tier=lead") };`));
    assert.deepEqual(found(leaden), { newly_allowed: 1, newly_denied: 1 });
  });

  it("judges sessions and what they ask by when they happened, and none from before", async (t) => {
    const { run, tried, begin } = await world(t);
    const session = await begin();
    await run("read", { session });
    // The ledger's clock counts milliseconds.
    for (const recorded = Date.now(); Date.now() === recorded;) await new Promise(setImmediate);
    const since = new Date();
    await run("read", { session, commandId: 2 });
    const nobody = [{ name: "a.cedar", text: `@id("nobody") forbid (principal, action, resource);` }];
    assert.deepEqual(found(await tried(nobody)), { newly_denied: 3 });
    const later = await tried(nobody, { since });
    assert.deepEqual([found(later), later.decisions, later.groups[0]?.examples[0]?.commandId], [{ newly_denied: 1 }, 1, 2]);
    assert.equal((await tried(nobody, { identity: "bo" })).decisions, 0);
    assert.equal((await tried(nobody, { resource: "orders" })).decisions, 3);
  });

  it("leaves out what policy did not refuse", async (t) => {
    const { begin, append, tried } = await world(t);
    const session = await begin();
    await append(session, denied(1, "approval.denied"), completed(2), ended(session));
    assert.equal((await tried(first)).decisions, 1);
  });

  it("compares with the record alone where the policy of that time cannot be read, or says otherwise by now", async (t) => {
    const { run, append, begin, tried } = await world(t);
    const session = await begin();
    const { facts } = command(1);
    const data = { ...command(1), facts: { ...facts, riskClass: "destructive" } as CommandFacts };
    const by = (version: string, commandId: number): SessionEvent => ({
      type: "CommandAuthorized",
      data: {
        ...data,
        commandId,
        decision: { policyVersion: version, rules: ["lost"], reason: "" },
        obligations: { maskColumns: [], detectors: [], rowCap: 0 },
      },
    });
    await append(session, by("p000000000000", 1), by(policyVersion(first), 2));
    await run("read");
    const report = await tried(first);
    assert.deepEqual([found(report), report.unreproducible], [{ newly_denied: 2 }, 2]);
    assert.deepEqual(report.groups[0]?.rulesThen, ["lost"]);
  });

  it("counts apart what an earlier release recorded", async (t) => {
    const { ledger, tried, begin } = await world(t);
    const id = await begin();
    const event = newEvent(randomUUID(), { ...denied(1, "policy.denied") }, admin, new Date().toISOString());
    await ledger.append(sessionStream(id), [{ ...event, metadata: { ...event.metadata, schemaVersion: 1 } }], 1n);
    assert.deepEqual([(await tried(first)).earlierReleases, (await tried(first)).decisions], [1, 2]);
  });

  it("keeps forgotten people forgotten: no rule meets them by name, and they are counted apart", async (t) => {
    const { run, tried, sealing } = await world(t);
    await run("read");
    sealing.subjects.forget(sealing.subjects.find("ana")?.subject ?? "");
    const report = await tried(policy(reads, writes, `@id("not-ana") forbid (principal == Identity::"ana", action == Action::"run", resource);`));
    assert.deepEqual([found(report), report.forgotten, report.decisions], [{}, 2, 2]);
    const nobody = await tried(policy());
    assert.match(nobody.byIdentity.top[0]?.name ?? "", /^forgotten-/u);
    assert.ok(!JSON.stringify(nobody).includes('"ana"'));
  });

  it("follows the policies of the past from one to the next", async (t) => {
    const { app, run, tried, ledger } = await world(t);
    await run("read");
    for (let n = 0; n < 6; n++) {
      await app.policies.publish(policy(reads, writes, `@id("r${String(n)}") forbid (principal in Group::"x${String(n)}", action, resource);`), "", admin);
      await run("destructive", { fingerprint: String(n) });
    }
    const report = await tried(policy(reads, writes));
    assert.deepEqual([found(report), report.unreproducible], [{}, 0]);
    let proposals = 0;
    for await (const { type } of ledger.readStream(policyStream())) if (type === "PolicyProposed") proposals += 1;
    assert.equal(proposals, 7);
  });
});
