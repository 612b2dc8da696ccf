import type { RecordedDecision } from "../decision.ts";
import type { Plan } from "./plan.ts";
import type { ApprovalStep } from "./terms.ts";
import type { CommandFacts } from "../facts.ts";
import type { RecordedCommand } from "../session/session.events.ts";

/** `dry_run`: also run, in a transaction that is rolled back. */
export type PreviewKind = "plan" | "dry_run";

/** Of one session: what set them, for people, and a digest that is the same only where they are. */
export interface RecordedSettings {
  readonly changedBy: readonly string[];
  readonly digest: string;
}

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
        /** Distinct humans that must agree, over all steps. */
        readonly quorum: number;
        /** One after the other; one person counts for one of them. */
        readonly steps: readonly ApprovalStep[];
        /** Groups whose members may refuse even where policy does not let them decide. */
        readonly denyBy: readonly string[];
        /** Outside of any of these an approval does not count. */
        readonly approverHours: readonly string[];
        /** From then on members of this group count for every step that names groups. */
        readonly escalation?: { readonly to: string; readonly at: string };
        readonly expiresAt: string;
        /** The approval whose counter-proposal this command is. */
        readonly counterTo?: string;
        /** Asked for in advance: the command is then all of it, and there is no session. Each use is of the next one. */
        readonly plan?: Plan;
        /** What its session had set by then, where that may change what the command does. */
        readonly settings?: RecordedSettings;
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
        /** Which of the steps it counts for, from 0, and the groups of that step that this person was in. */
        readonly step: number;
        readonly groups: readonly string[];
        /** Agreed to the same command for so long, from when it is granted; absent: to one execution. */
        readonly forSeconds?: number;
        /** And, for so long, to whatever does no more than it in the session that asks. */
        readonly scope?: "session";
        /** Whose place they take: for whom the decision was taken, and who does not count beside them. */
        readonly onBehalfOf?: string;
      };
    }
  /** An approver would agree to this text in place of the one that is held. */
  | {
      readonly type: "ApprovalCounterProposed";
      readonly data: {
        readonly approvalId: string;
        readonly by: string;
        readonly comment: string;
        readonly statement: string;
        /** Of the proposed text, for the same requester on the same resource. */
        readonly digest: string;
        readonly facts: CommandFacts;
        /** That lets this person decide on the proposed text. */
        readonly decision: RecordedDecision;
      };
    }
  /** Whoever asked takes the proposed text: what is held never runs, and the proposed one is judged anew, under an approval of its own. */
  | { readonly type: "ApprovalCounterAccepted"; readonly data: { readonly approvalId: string; readonly by: string; readonly digest: string } }
  /** Somebody who may decide looks at what the command would do. Durable before the target is asked. */
  | {
      readonly type: "ApprovalPreviewRequested";
      readonly data: {
        readonly approvalId: string;
        readonly previewId: string;
        readonly by: string;
        readonly kind: PreviewKind;
        /** Of the command. */
        readonly digest: string;
        /** That lets this person decide. */
        readonly decision: RecordedDecision;
      };
    }
  /** Durable before it is shown. */
  | {
      readonly type: "ApprovalPreviewed";
      readonly data: {
        readonly approvalId: string;
        readonly previewId: string;
        /** The beginning of the plan, masked. */
        readonly plan: string;
        /** Of a dry run: rows that the command changed, and how many of them were shown as they were and became. */
        readonly dryRun?: { readonly rows: number; readonly before: number; readonly after: number };
        /** Hex SHA-256 of all that was shown, samples of rows included, which are not recorded. */
        readonly previewDigest: string;
      };
    }
  | {
      readonly type: "ApprovalPreviewFailed";
      readonly data: { readonly approvalId: string; readonly previewId: string; readonly code: string; readonly message: string };
    }
  /** Its time has come, and members of one more group may decide. */
  | { readonly type: "ApprovalEscalated"; readonly data: { readonly approvalId: string; readonly to: string } }
  | {
      readonly type: "ApprovalGranted";
      readonly data: {
        readonly approvalId: string;
        readonly approvers: readonly string[];
        /** The same command may run until then, as often as its requester likes; absent: one execution. */
        readonly until?: string;
        /** And whatever does no more than it, in the session that asked. */
        readonly scope?: "session";
      };
    }
  /** One execution of what may run several times: appended before its bytes go. */
  | {
      readonly type: "ApprovalUsed";
      readonly data: { readonly approvalId: string; readonly sessionId: string; readonly commandId: number; readonly digest: string };
    }
  | {
      readonly type: "ApprovalDenied";
      readonly data: {
        readonly approvalId: string;
        readonly by: string;
        readonly comment: string;
        readonly decision: RecordedDecision;
        /** The group that lets them refuse where policy does not let them decide. */
        readonly vetoOf?: string;
        /** Whose place they take, and for whom the decision was taken. */
        readonly onBehalfOf?: string;
      };
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
  | {
      readonly type: "ApprovalRevoked";
      readonly data: {
        readonly approvalId: string;
        readonly by: string;
        readonly reason: string;
        /** Whose place they take, who lets them. */
        readonly onBehalfOf?: string;
      };
    };

export const approvalStream = (approvalId: string): string => `approval-${approvalId}`;
