import type { ApprovalStep } from "../approval/terms.ts";
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
        /** Distinct humans that must agree, over all steps; 0: granted at once. */
        readonly quorum: number;
        /** One after the other; one person counts for one of them. */
        readonly steps: readonly ApprovalStep[];
        /** Groups whose members may refuse even where policy does not let them decide. */
        readonly denyBy: readonly string[];
        /** Outside of any of these an approval does not count. */
        readonly approverHours: readonly string[];
        /** From then on members of this group count for every step that names groups. */
        readonly escalation?: { readonly to: string; readonly at: string };
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
        /** Which of the steps it counts for, from 0, and the groups of that step that this person was in. */
        readonly step: number;
        readonly groups: readonly string[];
        /** Whose place they take: for whom the decision was taken, and who does not count beside them. */
        readonly onBehalfOf?: string;
      };
    }
  | {
      readonly type: "AccessDenied";
      readonly data: {
        readonly grantId: string;
        readonly by: string;
        readonly comment: string;
        readonly decision: RecordedDecision;
        /** The group that lets them refuse where policy does not let them decide. */
        readonly vetoOf?: string;
        readonly onBehalfOf?: string;
      };
    }
  /** Its time has come, and members of one more group may decide. */
  | { readonly type: "AccessRequestEscalated"; readonly data: { readonly grantId: string; readonly to: string } }
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
  | {
      readonly type: "GrantRevoked";
      readonly data: {
        readonly grantId: string;
        readonly by: string;
        readonly reason: string;
        /** Whose place they take, who lets them. */
        readonly onBehalfOf?: string;
      };
    };

export const grantStream = (grantId: string): string => `grant-${grantId}`;
