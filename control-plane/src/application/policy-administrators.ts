import { type AuthorityQuestion, couldEver, type PolicyStanding, toldWhereAllowed } from "../domain/authority.ts";
import type { Decision, PolicyEngine } from "../domain/decision.ts";
import type { IdentityState } from "../domain/identity/identity.decider.ts";
import type { PolicyFile } from "../domain/policy/policy.events.ts";
import type { PolicyProblem } from "./policy-ports.ts";

/** Active people who could administer the policy: a machine among them decides on nothing. */
export const policyAdministrators = (standing: PolicyStanding, identities: Iterable<IdentityState>): string[] => [...administratorsAmong(standing, identities)];

function* administratorsAmong(standing: PolicyStanding, identities: Iterable<IdentityState>): Generator<string> {
  const answers = new Map<Decision, boolean>();
  for (const identity of identities) {
    if (identity.status !== "active" || identity.kind !== "human") continue;
    if (couldEver(standing, administering(identity), answers)) yield identity.identityId;
  }
}

/** Groups to tell of a proposal: the rules say them by which any of these may administer the policy. */
export const groupsToNotify = (standing: PolicyStanding, identities: readonly IdentityState[]): readonly string[] =>
  toldWhereAllowed(standing, identities.filter(({ status }) => status === "active").map(administering));

const administering = ({ identityId: id, kind, groups }: Pick<IdentityState, "identityId" | "kind" | "groups">): AuthorityQuestion => ({
  principal: { id, kind, groups },
  action: "administer",
  area: "policy",
});

/** A set that decides on its own administration, and lets nobody in, could never be taken back. */
export function lockout(engine: PolicyEngine, files: readonly PolicyFile[], identities: Iterable<IdentityState>): readonly PolicyProblem[] {
  if (!engine.speaksOf.has("administer")) return [];
  for (const _administrator of administratorsAmong({ kind: "loaded", engine }, identities)) return [];
  const message = `Nobody who is known here could administer "policy" any more: permit Action::"administer" to somebody.`;
  return [{ severity: "error", file: files[0]?.name ?? "", line: 0, message }];
}

/** Who holds what a set leaves to the built-in rules. */
export const remainingBuiltInRules = ({ speaksOf }: PolicyEngine, files: readonly PolicyFile[]): readonly PolicyProblem[] =>
  builtIn.flatMap(([action, holds]) =>
    speaksOf.has(action)
      ? []
      : [{ severity: "note", file: files[0]?.name ?? "", line: 0, message: `No rule names Action::"${action}", so the built-in rule holds: ${holds}.` }],
  );

const builtIn = [
  ["replay", "the groups auditors and admins replay everything, and everybody their own sessions"],
  ["administer", "the group admins administers everything"],
] as const;
