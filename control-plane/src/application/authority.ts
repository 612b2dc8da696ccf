import { SallyportError } from "@sallyport/proto/errors";
import { type AuthorityQuestion, decideAuthority, type PolicyStanding } from "../domain/authority.ts";
import type { Decision, OwnAction, PolicyEngine } from "../domain/decision.ts";
import { noObligations } from "../domain/decision.ts";
import type { PolicyFile } from "../domain/policy/policy.events.ts";
import type { Policies } from "./policy-ports.ts";
import type { Clock } from "./ports.ts";

/** Decides who looks at the record and who changes the control plane. Everything that is not a session asks here. */
export interface Authority {
  decide(question: AuthorityQuestion): Decision;
  may(question: AuthorityQuestion): boolean;
  /** Fails with `auth.forbidden`, which names the rules that decided. */
  require(question: AuthorityQuestion): void;
}

export interface AuthorityDeps {
  readonly policies: Pick<Policies, "current" | "published">;
  readonly clock: Clock;
  /** The identity that the operator gets back in by, where the installation says so; see A4 of `domain/authority.ts`. */
  readonly recovery?: string;
}

export function createAuthority({ policies, clock, recovery }: AuthorityDeps): Authority {
  function decide(question: AuthorityQuestion): Decision {
    const { principal, area } = question;
    const decision = decideAuthority(policyStanding(policies.current(), policies.published()), question, clock.now());
    if (decision.effect === "allow" || recovery === undefined || principal.id !== recovery || area !== "policy") return decision;
    const { policyVersion } = decision;
    return { effect: "allow", policyVersion, rules: [RECOVERY_RULE], reason: "The operator's recovery.", obligations: noObligations, quorum: 0 };
  }
  return {
    decide,
    may: (question) => decide(question).effect === "allow",
    require(question) {
      const { effect, reason, rules } = decide(question);
      if (effect === "allow") return;
      throw new SallyportError("auth.forbidden", reason, { identity: question.principal.id, ...(rules.length === 0 ? {} : { rules: rules.join(", ") }) });
    },
  };
}

/** No file holds it: a colon is in no id of a policy's rule. */
const RECOVERY_RULE = "built-in:recovery";

export function policyStanding(
  engine: PolicyEngine | undefined,
  published: { readonly version: string; readonly files: readonly PolicyFile[] } | undefined,
): PolicyStanding {
  if (engine !== undefined) return { kind: "loaded", engine };
  if (published === undefined) return { kind: "none" };
  // More than it says, where a comment has the word or anything is written in escapes; never less.
  const names = (action: OwnAction): boolean => published.files.some(({ text }) => text.includes(`"${action}"`) || /\\[ux]/u.test(text));
  const namesOwn = new Set(ownActions.filter(names));
  return { kind: "unloadable", version: published.version, namesOwn };
}

const ownActions: readonly OwnAction[] = ["replay", "administer"];
