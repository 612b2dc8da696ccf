import type { Decision } from "../decision.ts";
import { sameObligations } from "../obligations.ts";
import type { DifferenceKind } from "./policy.events.ts";

/** From the most to the least permissive change: what somebody who reviews a policy looks at first. */
const effects: Readonly<Record<Decision["effect"], Readonly<Record<Decision["effect"], DifferenceKind | undefined>>>> = {
  deny: { deny: undefined, needs_approval: "newly_approvable", allow: "newly_allowed" },
  needs_approval: { deny: "newly_denied", needs_approval: undefined, allow: "approval_no_longer_needed" },
  allow: { deny: "newly_denied", needs_approval: "newly_needing_approval", allow: undefined },
};

/** `then` is not compared by its obligations and quorum where they are not known. */
export function differenceBetween(then: Pick<Decision, "effect"> & Partial<Decision>, now: Decision): DifferenceKind | undefined {
  const changed = effects[then.effect][now.effect];
  if (changed !== undefined || now.effect === "deny") return changed;
  if (then.quorum !== undefined && (then.quorum !== now.quorum || JSON.stringify(then.terms) !== JSON.stringify(now.terms))) return "approvals_changed";
  return then.obligations === undefined || sameObligations(then.obligations, now.obligations) ? undefined : "obligations_changed";
}
