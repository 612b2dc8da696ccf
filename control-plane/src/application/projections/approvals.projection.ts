import type { ApprovalEvent } from "../../domain/approval/approval.events.ts";
import type { ApprovalState } from "../approval-ports.ts";
import type { Change, Projected } from "./change.ts";

export interface ApprovalWrites {
  /** `rules` is JSON. */
  readonly approvalRequested: readonly [
    position: bigint,
    id: string,
    session: string,
    command: number,
    resource: string,
    requestedBy: string,
    policyVersion: string,
    rules: string,
    quorum: number,
    digest: string,
    at: string,
    expiresAt: string,
  ];
  readonly approvalGiven: readonly [by: string, comment: string, id: string];
  /** Only while it is open: nothing follows a final state. `by` and `comment` are null where nobody spoke. */
  readonly approvalSettled: readonly [state: ApprovalState, at: string, by: string | null, comment: string | null, id: string];
}

export function projectApproval({ event, recorded: { position }, metadata: { at } }: Projected<ApprovalEvent>): Change[] {
  const { approvalId } = event.data;
  const settled = (state: ApprovalState, by: string | null = null, comment: string | null = null): Change[] => [
    ["approvalSettled", state, at, by, comment, approvalId],
  ];
  switch (event.type) {
    case "ApprovalRequested": {
      const { sessionId, command, resource, requestedBy, decision, quorum, expiresAt } = event.data;
      const { policyVersion, rules } = decision;
      const { commandId, digest } = command;
      const asked = JSON.stringify(rules);
      return [["approvalRequested", position, approvalId, sessionId, commandId, resource, requestedBy, policyVersion, asked, quorum, digest, at, expiresAt]];
    }
    case "ApprovalGiven":
      return [["approvalGiven", event.data.by, event.data.comment, approvalId]];
    case "ApprovalCounterAccepted":
      return settled("replaced");
    case "ApprovalCounterProposed":
    case "ApprovalUsed":
    case "ApprovalEscalated":
    case "ApprovalPreviewRequested":
    case "ApprovalPreviewed":
    case "ApprovalPreviewFailed":
      return [];
    case "ApprovalGranted":
      return settled("granted");
    case "ApprovalDenied":
      return settled("denied", event.data.by, event.data.comment);
    case "ApprovalExpired":
      return settled("expired");
    case "ApprovalWithdrawn":
      return settled("withdrawn");
    case "ApprovalConsumed":
      return settled("consumed");
    case "ApprovalRevoked":
      return settled("revoked", event.data.by, event.data.reason);
  }
}
