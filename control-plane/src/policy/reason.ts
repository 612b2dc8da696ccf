import { controlPlane, type DecisionRequest, type Purpose } from "../domain/decision.ts";
import type { Rule } from "./rule.ts";

/** A refusal is one error of the client's protocol: the ids of all rules are in the decision, the text of these in the reason. */
export const MAX_RULES_EXPLAINED = 3;

/** `Rule "a": <outcome> <@reason of a>`, over the rules that decided. */
export function explain(rules: readonly Rule[], outcome: string): string {
  const shown = rules.slice(0, MAX_RULES_EXPLAINED);
  const names = shown.map((rule) => `"${rule.id}"`).join(", ");
  const more = rules.length > shown.length ? ` and ${rules.length - shown.length} more` : "";
  const texts = [...new Set(shown.map((rule) => rule.reason))].filter((text) => text !== "");
  return [`${rules.length === 1 ? "Rule" : "Rules"} ${names}${more}: ${outcome}`, ...texts].join(" ");
}

/** Names nobody: it is stored with the decision, and people can be forgotten. */
export function nothingPermits({ action, resource, facts, area }: DecisionRequest): string {
  if (action === "replay" || action === "administer")
    return `No rule permits this identity to ${action} "${area ?? ""}"${resource === controlPlane ? "" : ` of "${resource.name}"`}.`;
  if (action === "break_glass") return `No rule permits this identity to break the glass of "${resource.name}".`;
  const object = action === "request" ? "access to" : `${facts === undefined ? "this" : `a command of class ${facts.riskClass}`} on`;
  const what = action === "open" ? "open" : `${action} ${object}`;
  return `No rule permits this identity to ${what} "${resource.name}".`;
}

export const approvalsNeeded = (quorum: number): string => `needs ${quorum} ${quorum === 1 ? "approval" : "approvals"}.`;

export const purposeNeeded = (lacks: readonly (keyof Purpose)[]): string => `needs a ${lacks.join(" and a ")} first.`;
