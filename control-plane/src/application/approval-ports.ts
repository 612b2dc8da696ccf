import type { Proposed } from "../domain/approval/approval.decider.ts";
import type { PreviewKind, RecordedSettings } from "../domain/approval/approval.events.ts";
import type { Plan } from "../domain/approval/plan.ts";
import type { Decision, Principal, ResourceRef } from "../domain/decision.ts";
import type { CommandFacts } from "../domain/facts.ts";
import type { RecordedCommand } from "../domain/session/session.events.ts";
import type { DecidedBy } from "../domain/vote.ts";
import type { Approvable } from "./approvable.ts";
import type { CommandContext } from "./ports.ts";

export interface ApprovalRequest {
  readonly sessionId: string;
  readonly command: RecordedCommand;
  readonly resource: ResourceRef;
  readonly requestedBy: Principal;
  readonly decision: Decision;
  readonly expiresAt: Date;
  /** The approval whose counter-proposal this is. */
  readonly counterTo?: string;
  /** What its session had set by then; absent: nothing that matters. */
  readonly settings?: RecordedSettings;
}

export type ApprovalState = "pending" | "granted" | "denied" | "expired" | "withdrawn" | "consumed" | "revoked" | "replaced";

export interface CounterProposal {
  readonly by: string;
  readonly comment: string;
  readonly statement: string;
  readonly digest: string;
  /** Of the text, when it was proposed. */
  readonly facts: CommandFacts;
}

/** Agreed to for longer than one execution. */
export interface ApprovedWindow {
  readonly seconds: number;
  /** Also what does no more than the command, in its session. */
  readonly scope?: "session";
}

/** One look at what a held command would do; what it showed is in the record only. */
export interface PreviewView {
  readonly id: string;
  readonly kind: PreviewKind;
  readonly by: string;
  readonly at: Date;
  readonly state: "asked" | "shown" | "failed";
  /** That the command changed, of a dry run that was shown. */
  readonly rows: number | undefined;
  /** Of one that failed. */
  readonly code: string;
}

export interface ApprovalView extends Approvable {
  readonly state: ApprovalState;
  readonly sessionId: string;
  readonly command: RecordedCommand;
  /** The last one. */
  readonly counter: CounterProposal | undefined;
  /** Oldest first. */
  readonly previews: readonly PreviewView[];
  /** The approval whose counter-proposal this is for. */
  readonly counterTo: string | undefined;
  /** What its session had set when it asked; undefined: nothing that matters. */
  readonly settings: RecordedSettings | undefined;
  /** Commands that were asked for in advance, to run in their order; `uses` of them have. */
  readonly plan: Plan | undefined;
  /** Granted for a while, rather than for one execution. */
  readonly until: Date | undefined;
  /** And for whatever does no more than its command, in the session that asked. */
  readonly scope: "session" | undefined;
  readonly uses: number;
}

export interface PlanRequest {
  readonly resource: string;
  readonly commands: readonly Proposed[];
  /** Over those of its commands. */
  readonly digest: string;
  readonly forSeconds: number;
  readonly reason: string;
}

export interface StandingUse {
  readonly requestedBy: string;
  readonly sessionId: string;
  readonly commandId: number;
  /** Of the command, or as it stands in the plan. */
  readonly digest: string;
  readonly facts: CommandFacts;
  /** The policy version, and the rules, that decided on it. */
  readonly policyVersion: string;
  readonly rules: readonly string[];
}

export interface Approvals {
  /** Durable when it resolves. The id is the caller's, so that CommandHeld can name it first. */
  request(approvalId: string, request: ApprovalRequest, context: CommandContext): Promise<void>;
  /** Resolves when it is no longer pending; `changed` is told of what happens before. Rejects when `signal` aborts, and with `ledger.newer` or `ledger.corrupt` when nothing may be decided on it any more. */
  settled(approvalId: string, signal: AbortSignal, changed?: (view: ApprovalView) => void): Promise<ApprovalView>;
  /** One approver's yes. Fails with approval.self, approval.machine, approval.not_found, approval.already_decided, approval.drift, approval.expired, approval.step, approval.hours, auth.forbidden. */
  approve(
    approvalId: string,
    by: Principal,
    comment: string,
    digest: string | undefined,
    context: CommandContext,
    /** The same command for so long, rather than once. All who agree must say so; the shortest holds. */
    window?: ApprovedWindow,
  ): Promise<ApprovalView>;
  deny(approvalId: string, by: Principal, comment: string, context: CommandContext): Promise<ApprovalView>;
  /** An approver answers with another text, that they agree to. Fails as `approve` does, and with `feature.unsupported`. */
  propose(approvalId: string, by: Principal, proposed: Proposed, comment: string, digest: string | undefined, context: CommandContext): Promise<ApprovalView>;
  /** Whoever asked takes the text with this digest; what is held never runs. */
  accept(approvalId: string, by: Principal, digest: string, context: CommandContext): Promise<ApprovalView>;
  /** Counts whoever proposed what this approval is for as having agreed to it: to exactly this text with these facts, for this requester. */
  countersign(approvalId: string, facts: CommandFacts): Promise<ApprovalView>;
  /** Takes the one execution, durably. Fails with `approval.drift` when anything bound differs, `approval.expired`, `approval.already_decided`. */
  consume(
    approvalId: string,
    bound: { readonly sessionId: string; readonly commandId: number; readonly digest: string; readonly policyVersion: string },
    context: CommandContext,
  ): Promise<ApprovalView>;
  /** Asks for commands in advance. Fails with `policy.denied`, `policy.missing`, `resource.not_found`, `input.invalid`, `session.limit`. */
  requestPlan(asked: PlanRequest, by: Principal, context: CommandContext): Promise<ApprovalView>;
  /** Open ones of this person on this resource that were given for a while: of one command, and plans. */
  standing(requestedBy: string, resource: string): readonly ApprovalView[];
  /** One more execution of it, durably. Fails with `approval.drift` when anything bound differs, `approval.expired`. */
  use(approvalId: string, use: StandingUse, context: CommandContext): Promise<ApprovalView>;
  /** Takes back what was granted. The caller sees to it that they may, and in whose place. */
  revoke(approvalId: string, by: DecidedBy, reason: string, context: CommandContext): Promise<ApprovalView>;
  /** In whose name policy lets this person decide on it, now: their own first; undefined: in nobody's. */
  inWhoseName(approval: ApprovalView, by: Principal): DecidedBy | undefined;
  /** Whether policy lets this person decide on it, now. */
  mayDecide(approval: ApprovalView, by: Principal): boolean;
  withdraw(approvalId: string, cause: "client_gone" | "cancelled" | "drift" | "control_plane_lost", context: CommandContext): Promise<void>;
  /** What memory holds: every open one and the last settled ones. */
  find(approvalId: string): ApprovalView | undefined;
  /** Like `find`, but also those that memory has let go of. */
  load(approvalId: string): Promise<ApprovalView | undefined>;
  list(): readonly ApprovalView[];
}
