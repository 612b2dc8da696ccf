import type { DecidedBy } from "../vote.ts";
import type { ApprovalRule } from "./policy.events.ts";

/** What the configuration asks for: `auto`, or so many whatever happens. */
export type ConfiguredApprovals = "auto" | number;

export interface RequiredApprovals {
  readonly required: number;
  readonly rule: ApprovalRule;
}

/**
 * How many other people must agree to a policy. Without a policy everything is refused, so the first one needs nobody. By itself one
 * other administrator must agree as soon as there is one: whoever is alone is not locked out, and the record says that they were.
 */
export function approvalsRequired(
  configured: ConfiguredApprovals,
  administrators: readonly string[],
  { id, onBehalfOf }: Pick<DecidedBy, "id" | "onBehalfOf">,
  hadPolicy: boolean,
): RequiredApprovals {
  if (!hadPolicy) return { required: 0, rule: "first_policy" };
  if (configured !== "auto") return { required: configured, rule: "configured" };
  return administrators.some((administrator) => administrator !== id && administrator !== onBehalfOf)
    ? { required: 1, rule: "somebody_else" }
    : { required: 0, rule: "nobody_else" };
}
