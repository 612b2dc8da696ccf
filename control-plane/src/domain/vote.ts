import { SallyportError } from "@sallyport/proto/errors";
import { type Decision, recordDecision, type RecordedDecision } from "./decision.ts";

/** A human or machine that decides; `onBehalfOf` when it is a delegate of somebody. */
export interface DecidedBy {
  readonly id: string;
  readonly kind: "human" | "machine";
  readonly onBehalfOf?: string;
}

export function requireHuman({ kind }: Pick<DecidedBy, "kind">): void {
  if (kind === "machine") throw new SallyportError("approval.machine", "That is for people: a machine identity decides on nothing that somebody asks for.");
}

/** I5: neither a machine, nor a party to what is asked, nor a delegate of one. */
export function requireOtherHuman(by: DecidedBy, isParty: (id: string) => boolean): void {
  requireHuman(by);
  const { id, onBehalfOf } = by;
  if (isParty(id) || (onBehalfOf !== undefined && isParty(onBehalfOf))) {
    throw new SallyportError("approval.self", "Nobody decides on their own request; somebody else must.");
  }
}

/** Last, so that the request's own rules speak first. Answers what is recorded with the event. */
export function requirePermitted(decision: Decision): RecordedDecision {
  if (decision.effect === "allow") return recordDecision(decision);
  throw new SallyportError("auth.forbidden", `You may not decide on this: ${decision.reason}`, { rules: decision.rules.join(", ") });
}
