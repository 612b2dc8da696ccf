import { SallyportError } from "@sallyport/proto/errors";
import type { Decision, Purpose } from "../../domain/decision.ts";

/** The refusal of what policy wants a reason or a ticket for. */
export const purposeRequired = ({ reason, rules, policyVersion }: Decision, lacks: readonly (keyof Purpose)[]): SallyportError =>
  new SallyportError("policy.purpose_required", `Refused by policy. ${reason}`, { rule: rules.join(", "), policy: policyVersion, missing: lacks.join(", ") });

/** In a session by a statement; whoever was not let in says it when they connect. */
export function howToState({ details }: SallyportError, when: "session" | "start" = "session"): string {
  const missing = (details["missing"] ?? "reason").split(", ");
  if (when === "session") return missing.map((part) => `SET sallyport.${part} = '…';`).join(" ");
  return `Connect with the option ${missing.map((part) => `-c sallyport.${part}=…`).join(" ")} (psql: PGOPTIONS; a space is written "\\ ").`;
}
