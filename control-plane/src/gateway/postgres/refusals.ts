import { inLine } from "@sallyport/proto/disruptive";
import { SallyportError } from "@sallyport/proto/errors";
import type { ApprovalView } from "../../application/approval-ports.ts";
import type { Decision } from "../../domain/decision.ts";
import { NO_POLICY } from "../../domain/take-decision.ts";
import { howToState, purposeRequired } from "./purpose-required.ts";

export const withdrawn = (approvalId: string): SallyportError =>
  new SallyportError("approval.withdrawn", "Canceling the held statement due to user request.", { approval: approvalId });

export function refusalOf(decision: Decision): SallyportError {
  if (decision.policyVersion === NO_POLICY) return new SallyportError("policy.missing", "Refused: no policy is published, so nothing is permitted.");
  const rule = decision.rules.join(", ") || "none permits it";
  if (decision.lacks !== undefined) return purposeRequired(decision, decision.lacks);
  return new SallyportError("policy.denied", `Refused by policy. ${decision.reason}`, { rule, policy: decision.policyVersion });
}

export function settledError({ id, state, decidedBy, comment }: ApprovalView): SallyportError {
  const details = { approval: id };
  if (state === "denied")
    return new SallyportError("approval.denied", `${decidedBy} denied this command${comment === "" ? "." : `: ${inLine(comment)}`}`, details);
  if (state === "expired") return new SallyportError("approval.expired", "Nobody decided on this command in time.", details);
  if (state === "replaced") return new SallyportError("approval.withdrawn", "Whoever asked took another text in its place.", details);
  return new SallyportError("approval.drift", `The approval is ${state}; the command was not run.`, details);
}

export function readOnlyError(why: string, rules: readonly string[]): SallyportError {
  return new SallyportError("session.read_only", `Refused: policy opened this session read-only, and ${why}.`, { rule: rules.join(", ") });
}

/** I4: nobody is asked to approve what they cannot be shown. */
export const unreadable = (): SallyportError =>
  new SallyportError("approval.unreadable", "This needs approval, and nobody could read it: what looks like a secret in it may be code that it runs.");

/** As the target would say it. */
export const garbledText = (): SallyportError => new SallyportError("statement.encoding", 'invalid byte sequence for encoding "UTF8" in the statement');

export const recordingFull = (): SallyportError => new SallyportError("recording.full", "Policy has this recorded, and the recording of this session is full.");

export function hintFor(error: SallyportError): string {
  switch (error.code) {
    case "policy.purpose_required":
      return howToState(error);
    case "policy.denied":
      return "An approval cannot lift this. Ask whoever keeps the policy.";
    case "approval.unreadable":
      return "Leave the secret out of code: a statement of its own for it, a user mapping for another server, or no password in comments and examples. Nothing was sent to the target.";
    case "statement.encoding":
      return "Send UTF-8, or set client_encoding to what is sent. Nothing was sent to the target.";
    case "recording.full":
      return "Connect again: each session has a recording of its own.";
    case "approval.expired":
    case "approval.drift":
      return "Run it again to ask again.";
    default:
      return "The connection is usable; nothing was sent to the target.";
  }
}
