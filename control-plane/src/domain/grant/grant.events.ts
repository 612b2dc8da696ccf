import type { RecordedDecision } from "../decision.ts";

/** Access to one resource for a while: who asks for it, who agrees, when it begins and ends, and what used it. */
export type GrantEvent =
  | {
      readonly type: "AccessRequested";
      readonly data: {
        readonly grantId: string;
        readonly requestedBy: string;
        /** Whoever the requester acts for; may not approve either. */
        readonly onBehalfOf?: string;
        readonly resource: string;
        /** Of the access, from when it is granted. */
        readonly durationSeconds: number;
        readonly reason: string;
        /** Empty without one. */
        readonly ticket: string;
        /** That lets this be asked for. */
        readonly decision: RecordedDecision;
        /** Distinct humans that must agree; 0: granted at once. */
        readonly quorum: number;
        /** Of the request: nobody can agree after it. */
        readonly expiresAt: string;
      };
    }
  | {
      readonly type: "AccessApproved";
      readonly data: {
        readonly grantId: string;
        readonly by: string;
        readonly comment: string;
        /** That lets this person decide. */
        readonly decision: RecordedDecision;
      };
    }
  | {
      readonly type: "AccessDenied";
      readonly data: { readonly grantId: string; readonly by: string; readonly comment: string; readonly decision: RecordedDecision };
    }
  | { readonly type: "AccessRequestWithdrawn"; readonly data: { readonly grantId: string; readonly by: string } }
  | { readonly type: "AccessRequestExpired"; readonly data: { readonly grantId: string; readonly expiresAt: string } }
  /** The clock starts here. */
  | {
      readonly type: "AccessGranted";
      readonly data: {
        readonly grantId: string;
        readonly requestedBy: string;
        readonly resource: string;
        readonly approvers: readonly string[];
        readonly startsAt: string;
        readonly endsAt: string;
      };
    }
  /** Appended before the session is opened. */
  | { readonly type: "GrantUsed"; readonly data: { readonly grantId: string; readonly sessionId: string } }
  | { readonly type: "GrantExpired"; readonly data: { readonly grantId: string; readonly endsAt: string } }
  | { readonly type: "GrantRevoked"; readonly data: { readonly grantId: string; readonly by: string; readonly reason: string } };

export const grantStream = (grantId: string): string => `grant-${grantId}`;
