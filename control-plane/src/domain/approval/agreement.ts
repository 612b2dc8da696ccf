import { SallyportError } from "@sallyport/proto/errors";
import { type Decision, recordDecision } from "../decision.ts";
import { type DecidedBy, requirePermitted } from "../vote.ts";
import type { ApprovalEvent } from "./approval.events.ts";
import { isWithinHours } from "./approver-hours.ts";
import { countsAs, currentStep, groupsOf, heard, type Vote } from "./quorum.ts";
import type { ApprovalStep } from "./terms.ts";

/** Somebody who decides, whether on a command or on access, in their own name or in that of whoever let them. */
export interface Voter {
  readonly by: DecidedBy;
  /** Whether policy in force now lets them decide. */
  readonly decision: Decision;
  /** Those that they are in now. */
  readonly groups: readonly string[];
}

/** What holds for everybody who agrees, whether to a command or to access. Each fails with what to do about it. */

export function requireHours({ approverHours }: { readonly approverHours: readonly string[] }, at: string): void {
  const closed = approverHours.find((hours) => !isWithinHours(hours, at));
  if (closed === undefined) return;
  throw new SallyportError("approval.hours", `An approval counts only within ${closed}. You can still deny.`, { hours: closed });
}

/** The step that waits, with what somebody in these groups counts as there. */
export function requireStep(
  { steps }: { readonly steps: readonly ApprovalStep[] },
  { votes, escalatedTo }: { readonly votes: readonly Vote[]; readonly escalatedTo: string | undefined },
  groups: readonly string[],
): { readonly step: number; readonly groups: readonly string[] } {
  const standing = { steps, votes, escalatedTo };
  const step = currentStep(standing);
  const as = countsAs(standing, step, groups);
  if (as !== undefined) return { step, groups: as };
  const wanted = groupsOf(standing, step).join(" or ");
  const later = steps.some((_, index) => index > step && countsAs(standing, index, groups) !== undefined);
  const hint = later ? "It is your turn after them." : "You are in none of the groups that count.";
  throw new SallyportError("approval.step", `It waits for somebody from ${wanted} now. ${hint}`, { step: String(step + 1), groups: wanted });
}

/** Somebody may have spoken in their place, or they in somebody's: nobody counts twice (I5). */
export function requireUnheard(votes: readonly Vote[], { id, onBehalfOf }: DecidedBy): void {
  const before = heard(votes);
  const twice = [id, onBehalfOf].find((each) => each !== undefined && before.has(each));
  if (twice !== undefined) throw new SallyportError("approval.already_decided", `${twice} has agreed already, or somebody in their place.`, { by: twice });
}

export const inPlaceOf = ({ onBehalfOf }: Pick<DecidedBy, "onBehalfOf">): { readonly onBehalfOf?: string } => (onBehalfOf === undefined ? {} : { onBehalfOf });

/** Whoever policy lets decide may refuse, and whoever is in a group with a veto. Answers what is recorded. */
export function refusalOf(
  { denyBy }: { readonly denyBy: readonly string[] },
  { by, comment, decision, groups }: Voter & { readonly comment: string },
): Refused {
  const vetoOf = decision.effect === "allow" ? undefined : denyBy.find((group) => groups.includes(group));
  const said = { by: by.id, comment, ...inPlaceOf(by) };
  return vetoOf === undefined ? { ...said, decision: requirePermitted(decision) } : { ...said, decision: recordDecision(decision), vetoOf };
}

type Refused = Omit<Extract<ApprovalEvent, { type: "ApprovalDenied" }>["data"], "approvalId">;
