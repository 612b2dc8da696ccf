import type { RecordedDecision } from "../decision.ts";
import type { RecordedCommand } from "../session/session.events.ts";

export type ApprovalEvent =
  | {
      readonly type: "ApprovalRequested";
      readonly data: {
        readonly approvalId: string;
        readonly sessionId: string;
        readonly command: RecordedCommand;
        readonly resource: string;
        readonly requestedBy: string;
        /** Whoever the requester acts for; may not approve either. */
        readonly onBehalfOf?: string;
        readonly decision: RecordedDecision;
        /** Distinct humans that must agree. */
        readonly quorum: number;
        readonly expiresAt: string;
      };
    }
  | {
      readonly type: "ApprovalGiven";
      readonly data: {
        readonly approvalId: string;
        readonly by: string;
        readonly comment: string;
        /** That lets this person decide. */
        readonly decision: RecordedDecision;
      };
    }
  | { readonly type: "ApprovalGranted"; readonly data: { readonly approvalId: string; readonly approvers: readonly string[] } }
  | {
      readonly type: "ApprovalDenied";
      readonly data: { readonly approvalId: string; readonly by: string; readonly comment: string; readonly decision: RecordedDecision };
    }
  | { readonly type: "ApprovalExpired"; readonly data: { readonly approvalId: string; readonly expiresAt: string } }
  | {
      readonly type: "ApprovalWithdrawn";
      readonly data: { readonly approvalId: string; readonly cause: "client_gone" | "cancelled" | "drift" | "control_plane_lost" };
    }
  /** One execution: appended before the held bytes go. */
  | {
      readonly type: "ApprovalConsumed";
      readonly data: { readonly approvalId: string; readonly sessionId: string; readonly commandId: number; readonly digest: string };
    }
  | { readonly type: "ApprovalRevoked"; readonly data: { readonly approvalId: string; readonly by: string; readonly reason: string } };

export const approvalStream = (approvalId: string): string => `approval-${approvalId}`;
