import { SallyportError } from "@sallyport/proto/errors";
import type { ApprovalEvent } from "../domain/approval/approval.events.ts";
import { mergedFacts } from "../domain/approval/plan.ts";
import { peopleIn, plainTerms, strictestTerms, termsAsked } from "../domain/approval/terms.ts";
import { type Decision, recordDecision } from "../domain/decision.ts";
import type { CommandFacts } from "../domain/facts.ts";
import type { PlanRequest } from "./approval-ports.ts";

type Requested = Extract<ApprovalEvent, { type: "ApprovalRequested" }>["data"];

/** Nobody waits for a plan: whoever decides may be asleep when it is asked for. After a day nobody remembers why. */
export const PLAN_TTL_MS = 86_400_000;

/** The clock of an escalation starts when it is asked for. */
export function termsOf(decision: Pick<Decision, "quorum" | "terms">, now: Date): Pick<Requested, "steps" | "denyBy" | "approverHours" | "escalation"> {
  const { steps, denyBy, approverHours, escalation } = termsAsked(decision);
  if (escalation === undefined) return { steps, denyBy, approverHours };
  const at = new Date(now.getTime() + escalation.afterSeconds * 1_000).toISOString();
  return { steps, denyBy, approverHours, escalation: { to: escalation.to, at } };
}

/**
 * What is asked of people for all commands of a plan at once: what the strictest of them asks for, over facts that are the worst
 * of all. Fails when policy denies one of them, or when nobody has to be asked.
 */
export function planRequest(
  { commands, digest, forSeconds, reason }: PlanRequest,
  decide: (facts: CommandFacts) => Decision,
  now: Date,
): Omit<Requested, "approvalId" | "sessionId" | "resource" | "requestedBy"> {
  const decided = commands.map((command) => ({ ...command, decision: decide(command.facts) }));
  const denied = decided.findIndex(({ decision }) => decision.effect === "deny");
  if (denied !== -1) throw new SallyportError("policy.denied", `Command ${denied + 1} of the plan: ${decided[denied]?.decision.reason ?? ""}`);
  const asking = decided.flatMap(({ decision }) => (decision.effect === "needs_approval" ? [decision] : []));
  const [first] = asking;
  if (first === undefined) throw new SallyportError("input.invalid", "Nothing in it needs approval: run it.", { field: "text" });
  const quorum = Math.max(...asking.map((decision) => decision.quorum));
  const terms = strictestTerms(
    asking.map((decision) => decision.terms ?? plainTerms),
    quorum,
  );
  const waits = Math.min(PLAN_TTL_MS, (terms.timeoutSeconds ?? Infinity) * 1_000);
  const statement = commands.map((command) => `${command.statement};`).join("\n");
  return {
    command: {
      commandId: 1,
      via: "simple",
      statement,
      statementBytes: Buffer.byteLength(statement),
      redacted: false,
      parameters: [],
      digest,
      facts: mergedFacts(commands.map(({ facts }) => facts)),
    },
    decision: { ...recordDecision(first), ...togetherOf(asking) },
    quorum: peopleIn(terms.steps),
    ...termsOf({ quorum, terms }, now),
    expiresAt: new Date(now.getTime() + waits).toISOString(),
    plan: {
      commands: decided.map(({ statement: text, digest: own, facts, decision }) => ({ statement: text, digest: own, facts, rules: decision.rules })),
      forSeconds,
      reason,
    },
  };
}

/** Everything that decided on any of them, and everybody who is to be told. */
function togetherOf(decisions: readonly Decision[]): Pick<Requested["decision"], "rules" | "notify"> {
  const notify = [...new Set(decisions.flatMap((decision) => decision.notify ?? []))].toSorted();
  return { rules: [...new Set(decisions.flatMap(({ rules }) => rules))].toSorted(), ...(notify.length === 0 ? {} : { notify }) };
}
