import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { approvalStream } from "../domain/approval/approval.events.ts";
import { identityStream } from "../domain/identity/identity.events.ts";
import { nodeStream } from "../domain/node/node.events.ts";
import { resourceStream } from "../domain/resource/resource.events.ts";
import { ApprovalIndex } from "./approval-index.ts";
import { LiveState } from "./live-state.ts";
import type { ApprovalEvent } from "../domain/approval/approval.events.ts";
import { asked } from "../domain/approval/approval.samples.ts";
import { ManualTime } from "./testing/manual-time.ts";
import { approvalRequest, human, machine, orders } from "./testing/samples.ts";
import { admin, collect, openLedger, setStage, silent, until } from "./testing/stage.ts";

/** Everything that a view shows, in an order that does not depend on how it came about. */
function picture(live: LiveState): unknown {
  const sorted = <T>(items: Iterable<T>): string[] =>
    Array.from(items, (item) => JSON.stringify(item, (_, value: unknown) => (value instanceof Map ? [...value] : value))).toSorted();
  return {
    identities: sorted(live.identities.states()),
    agents: sorted(live.agents.states()),
    resources: sorted(live.resources.states()),
    approvals: sorted(live.approvals.all()),
    nodes: sorted(live.nodes.states()),
    published: live.policy.published,
    tokens: live.tokens.size,
  };
}

describe("the live view", () => {
  it("shows one's own write as soon as it is acknowledged (V3)", async (t) => {
    const { app } = await setStage(t);
    await app.identities.put(human("ana"), admin);
    assert.equal(app.identities.find("ana")?.disabled, false);
  });

  it("shows what others write, through the subscription", async (t) => {
    const { app, restart } = await setStage(t);
    const other = await restart();
    await other.identities.put(human("ana"), admin);
    await until("the other's write is seen", () => app.identities.list().length === 1);
  });

  it("fills in what others wrote before one's own write (V2)", async (t) => {
    const { app, ledger, restart } = await setStage(t);
    await app.identities.put(human("ana"), admin);
    const other = await restart();
    ledger.cutSubscriptions(); // time stands still, so nobody subscribes again
    await other.identities.put({ ...human("ana"), groups: ["dba"] }, admin);
    await other.identities.issueToken("ana", 60, "", admin);
    assert.deepEqual(app.identities.find("ana")?.groups, []);
    await app.identities.issueToken("ana", 60, "", admin);
    assert.deepEqual(app.identities.find("ana")?.groups, ["dba"]);
    assert.equal(app.live.identities.get(identityStream("ana"))?.state.tokens.size, 2);
  });

  it("takes a lost subscription up again where it was (V4)", async (t) => {
    const { app, ledger, time, restart } = await setStage(t);
    const other = await restart();
    await app.policies.publish([{ name: "a", text: "approvers: bo" }], "", admin);
    await until("the other has seen it", () => other.policies.current() !== undefined);
    const [head] = await collect(ledger.readAll({ direction: "backwards", limit: 1 }));
    ledger.cutSubscriptions();
    for (const id of ["ana", "bo", "cy"]) await other.identities.put(human(id), admin);
    assert.equal(app.identities.list().length, 0);
    await until("subscribed again", () => {
      time.advance(50);
      return app.identities.list().length === 3;
    });
    assert.ok(ledger.subscribedAfter.slice(2).every((after) => after === head?.position));
  });

  it("built from zero equals what it was live, on any history (V1, I8)", async (t) => {
    const action = fc.constantFrom(
      "put",
      "groups",
      "token",
      "revoke",
      "disable",
      "invite",
      "enrol",
      "offer",
      "retire",
      "publish",
      "ask",
      "approve",
      "deny",
      "withdraw",
      "cut",
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(action, fc.nat(3)), { minLength: 5, maxLength: 40 }), async (steps) => {
        const { app, ledger, time } = await setStage(t);
        const secrets = new Map<string, string>();
        const tokens: string[] = [];
        const approvals: string[] = [];
        const attempt: Record<typeof action extends fc.Arbitrary<infer A> ? A & string : never, (n: number) => Promise<unknown>> = {
          put: (n) => app.identities.put(n === 3 ? machine("ci") : human(`p${String(n)}`), admin),
          groups: (n) => app.identities.put({ ...human(`p${String(n)}`), groups: [`g${String(n)}`] }, admin),
          token: async (n) => tokens.push((await app.identities.issueToken(`p${String(n)}`, 60, "", admin)).tokenId),
          revoke: (n) => app.identities.revokeToken(tokens[n] ?? "none", admin),
          disable: (n) => app.identities.disable(`p${String(n)}`, "left", admin),
          invite: async (n) => secrets.set(`a${String(n)}`, (await app.agents.issueJoinSecret(`a${String(n)}`, 60, admin)).secret),
          enrol: (n) => app.agents.enrol(`a${String(n)}`, secrets.get(`a${String(n)}`) ?? ""),
          offer: (n) => app.resources.offer(app.agents.list()[n]?.id ?? "a", [{ ...orders, name: `r${String(n)}` }]),
          retire: (n) => app.resources.offer(app.agents.list()[n]?.id ?? "a", []),
          publish: (n) => app.policies.publish([{ name: "a", text: `approvers: bo cy ${String(n)}` }], "", admin),
          async ask() {
            const id = `ap${String(approvals.push("") - 1)}`;
            approvals[approvals.length - 1] = id;
            await app.approvals.request(id, approvalRequest("s1", app.policies.current()?.version ?? "p0", 2), admin);
          },
          approve: (n) => app.approvals.approve(approvals[n] ?? "none", human(n % 2 === 0 ? "bo" : "cy"), "", undefined, admin),
          deny: (n) => app.approvals.deny(approvals[n] ?? "none", human("cy"), "", admin),
          withdraw: (n) => app.approvals.withdraw(approvals[n] ?? "none", "cancelled", admin),
          async cut() {
            ledger.cutSubscriptions();
            time.advance(50);
          },
        };
        for (const [what, n] of steps) await attempt[what](n).catch(() => {});
        const rebuilt = new LiveState({ ledger, scheduler: new ManualTime(), log: silent });
        await rebuilt.ready();
        assert.deepEqual(picture(app.live), picture(rebuilt));
        await rebuilt.close();
      }),
      { numRuns: 8 },
    );
  });

  it("applies an event once, however often it is told of (V2)", async (t) => {
    const ledger = await openLedger(t);
    const live = new LiveState({ ledger, scheduler: new ManualTime(), log: silent });
    await live.ready();
    const seen: string[] = [];
    live.onApplied(({ event }) => seen.push(event.type));
    const metadata = { $correlationId: "c", actor: admin.actor, schemaVersion: 1, at: "2026-11-22T10:00:00.000Z" };
    const told = [
      { stream: nodeStream("n"), revision: 0n, event: { type: "NodeStarted", data: { nodeId: "n", version: "1" } }, metadata },
      { stream: resourceStream("r"), revision: 0n, event: { type: "ResourceRegistered", data: { ...orders, name: "r", agentId: "a" } }, metadata },
      { stream: approvalStream("ap1"), revision: 0n, event: asked(1), metadata },
    ] as const;
    for (const each of [...told, ...told]) await live.applyOwn([each]);
    assert.deepEqual(seen, ["NodeStarted", "ResourceRegistered", "ApprovalRequested"]);
    await live.close();
  });
});

describe("approvals in memory", () => {
  it("keep every open one and only the last settled ones", () => {
    const index = new ApprovalIndex(2);
    const at = "2026-11-22T10:00:00.000Z";
    const settled = (approvalId: string): ApprovalEvent => ({ type: "ApprovalExpired", data: { approvalId, expiresAt: at } });
    for (let i = 0; i < 10; i++) index.apply(0n, { ...asked(1), data: { ...asked(1).data, approvalId: String(i) } }, at);
    for (let i = 0; i < 9; i++) index.apply(1n, settled(String(i)), at);
    assert.deepEqual(
      index.all().map(({ id }) => id),
      ["7", "8", "9"],
    );
    assert.equal(index.openCount, 1);
    // Told again of one that was dropped.
    assert.equal(index.apply(1n, settled("0"), at), false);
  });
});
