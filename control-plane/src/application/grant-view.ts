import { voteIn } from "../domain/approval/quorum.ts";
import type { ByGrant } from "../domain/decision.ts";
import type { GrantEvent } from "../domain/grant/grant.events.ts";
import type { GrantState, GrantView } from "./grant-ports.ts";

/** It opens nothing any more. */
export const isFinal = (state: GrantState): boolean => state !== "pending" && state !== "open";

/** Nothing can follow: break-glass is not done before it is reviewed. */
export const isSettled = ({ state, emergency, verdict }: GrantView): boolean => isFinal(state) && (!emergency || verdict !== "");

/** What decisions of a session that uses it are taken with. */
export const grantedBy = (grant: GrantView | undefined): ByGrant => (grant === undefined ? false : grant.emergency ? "emergency" : true);

/** Whether a review of it should have been made by now. */
export const isOverdue = ({ emergency, verdict, reviewBy }: GrantView, at: Date): boolean =>
  emergency && verdict === "" && reviewBy !== undefined && reviewBy <= at;

/** When something is to be recorded of it though nobody does anything. */
export const dueAt = (view: GrantView): Date | undefined => deadlineOf(view) ?? view.escalatesAt;

/** When time alone ends what it is now. */
export const deadlineOf = ({ state, expiresAt, endsAt }: GrantView): Date | undefined =>
  state === "pending" ? expiresAt : state === "open" ? endsAt : undefined;

/** Whether it opens anything at `at`: over is over, even when that is not recorded yet. */
export const isOpenAt = ({ state, endsAt }: GrantView, at: Date): boolean => state === "open" && endsAt !== undefined && endsAt > at;

/** A plain reducer, like that of approvals; a test holds it and the machine to the same answer. */
export function evolveGrant(view: GrantView | undefined, event: GrantEvent, at: string): GrantView | undefined {
  if (event.type === "AccessRequested") {
    if (view !== undefined) return view;
    const { grantId: id, onBehalfOf = "", decision, expiresAt, emergency = false, escalation, ...asked } = event.data;
    const { policyVersion, rules } = decision;
    const escalates = escalation === undefined ? undefined : { to: escalation.to, at: new Date(escalation.at) };
    const open = {
      escalation: escalates,
      escalated: false,
      votes: [],
      approvers: [],
      startsAt: undefined,
      endsAt: undefined,
      decidedBy: "",
      comment: "",
      uses: 0,
    };
    const review = { emergency, reviewBy: undefined, verdict: "", reviewedBy: "", reviewComment: "", escalations: 0, escalatesAt: undefined } as const;
    return { id, state: "pending", ...asked, onBehalfOf, policyVersion, rules, requestedAt: new Date(at), expiresAt: new Date(expiresAt), ...open, ...review };
  }
  if (view === undefined || isSettled(view)) return view;
  switch (event.type) {
    case "BreakGlassOpened":
      return { ...view, reviewBy: new Date(event.data.reviewBy), escalatesAt: new Date(event.data.reviewBy) };
    case "BreakGlassReviewed":
      return { ...view, verdict: event.data.verdict, reviewedBy: event.data.by, reviewComment: event.data.comment, escalatesAt: undefined };
    case "BreakGlassReviewOverdue": {
      const { escalation: escalations, nextAt } = event.data;
      return { ...view, escalations, escalatesAt: nextAt === undefined ? undefined : new Date(nextAt) };
    }
    default:
      return isFinal(view.state) ? view : evolveAccess(view, event);
  }
}

function evolveAccess(view: GrantView, event: Exclude<GrantEvent, { type: `BreakGlass${string}` | "AccessRequested" }>): GrantView {
  switch (event.type) {
    case "AccessApproved":
      return {
        ...view,
        approvers: [...view.approvers, event.data.by],
        votes: [...view.votes, voteIn(event.data)],
        decidedBy: event.data.by,
        comment: event.data.comment,
      };
    case "AccessRequestEscalated":
      return { ...view, escalated: true };
    case "AccessGranted":
      return { ...view, state: "open", startsAt: new Date(event.data.startsAt), endsAt: new Date(event.data.endsAt) };
    case "AccessDenied":
      return { ...view, state: "denied", decidedBy: event.data.by, comment: event.data.comment };
    case "AccessRequestWithdrawn":
      return { ...view, state: "withdrawn" };
    case "AccessRequestExpired":
      return { ...view, state: "lapsed" };
    case "GrantUsed":
      return { ...view, uses: view.uses + 1 };
    case "GrantExpired":
      return { ...view, state: "expired" };
    case "GrantRevoked":
      return { ...view, state: "revoked", decidedBy: event.data.by, comment: event.data.reason };
  }
}
