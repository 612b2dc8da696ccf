import { plainFacts } from "../facts.ts";
import type { Decision } from "../decision.ts";
import type { ApprovalEvent } from "./approval.events.ts";
import type { ApprovalStep } from "./terms.ts";

/** One approval's events, for tests. */
export const approvalId = "ap1";
export const expiresAt = "2026-11-22T10:10:00.000Z";

type Asked = Extract<ApprovalEvent, { type: "ApprovalRequested" }>;

export const asked = (quorum: number, onBehalfOf?: string, steps: readonly ApprovalStep[] = [{ people: quorum, groups: [] }]): Asked => ({
  type: "ApprovalRequested",
  data: {
    approvalId,
    sessionId: "s1",
    command: {
      commandId: 3,
      via: "simple",
      statement: "drop table orders",
      statementBytes: 17,
      redacted: false,
      parameters: [],
      digest: "d1",
      facts: {
        ...plainFacts,
        verbs: ["DROP TABLE"],
        riskClass: "destructive",
        relationsWritten: ["orders"],
        hazards: ["drop"],
        fingerprint: "1111111111111111",
      },
    },
    resource: "orders",
    requestedBy: "ana",
    ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
    decision: { policyVersion: "p1", rules: ["r1"], reason: "because" },
    quorum,
    steps,
    denyBy: [],
    approverHours: [],
    expiresAt,
  },
});

/** What policy says of whoever is an approver. */
export const permitted: Decision = {
  effect: "allow",
  policyVersion: "p1",
  rules: ["approvers"],
  reason: "they approve",
  obligations: { maskColumns: [], detectors: [], rowCap: 0 },
  quorum: 0,
};
const decision = { policyVersion: "p1", rules: ["approvers"], reason: "they approve" };

export const givenBy = (by: string, comment = "", step = 0, groups: readonly string[] = []): ApprovalEvent => ({
  type: "ApprovalGiven",
  data: { approvalId, by, comment, decision, step, groups },
});
export const proposedBy = (by: string, digest = "d2"): ApprovalEvent => ({
  type: "ApprovalCounterProposed",
  data: { approvalId, by, comment: "", statement: "drop table old_orders", digest, facts: asked(1).data.command.facts, decision },
});
export const acceptedBy = (by: string, digest = "d2"): ApprovalEvent => ({ type: "ApprovalCounterAccepted", data: { approvalId, by, digest } });
export const lookedAtBy = (by: string, previewId = "v1", digest = "d1"): ApprovalEvent => ({
  type: "ApprovalPreviewRequested",
  data: { approvalId, previewId, by, kind: "dry_run", digest, decision },
});
export const shown = (previewId = "v1") =>
  ({
    type: "ApprovalPreviewed",
    data: { approvalId, previewId, plan: "Delete on orders", dryRun: { rows: 5, before: 5, after: 0 }, previewDigest: "d9" },
  }) as const satisfies ApprovalEvent;
export const notShown = (previewId = "v1") =>
  ({
    type: "ApprovalPreviewFailed",
    data: { approvalId, previewId, code: "preview.unsafe", message: "The trigger audits would fire." },
  }) as const satisfies ApprovalEvent;
export const escalated = (to: string): ApprovalEvent => ({ type: "ApprovalEscalated", data: { approvalId, to } });
export const granted = (...approvers: string[]): ApprovalEvent => ({ type: "ApprovalGranted", data: { approvalId, approvers } });
export const deniedBy = (by: string, comment = ""): ApprovalEvent => ({ type: "ApprovalDenied", data: { approvalId, by, comment, decision } });
export const denied = deniedBy("cy", "no");
export const expired: ApprovalEvent = { type: "ApprovalExpired", data: { approvalId, expiresAt } };
export const withdrawn: ApprovalEvent = { type: "ApprovalWithdrawn", data: { approvalId, cause: "client_gone" } };
export const consumed: ApprovalEvent = { type: "ApprovalConsumed", data: { approvalId, sessionId: "s1", commandId: 3, digest: "d1" } };
export const revoked: ApprovalEvent = { type: "ApprovalRevoked", data: { approvalId, by: "cy", reason: "no" } };
