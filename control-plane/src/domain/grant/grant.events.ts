import type { RecordedDecision } from "../decision.ts";

export const reviewVerdicts = ["justified", "misused"] as const;
export type ReviewVerdict = (typeof reviewVerdicts)[number];

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
        /** Break-glass: granted at once to whom policy lets break it, and to be reviewed. */
        readonly emergency?: true;
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
  /** With the grant that it makes one of break-glass. Whoever is to hear of it hears of this. */
  | {
      readonly type: "BreakGlassOpened";
      readonly data: {
        readonly grantId: string;
        readonly requestedBy: string;
        readonly resource: string;
        readonly endsAt: string;
        /** Until when somebody else must have reviewed it. */
        readonly reviewBy: string;
        /** Groups that policy wants told. */
        readonly notify?: readonly string[];
      };
    }
  /** By somebody else, after its end. */
  | {
      readonly type: "BreakGlassReviewed";
      readonly data: {
        readonly grantId: string;
        readonly by: string;
        readonly verdict: ReviewVerdict;
        readonly comment: string;
        /** That lets this person decide. */
        readonly decision: RecordedDecision;
      };
    }
  | {
      readonly type: "BreakGlassReviewOverdue";
      readonly data: {
        readonly grantId: string;
        /** When it was due at first. */
        readonly reviewBy: string;
        /** How often this was said, from 1. */
        readonly escalation: number;
        /** When it is said again; absent from the last. */
        readonly nextAt?: string;
        readonly notify?: readonly string[];
      };
    }
  /** Appended before the session is opened. */
  | { readonly type: "GrantUsed"; readonly data: { readonly grantId: string; readonly sessionId: string } }
  | { readonly type: "GrantExpired"; readonly data: { readonly grantId: string; readonly endsAt: string } }
  | { readonly type: "GrantRevoked"; readonly data: { readonly grantId: string; readonly by: string; readonly reason: string } };

export const grantStream = (grantId: string): string => `grant-${grantId}`;
