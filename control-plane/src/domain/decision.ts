import type { RuleTerms } from "./approval/terms.ts";
import type { CommandFacts } from "./facts.ts";

export type MaskKind = "full" | "partial" | "hash" | "null";
export type Detector = "email" | "card" | "ssn" | "phone" | "iban";

export interface MaskColumn {
  /** Column name; `*` is every column. */
  readonly column: string;
  /** Unqualified table name; empty is any table and any computed column. */
  readonly table: string;
  readonly kind: MaskKind;
}

/** What a permit asks for in return. Of several permits that decide together, the strictest of each. */
export interface Obligations {
  readonly maskColumns: readonly MaskColumn[];
  readonly detectors: readonly Detector[];
  /** 0: no cap. */
  readonly rowCap: number;
}

export const noObligations: Obligations = { maskColumns: [], detectors: [], rowCap: 0 };

export interface Principal {
  readonly id: string;
  readonly kind: "human" | "machine";
  readonly groups: readonly string[];
}

export interface ResourceRef {
  readonly name: string;
  readonly protocol: string;
  readonly labels: Readonly<Record<string, string>>;
}

export type PolicyAction = "open" | "run" | "approve" | "request";

export interface DecisionRequest {
  readonly principal: Principal;
  readonly action: PolicyAction;
  readonly resource: ResourceRef;
  /** For `run` (what is to run) and `approve` of a command (what was asked for); absent for everything else. */
  readonly facts?: CommandFacts;
  /** For `open` and `run`: in a session that uses a grant. False when absent. */
  readonly granted?: boolean;
}

/** I14: everything that is needed to take the decision again. */
export interface Decision {
  readonly effect: "allow" | "deny" | "needs_approval";
  readonly policyVersion: string;
  /** Ids of the rules that decided; empty when nothing permits (deny by default). */
  readonly rules: readonly string[];
  /** For people: why, and what to do. */
  readonly reason: string;
  readonly obligations: Obligations;
  /** For `needs_approval`: distinct humans that must agree. Otherwise 0. */
  readonly quorum: number;
  /** How they must agree; absent where no rule says more than how many. Its steps are for as many people as the quorum. */
  readonly terms?: RuleTerms;
  /** Of a `request` that is not denied: the longest that may be asked for. */
  readonly maxDurationSeconds?: number;
}

/** A decision as it is recorded: with the facts beside it, enough to take it again (I14). */
export interface RecordedDecision {
  readonly policyVersion: string;
  readonly rules: readonly string[];
  readonly reason: string;
}

export const recordDecision = ({ policyVersion, rules, reason }: Decision): RecordedDecision => ({ policyVersion, rules, reason });

/** The policy port. Never throws for a decision: an error inside is a deny that names it (I3). */
export interface PolicyEngine {
  readonly version: string;
  decide(request: DecisionRequest): Decision;
}
