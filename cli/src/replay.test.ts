import assert from "node:assert/strict";
import { stripVTControlCharacters } from "node:util";
import { describe, it } from "node:test";
import type { RecordedEvent } from "@sallyport/proto/gen/sallyport/api/v1/api";
import { replayLine } from "./replay.ts";

const at = "2026-11-22T10:00:00.000Z";
const shown = (type: string, data: object): string => {
  const event = { type, dataJson: JSON.stringify(data), metadataJson: JSON.stringify({ at }) } as RecordedEvent;
  return stripVTControlCharacters(replayLine(event).join("\n"));
};

describe("replay", () => {
  const lines: readonly (readonly [type: string, data: object, expected: string])[] = [
    [
      "ApprovalRequested",
      { approvalId: "a1", command: { commandId: 3, statement: "drop table x" }, quorum: 1, expiresAt: "2026-11-22T10:15:00.000Z" },
      "asked   #3 approval a1: one person until 2026-11-22T10:15:00.000Z",
    ],
    ["ApprovalGranted", { approvalId: "a1", approvers: ["bo", "cy"] }, "granted by bo, cy"],
    ["ApprovalExpired", { approvalId: "a1", expiresAt: at }, `expired nobody decided until ${at}`],
    ["ApprovalWithdrawn", { approvalId: "a1", cause: "cancelled" }, "withdrawn the client cancelled it"],
    ["ApprovalConsumed", { approvalId: "a1", commandId: 3 }, "used    #3 runs by the approval, which is good for this once"],
    ["ApprovalRevoked", { approvalId: "a1", by: "bo", reason: "wrong table" }, "revoked by bo: wrong table"],
    ["ApprovalEscalated", { approvalId: "a1", to: "managers" }, "escalated to managers"],
    ["ApprovalUsed", { approvalId: "a1", commandId: 3 }, "used    #3 runs by the approval, which is good for a while or for a plan"],
    ["ApprovalCounterProposed", { by: "bo", statement: "delete from x where id = 1", comment: "one" }, "instead bo proposes delete from x where id = 1: one"],
    ["ApprovalCounterAccepted", { by: "ana" }, "taken   ana takes what was proposed"],
    ["ApprovalPreviewRequested", { by: "bo", kind: "dry_run" }, "preview bo asks for a dry run"],
    ["ApprovalPreviewRequested", { by: "bo", kind: "plan" }, "preview bo asks for the plan"],
    ["ApprovalPreviewed", { plan: "Seq Scan" }, "preview the plan was shown"],
    ["ApprovalPreviewed", { plan: "Seq Scan", dryRun: { rows: 5 } }, "preview 5 rows would change; rolled back"],
    ["ApprovalPreviewFailed", { code: "preview.unsafe", message: "A trigger." }, "preview preview.unsafe: A trigger."],
    ["BreakGlassOpened", { requestedBy: "ana", reviewBy: at }, `break-glass by ana; to be reviewed by ${at}`],
    ["BreakGlassReviewed", { by: "bo", verdict: "justified", comment: "fire" }, "review  justified, says bo: fire"],
    ["BreakGlassReviewOverdue", { reviewBy: at }, `overdue nobody reviewed it by ${at}`],
    ["InputRecorded", { commandId: 3, part: 0, offset: 262_144, base64: "AAAA" }, "input   #3 $1 from byte 262144"],
    [
      "AccessRequested",
      { grantId: "g1", requestedBy: "ana", resource: "orders", durationSeconds: 1800, reason: "a bug", ticket: "T-1" },
      "request ana asks for orders for 1800 s: a bug (T-1)",
    ],
    ["AccessApproved", { grantId: "g1", by: "bo", comment: "go on" }, "yes     bo: go on"],
    ["AccessGranted", { grantId: "g1", approvers: ["bo"], endsAt: at }, `access  granted until ${at} by bo`],
    ["GrantUsed", { grantId: "g1", sessionId: "s1" }, "used    this session uses the grant g1"],
    [
      "SessionContinued",
      { sessionId: "s1", decision: { policyVersion: "p1", rules: ["opens"], reason: "" }, formerGrantId: "g1", grantId: "g2" },
      "goes on by grant g2, after g1; opens @ p1",
    ],
    ["GrantExpired", { grantId: "g1", endsAt: at }, `over    the grant ended at ${at}`],
    ["GrantRevoked", { grantId: "g1", by: "bo", reason: "over" }, "revoked the grant, by bo: over"],
    ["CopyDataRecorded", { commandId: 3, bytes: 77, gzipBase64: "AAAA" }, "input   #3 77 bytes of COPY data"],
    ["OutputRecorded", { commandId: 3, bytes: 77, gzipBase64: "AAAA" }, "output  #3 77 bytes, as the client saw them"],
  ];
  for (const [type, data, expected] of lines) {
    it(`says in words: ${type}`, () => assert.equal(shown(type, data), `${at}  ${expected}`));
  }

  it("shows what it does not know as it is, without what would steer a terminal", () => {
    assert.match(shown("SomethingNew", { note: "a\u001b[2Jb" }), /SomethingNew \{"note":"a.*b"\}$/u);
  });
});
