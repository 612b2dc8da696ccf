import type { RuleTerms } from "../domain/approval/terms.ts";
import type { Obligations, PolicyAction, Purpose } from "../domain/decision.ts";
import type { AttributeUses } from "./attribute-uses.ts";
import type { Misnamed } from "./names-in-facts.ts";
import type { NamedInPolicy } from "./possible-names.ts";
import type { RuleForm } from "./rule-form.ts";
import type { PolicyText } from "./split.ts";

/** One policy that passed every check. */
export interface Rule {
  readonly id: string;
  readonly source: PolicyText;
  readonly effect: "permit" | "forbid";
  /** Actions that its scope lets through; it can decide on no other. */
  readonly actions: readonly PolicyAction[];
  /** Of these, those that it names. */
  readonly namedActions: readonly PolicyAction[];
  readonly reason: string;
  readonly obligations: Obligations;
  readonly form: RuleForm;
  /** Identities and resources that it names. */
  readonly identities: readonly string[];
  readonly resources: readonly string[];
  /** Undefined where it sets no bound of its own. */
  readonly maxDurationSeconds: number | undefined;
  /** Undefined without @reviewWithin. */
  readonly reviewWithinSeconds: number | undefined;
  /** Undefined where it says nothing of how people must agree. */
  readonly terms: RuleTerms | undefined;
  /** Numbers of approvals at which its conditions may change, without order. */
  readonly approvals: readonly number[];
  readonly groups: readonly string[];
  readonly labels: readonly string[];
  /** What its conditions look at. */
  readonly uses: AttributeUses;
  /** Relations and columns that its conditions name. */
  readonly named: NamedInPolicy;
  readonly misnamed: readonly Misnamed[];
  readonly requires: readonly (keyof Purpose)[];
  /** Groups. */
  readonly notify: readonly string[];
  readonly timezone: string | undefined;
}
