import type { GrantEvent } from "../domain/grant/grant.events.ts";
import type { GrantState, GrantView } from "./ports.ts";

/** Nothing can follow. */
export const isFinal = (state: GrantState): boolean => state !== "pending" && state !== "open";

/** When time alone ends what it is now. */
export const deadlineOf = ({ state, expiresAt, endsAt }: GrantView): Date | undefined =>
  state === "pending" ? expiresAt : state === "open" ? endsAt : undefined;

/** Whether it opens anything at `at`: over is over, even when that is not recorded yet. */
export const isOpenAt = ({ state, endsAt }: GrantView, at: Date): boolean => state === "open" && endsAt !== undefined && endsAt > at;

/** A plain reducer, like that of approvals; a test holds it and the machine to the same answer. */
export function evolveGrant(view: GrantView | undefined, event: GrantEvent, at: string): GrantView | undefined {
  if (event.type === "AccessRequested") {
    if (view !== undefined) return view;
    const { grantId: id, onBehalfOf = "", decision, expiresAt, ...asked } = event.data;
    const { policyVersion, rules } = decision;
    const open = { approvers: [], startsAt: undefined, endsAt: undefined, decidedBy: "", comment: "", uses: 0 };
    return { id, state: "pending", ...asked, onBehalfOf, policyVersion, rules, requestedAt: new Date(at), expiresAt: new Date(expiresAt), ...open };
  }
  if (view === undefined || isFinal(view.state)) return view;
  switch (event.type) {
    case "AccessApproved":
      return { ...view, approvers: [...view.approvers, event.data.by], decidedBy: event.data.by, comment: event.data.comment };
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
