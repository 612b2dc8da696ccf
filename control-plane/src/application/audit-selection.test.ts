import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import { approvalStream } from "../domain/approval/approval.events.ts";
import { delegationStream } from "../domain/delegation/delegation.events.ts";
import type { DomainEvent } from "../domain/events.ts";
import { sessionStream } from "../domain/session/session.events.ts";
import { type AuditScope, streamsAbout } from "./audit-selection.ts";
import { newEvent } from "./new-event.ts";
import { command, human, requested } from "./testing/samples.ts";
import { admin, setStage } from "./testing/stage.ts";

const at = "2026-11-22T10:00:00.000Z";
const later = "2026-11-22T11:00:00.000Z";

function asked(approvalId: string, sessionId: string, requestedBy: string, resource: string): DomainEvent {
  const plan = sessionId === "" ? { plan: { commands: [], forSeconds: 60, reason: "release 7" } } : {};
  const terms = { quorum: 1, steps: [{ people: 1, groups: [] }], denyBy: [], approverHours: [] };
  const decision = { policyVersion: "p1", rules: ["r1"], reason: "" };
  return {
    type: "ApprovalRequested",
    data: { approvalId, sessionId, command: command(1), resource, requestedBy, decision, ...terms, expiresAt: later, ...plan },
  };
}
const used = (approvalId: string, sessionId: string): DomainEvent => ({
  type: "ApprovalUsed",
  data: { approvalId, sessionId, commandId: 1, digest: "ab".repeat(32) },
});
const delegation = (delegationId: string, from: string, to: string): DomainEvent => ({
  type: "DelegationGiven",
  data: { delegationId, from, to, reason: "holiday", startsAt: at, endsAt: later },
});

describe("what an auditor asks for", () => {
  it("is every approval that was used in a session, also one that was asked for in another or in none, and who took whose place", async (t) => {
    const { ledger } = await setStage(t);
    const append = (stream: string, ...events: readonly DomainEvent[]) =>
      ledger.append(
        stream,
        events.map((event) => newEvent(randomUUID(), event, admin, at)),
        "none",
      );
    for (const [id, who, resource] of [
      ["s1", "ana", "orders"],
      ["s2", "ana", "orders"],
      ["s3", "bo", "stock"],
    ] as const)
      await append(sessionStream(id), requested(id, human(who), undefined, undefined, resource));
    await append(approvalStream("window"), asked("window", "s1", "ana", "orders"), used("window", "s2"));
    await append(approvalStream("plan"), asked("plan", "", "ana", "orders"), used("plan", "s2"));
    await append(approvalStream("unused"), asked("unused", "", "ana", "orders"));
    await append(approvalStream("other"), asked("other", "s3", "bo", "stock"));
    await append(delegationStream("d1"), delegation("d1", "bo", "cy"));
    const about = async (kind: AuditScope["kind"], value: string): Promise<readonly string[]> =>
      [...(await streamsAbout(ledger, { kind, value }))].filter((stream) => /^(?:approval|delegation)-/u.test(stream)).toSorted();
    assert.deepEqual(await about("session", "s2"), ["approval-plan", "approval-window"]);
    assert.deepEqual(await about("session", "s1"), ["approval-window"]);
    for (const [kind, value] of [
      ["identity", "ana"],
      ["resource", "orders"],
    ] as const)
      assert.deepEqual(await about(kind, value), ["approval-plan", "approval-unused", "approval-window"]);
    assert.deepEqual(await about("identity", "bo"), ["approval-other", "delegation-d1"]);
    assert.deepEqual(await about("identity", "cy"), ["delegation-d1"]);
  });
});
