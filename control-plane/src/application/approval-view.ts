import type { ApprovalEvent } from "../domain/approval/approval.events.ts";
import { voteIn } from "../domain/approval/quorum.ts";
import type { ApprovalState, ApprovalView, PreviewView } from "./approval-ports.ts";

/** Nothing can follow. A granted approval can still be consumed, withdrawn, revoked, or expire. */
export const isFinal = (state: ApprovalState): boolean => state !== "pending" && state !== "granted";

/** Its deadline: of what is granted for a while, the end of that. */
export const deadlineOf = ({ state, until, expiresAt }: ApprovalView): Date | undefined => (isFinal(state) ? undefined : (until ?? expiresAt));

/** A plain reducer, since the machine would cost 20 µs an event; a test holds both to the same answer. */
export function evolveView(view: ApprovalView | undefined, event: ApprovalEvent, at: string): ApprovalView | undefined {
  if (event.type === "ApprovalRequested") {
    if (view !== undefined) return view;
    const {
      approvalId,
      sessionId,
      command,
      resource,
      requestedBy,
      decision,
      quorum,
      steps,
      denyBy,
      approverHours,
      escalation,
      expiresAt,
      counterTo,
      plan,
      settings,
    } = event.data;
    return {
      id: approvalId,
      state: "pending",
      sessionId,
      command,
      resource,
      requestedBy,
      policyVersion: decision.policyVersion,
      rules: decision.rules,
      quorum,
      steps,
      denyBy,
      approverHours,
      escalation: escalation === undefined ? undefined : { to: escalation.to, at: new Date(escalation.at) },
      escalated: false,
      approvers: [],
      votes: [],
      counter: undefined,
      previews: [],
      counterTo,
      plan,
      settings,
      until: undefined,
      scope: undefined,
      uses: 0,
      requestedAt: new Date(at),
      expiresAt: new Date(expiresAt),
      decidedBy: "",
      comment: "",
    };
  }
  if (view === undefined) return view;
  // Comes when it comes: what it is of may be decided by then.
  if (event.type === "ApprovalPreviewed" || event.type === "ApprovalPreviewFailed") return { ...view, previews: answered(view.previews, event) };
  if (isFinal(view.state)) return view;
  switch (event.type) {
    case "ApprovalGiven": {
      const { by, comment } = event.data;
      return { ...view, approvers: [...view.approvers, by], votes: [...view.votes, voteIn(event.data)], decidedBy: by, comment };
    }
    case "ApprovalCounterProposed": {
      const { by, comment, statement, digest, facts } = event.data;
      return { ...view, counter: { by, comment, statement, digest, facts } };
    }
    case "ApprovalCounterAccepted":
      return { ...view, state: "replaced" };
    case "ApprovalPreviewRequested": {
      const { previewId: id, by, kind } = event.data;
      return { ...view, previews: [...view.previews, { id, kind, by, at: new Date(at), state: "asked", rows: undefined, code: "" }] };
    }
    case "ApprovalEscalated":
      return { ...view, escalated: true };
    case "ApprovalGranted":
      return { ...view, state: "granted", until: event.data.until === undefined ? undefined : new Date(event.data.until), scope: event.data.scope };
    case "ApprovalUsed":
      return { ...view, uses: view.uses + 1, state: view.uses + 1 === view.plan?.commands.length ? "consumed" : view.state };
    case "ApprovalDenied":
      return { ...view, state: "denied", decidedBy: event.data.by, comment: event.data.comment };
    case "ApprovalExpired":
      return { ...view, state: "expired" };
    case "ApprovalWithdrawn":
      return { ...view, state: "withdrawn" };
    case "ApprovalConsumed":
      return { ...view, state: "consumed" };
    case "ApprovalRevoked":
      return { ...view, state: "revoked", decidedBy: event.data.by, comment: event.data.reason };
  }
}

function answered(
  previews: readonly PreviewView[],
  event: Extract<ApprovalEvent, { type: "ApprovalPreviewed" | "ApprovalPreviewFailed" }>,
): readonly PreviewView[] {
  const outcome =
    event.type === "ApprovalPreviewed"
      ? ({ state: "shown", rows: event.data.dryRun?.rows } as const)
      : ({ state: "failed", rows: undefined, code: event.data.code } as const);
  return previews.map((each) => (each.id === event.data.previewId ? { ...each, ...outcome } : each));
}
