import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it, type TestContext } from "node:test";
import { inspect } from "node:util";
import { identityStream } from "../domain/identity/identity.events.ts";
import type { Application } from "./application.ts";
import { ERASURE_TTL_MS } from "./erasures.ts";
import { approvalRequest, authorized, human, machine, opened, orders, requested } from "./testing/samples.ts";
import { admin, collect, fails, setStage, type Stage, typesIn } from "./testing/stage.ts";

const NAME = "ana.lima";
const root = { ...human("root"), groups: ["admins"] };

/** Ana Lima asked, agreed, published and ran things. */
async function world(t: TestContext): Promise<Stage & { readonly sessionId: string; readonly approvalId: string }> {
  const stage = await setStage(t);
  const { app } = stage;
  for (const id of ["root", "bo", "cy", NAME]) await app.identities.put(human(id), admin);
  await app.resources.offer("a1", [orders]);
  await app.identities.issueToken(NAME, 60, "for ana's laptop", admin);
  await app.identities.issueToken(NAME, 60, "", admin);
  const as = { ...admin, actor: { kind: "human", id: NAME } } as const;
  const version = await app.policies.publish([{ name: "a.cedar", text: `approvers: bo ${NAME}` }], "first", as);
  const sessionId = randomUUID();
  await app.openRecord(sessionId).append([requested(sessionId, human(NAME)), opened(sessionId), authorized(1)], as);
  const approvalId = randomUUID();
  const [mine, theirs] = [approvalRequest(sessionId, version, 1), approvalRequest(randomUUID(), version, 2)];
  await app.approvals.request(approvalId, { ...mine, requestedBy: human(NAME) }, as);
  await app.approvals.approve(approvalId, human("bo"), "fine", undefined, admin);
  const others = randomUUID();
  await app.approvals.request(others, { ...theirs, requestedBy: human("cy") }, admin);
  await app.approvals.approve(others, human(NAME), "I am Ana", undefined, as);
  // What they may leave out, they leave out.
  const silent = randomUUID();
  await app.approvals.request(silent, { ...theirs, requestedBy: human("cy") }, admin);
  await app.approvals.deny(silent, human(NAME), "", as);
  const asked = { resource: "orders", durationSeconds: 60, reason: "Ana's bug", ticket: "" };
  await app.grants.request(asked, human(NAME), as);
  const { id: taken } = await app.grants.request({ ...asked, reason: "another's" }, human("cy"), admin);
  await app.grants.revoke(taken, human(NAME), "", as);
  await app.delegations.give({ to: "cy", seconds: 3_600, reason: "Ana is away" }, human(NAME), as);
  return { ...stage, sessionId, approvalId };
}

const request = (app: Application, reason = "they asked us to") => app.erasures.request(NAME, reason, root, admin);

async function forget(app: Application): Promise<string> {
  const { id, subject } = await request(app);
  await app.erasures.approve(id, human("bo"), "", admin);
  const done = await app.erasures.approve(id, human("cy"), "", admin);
  assert.equal(done.state, "destroyed");
  return `forgotten-${subject}`;
}

/** Everything that decisions are taken on. */
const viewOf = ({ identities, approvals, policies, live }: Application): unknown => [
  ...[identities.list(), approvals.list(), live.grants.all(), live.delegations.all()].map((list) => list.toSorted((a, b) => a.id.localeCompare(b.id))),
  // Its text is the organisation's, and names whom it names.
  { ...policies.published(), files: [] },
  new Map(Array.from(live.identities.states(), ({ identityId, tokens }) => [identityId, tokens])),
];

const everything = { depth: Infinity, maxArrayLength: Infinity, maxStringLength: Infinity };

describe("forgetting somebody", () => {
  it("takes their name out of what is in memory, which is then what a fold of the ledger gives", async (t) => {
    const { app, restart, stored } = await world(t);
    const pseudonym = await forget(app);
    const before = viewOf(app);
    for (const said of [NAME, "laptop", "Ana"]) assert.ok(!inspect(before, everything).includes(said), said);
    assert.ok(inspect(before, everything).includes(pseudonym));
    assert.deepEqual(viewOf(await restart()), before);
    for (const { stream, type, data, metadata } of await collect(stored.readAll()))
      if (type !== "PolicyProposed") assert.ok(!JSON.stringify({ stream, data, metadata }).includes(NAME));
  });

  it("records the decision before the key goes, and the identity's end with it", async (t) => {
    const { app, ledger, sealing } = await world(t);
    const { id } = await request(app);
    await app.erasures.approve(id, human("bo"), "", admin);
    let isThere: boolean | undefined;
    ledger.before = (_stream, events) => {
      if (events.some(({ type }) => type === "IdentityDisabled")) isThere ??= sealing.keys.find(NAME)?.name === NAME;
    };
    await app.erasures.approve(id, human("cy"), "", admin);
    ledger.before = undefined;
    assert.equal(isThere, true);
    assert.deepEqual(await typesIn(ledger, `erasure-${id}`), [
      "ErasureRequested",
      "ErasureApproved",
      "ErasureApproved",
      "ErasureGranted",
      "SubjectKeyDestroyed",
    ]);
    assert.equal(sealing.keys.find(NAME), undefined);
  });

  it("is finished at the next start when the process died after the decision, before or after the key went", async (t) => {
    for (const isKeyGone of [false, true]) {
      const { app, ledger, restart, sealing } = await world(t);
      const { id, subject } = await request(app);
      await app.erasures.approve(id, human("bo"), "", admin);
      // The decision is the last that gets through.
      ledger.before = (stream, events) => {
        if (stream.startsWith("identity-") || events.some(({ type }) => type === "SubjectKeyDestroyed")) ledger.line = "refuse";
      };
      assert.equal((await app.erasures.approve(id, human("cy"), "", admin)).state, "granted");
      ledger.before = undefined;
      ledger.line = "good";
      if (isKeyGone) sealing.keys.destroy(subject);
      const again = await restart();
      await again.erasures.recover();
      assert.equal((await again.erasures.list())[0]?.state, "destroyed");
      assert.equal(sealing.keys.get(subject), undefined);
      assert.ok(!JSON.stringify(viewOf(again)).includes(NAME));
      await again.erasures.recover();
      assert.equal((await typesIn(ledger, `erasure-${id}`)).length, 5);
    }
  });

  it("refuses to start when keys are missing that nobody decided to destroy", async (t) => {
    const { app, restart, sealing } = await world(t);
    await app.erasures.recover();
    sealing.keys.destroy(sealing.keys.find("cy")?.subject ?? "");
    const again = await restart();
    await assert.rejects(again.erasures.recover(), fails("ledger.corrupt"));
  });

  it("is asked by a human, about somebody who is there, once at a time, and lapses", async (t) => {
    const { app, time } = await world(t);
    await assert.rejects(app.erasures.request("nobody", "why", root, admin), fails("identity.not_found"));
    await assert.rejects(app.erasures.request(NAME, "why", machine("ci"), admin), fails("approval.machine"));
    await assert.rejects(request(app, ""), fails("input.invalid"));
    const { id } = await request(app);
    await assert.rejects(request(app), fails("input.invalid"));
    await app.erasures.deny(id, human("bo"), "no", admin);
    const second = await request(app);
    time.advance(ERASURE_TTL_MS);
    await assert.rejects(app.erasures.approve(second.id, human("bo"), "", admin), fails("approval.expired"));
    assert.deepEqual(
      (await app.erasures.list()).map(({ state }) => state),
      ["expired", "denied"],
    );
    await request(app);
  });

  it("is not for whoever an earlier release recorded by name, and says so", async (t) => {
    const { stored, restart } = await setStage(t);
    const at = "2026-11-22T09:00:00.000Z";
    const metadata = { $correlationId: randomUUID(), actor: { kind: "human", id: "root" }, schemaVersion: 1, at } as const;
    const data = { identityId: "old", kind: "human", groups: [] };
    await stored.append(identityStream("old"), [{ id: randomUUID(), type: "IdentityProvisioned", data, metadata }], "none");
    const later = await restart();
    assert.deepEqual(later.identities.find("old")?.disabled, false);
    await later.identities.put({ ...human("old"), groups: ["dba"] }, admin);
    assert.deepEqual(await typesIn(stored, identityStream("old")), ["IdentityProvisioned", "RolesChanged"]);
    await assert.rejects(later.erasures.request("old", "why", root, admin), fails("input.invalid"));
  });
});
