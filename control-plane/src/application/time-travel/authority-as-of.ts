import { setImmediate as nextTurn } from "node:timers/promises";
import { decideAuthority, type PolicyStanding } from "../../domain/authority.ts";
import { type Area, areas, type Decision, type OwnAction, type Principal } from "../../domain/decision.ts";

export interface OwnDecision {
  readonly action: OwnAction;
  readonly area: Area;
  readonly decision: Decision;
}

/** What somebody could look at and change of the control plane itself. */
export interface OwnAccess {
  readonly principal: Principal;
  readonly decisions: readonly OwnDecision[];
}

/** What policy, or the built-in rule, said to each of them about each area; nothing of single resources. */
export async function authorityAsOf(standing: PolicyStanding, principals: readonly Principal[], time: Date): Promise<readonly OwnAccess[]> {
  const found: OwnAccess[] = [];
  for (const principal of principals) {
    const decisions = (["replay", "administer"] as const).flatMap((action) =>
      areas.map((area) => ({ action, area, decision: decideAuthority(standing, { principal, action, area }, time) })),
    );
    found.push({ principal, decisions });
    await nextTurn();
  }
  return found;
}
