import type { RuleTerms } from "./approval/terms.ts";
import type { CommandFacts } from "./facts.ts";

export type MaskKind = "full" | "partial" | "hash" | "null" | "token" | "round";
export type Detector = "email" | "card" | "ssn" | "phone" | "iban";

export interface MaskColumn {
  /** Column name; `*` is every column. */
  readonly column: string;
  /** Unqualified table name; empty is any table and any computed column. */
  readonly table: string;
  readonly kind: MaskKind;
}

export type RecordedPart = "input" | "output";

/** What a permit asks for in return. Of several permits that decide together, the strictest of each. */
export interface Obligations {
  readonly maskColumns: readonly MaskColumn[];
  readonly detectors: readonly Detector[];
  /** 0: no cap. */
  readonly rowCap: number;
  /** What is computed from masked columns is shown; absent: it is masked whole. */
  readonly computed?: "show";
  /** Bytes of the rows of one result; absent: no cap. */
  readonly byteCap?: number;
  /** Of one command, from its start to its end at the target; absent: no limit. */
  readonly timeoutMillis?: number;
  /** Of a session: the target runs all of it in read-only transactions. */
  readonly readOnly?: true;
  /** What is recorded beside the commands themselves: data that the client sends for COPY, and what it is shown. */
  readonly record?: readonly RecordedPart[];
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

export type PolicyAction = "open" | "run" | "approve" | "request" | "break_glass" | OwnAction;

/** What is done with the control plane itself and its record, rather than with a target. */
export type OwnAction = "replay" | "administer";

/** What these are about. Words of policies: closed, and never renamed. */
export const areas = [
  "sessions",
  "approvals",
  "access",
  "record",
  "history",
  "policy",
  "identities",
  "tokens",
  "agents",
  "retention",
  "forgetting",
  "notifications",
  "read_models",
] as const;
export type Area = (typeof areas)[number];

/** What is asked about where no resource is: the control plane itself. Only this very object stands for it, whatever resources are called. */
export const controlPlane: ResourceRef = Object.freeze({ name: "control-plane", protocol: "", labels: Object.freeze({}) });

/** Whether a session uses a grant, and whether that is one of break-glass. */
export type ByGrant = boolean | "emergency";

/** What events of sessions say of it. */
export const grantedIn = ({ grantId, emergency }: { readonly grantId?: string; readonly emergency?: true }): ByGrant =>
  emergency === true ? "emergency" : grantId !== undefined;

export const weekdays = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] as const;
export type Weekday = (typeof weekdays)[number];

/** The time as policy sees it, in the zone that the policy names. */
export interface TimeSeen {
  /** 0 to 23. */
  readonly hour: number;
  readonly weekday: Weekday;
}

/** What somebody says about why they act. */
export interface Purpose {
  readonly reason: string;
  readonly ticket: string;
}

/** Under what something is decided, beside who, what and where. What is absent was not known, or nobody gave it. */
export interface Circumstances {
  /** When, or, for a decision that is taken again, what the record says that policy saw. */
  readonly time?: Date | TimeSeen;
  readonly clientAddress?: string;
  readonly purpose?: Purpose;
}

export interface DecisionRequest {
  readonly principal: Principal;
  readonly action: PolicyAction;
  readonly resource: ResourceRef;
  /** For `run` (what is to run) and `approve` of a command (what was asked for); absent for everything else. */
  readonly facts?: CommandFacts;
  /** For `open` and `run`: in a session that uses a grant. False when absent. */
  readonly granted?: ByGrant;
  readonly circumstances?: Circumstances;
  /** For `replay` and `administer`, always. */
  readonly area?: Area;
  /** For `replay`: it is what whoever asks did themselves. False when absent. */
  readonly own?: boolean;
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
  /** Of a `request` or `break_glass` that is not denied: the longest that may be asked for. */
  readonly maxDurationSeconds?: number;
  /** Of a `break_glass` that is not denied: how soon after its end somebody else must have reviewed it. */
  readonly reviewWithinSeconds?: number;
  /** Of a deny: what whoever asks must say first, and did not. */
  readonly lacks?: readonly (keyof Purpose)[];
  /** Groups that the rules which decided want told. */
  readonly notify?: readonly string[];
  /** Of a policy that looks at the time: what it saw. */
  readonly seen?: TimeSeen;
}

/** What the kind of an event tells of the effect. `not_deny`: it went, and used up an approval, whether policy asked for one or not. */
export type ToldEffect = Decision["effect"] | "not_deny";

export const isEffect = (told: ToldEffect, effect: Decision["effect"]): boolean => (told === "not_deny" ? effect !== "deny" : effect === told);

/** A decision as it is recorded: with the facts beside it, enough to take it again (I14). */
export interface RecordedDecision {
  readonly policyVersion: string;
  readonly rules: readonly string[];
  readonly reason: string;
  readonly notify?: readonly string[];
  readonly seen?: TimeSeen;
}

export const recordDecision = ({ policyVersion, rules, reason, notify, seen }: Decision): RecordedDecision => ({
  policyVersion,
  rules,
  reason,
  ...(notify === undefined ? {} : { notify }),
  ...(seen === undefined ? {} : { seen }),
});

/** The policy port. Never throws for a decision: an error inside is a deny that names it (I3). */
export interface PolicyEngine {
  readonly version: string;
  /**
   * Its rules ask what commands do with masked columns: then facts have to say what columns of views are made of. The tables that its masks
   * name. Undefined: nothing masks, or nobody asks.
   */
  readonly maskedTables?: readonly string[] | undefined;
  /** Its rules name relations with their schemas: then it matters in which schema a name is. */
  readonly namesSchemas?: boolean;
  /** Actions that some rule names. Of `replay` and `administer`, where none does, the built-in rule decides (`authority.ts`). */
  readonly speaksOf: ReadonlySet<PolicyAction>;
  /** The very same object twice, which is never changed, means that nothing in this policy tells the two requests apart. */
  decide(request: DecisionRequest): Decision;
}
