import type { PolicyAction } from "../../domain/decision.ts";
import type { RiskClass } from "../../domain/facts.ts";
import type { DifferenceKind, PolicyFile } from "../../domain/policy/policy.events.ts";

/** Plain values, which cross from one thread to another. */
export interface WhatIfQuestion {
  readonly version: string;
  readonly files: readonly PolicyFile[];
  readonly since: Date;
  readonly until: Date;
  /** Only decisions on this one; empty for all. */
  readonly identity: string;
  readonly resource: string;
}

export interface WhatIfProgress {
  readonly decisions: number;
  readonly different: number;
  /** When the last of them was taken. */
  readonly at: Date;
  /** Of the time that was asked about, 0 to 1. */
  readonly done: number;
}

export interface Example {
  readonly sessionId: string;
  /** 0: of the session itself, or of a request for access. */
  readonly commandId: number;
  readonly at: string;
  /** Cut; empty where none stands in the event. */
  readonly statement: string;
}

/** Decisions that differ alike: the same kind, by the same rules, on the same person, resource and shape of statement. */
export interface DifferenceGroup {
  readonly kind: DifferenceKind;
  readonly action: PolicyAction;
  readonly identity: string;
  readonly resource: string;
  /** Empty of what is no command, or was not parsed. */
  readonly fingerprint: string;
  readonly riskClass: RiskClass | "";
  readonly verbs: readonly string[];
  readonly rulesThen: readonly string[];
  readonly rulesNow: readonly string[];
  readonly reasonNow: string;
  readonly count: number;
  readonly examples: readonly Example[];
}

export interface Ranked {
  readonly top: readonly { readonly kind: DifferenceKind; readonly name: string; readonly count: number }[];
  /** Differences that are not in `top`. */
  readonly others: number;
}

export interface WhatIfReport {
  readonly version: string;
  readonly since: string;
  readonly until: string;
  /** That were taken again. */
  readonly decisions: number;
  /** Of them, those that the policy of their time does not take to the answer of the record any more, or that cannot be read. */
  readonly unreproducible: number;
  /** Of them, those that an earlier release recorded: with fewer facts, and decided on what there is. */
  readonly earlierReleases: number;
  /** Of them, those on somebody who was forgotten: rules that name them do not meet them any more. */
  readonly forgotten: number;
  readonly differences: readonly { readonly kind: DifferenceKind; readonly count: number }[];
  readonly byRule: Ranked;
  readonly byIdentity: Ranked;
  readonly byResource: Ranked;
  readonly byFingerprint: Ranked;
  readonly groups: readonly DifferenceGroup[];
  /** Differences that are in none of `groups`. */
  readonly others: number;
}
