export interface PolicyFile {
  readonly name: string;
  readonly text: string;
}

/** What the rules of a set name of the world around them; sorted, without repeats. */
export interface PolicyNames {
  readonly groups: readonly string[];
  /** `key=value`. */
  readonly labels: readonly string[];
}

/** What replaying history would have decided otherwise, in numbers. A word here is data at rest. */
export const differenceKinds = [
  "newly_allowed",
  "approval_no_longer_needed",
  "newly_approvable",
  "newly_needing_approval",
  "newly_denied",
  "approvals_changed",
  "obligations_changed",
] as const;
export type DifferenceKind = (typeof differenceKinds)[number];

export type PolicyEvent =
  | {
      readonly type: "PolicyProposed";
      readonly data: {
        readonly version: string;
        /** Hex SHA-256 over files and names, which the version is too short to stand for. Empty where an earlier release proposed it. */
        readonly digest: string;
        readonly files: readonly PolicyFile[];
        readonly names: PolicyNames;
        readonly reason: string;
        /** The version in force that it is to replace; empty for none. */
        readonly base: string;
        /** Empty where an earlier release proposed it. */
        readonly proposedBy: string;
        readonly onBehalfOf?: string;
        /** How many others must agree, by the rule at that moment. */
        readonly required: number;
        /** Groups that rules want told of it, and of how it ends: rules by which somebody may agree to it, or it was made. */
        readonly notify?: readonly string[];
      };
    }
  | {
      readonly type: "PolicyTried";
      readonly data: {
        readonly version: string;
        readonly by: string;
        /** Decisions that were recorded from here on; */
        readonly since: string;
        /** and until here. */
        readonly until: string;
        readonly decisions: number;
        /** Of them, those that the policy of their time does not take again to the answer of the record. */
        readonly unreproducible: number;
        readonly differences: readonly { readonly kind: DifferenceKind; readonly count: number }[];
        /** The rules of the proposal that decided otherwise most often. */
        readonly rules: readonly { readonly kind: DifferenceKind; readonly rule: string; readonly count: number }[];
      };
    }
  | { readonly type: "PolicyApproved"; readonly data: { readonly version: string; readonly digest: string; readonly by: string; readonly comment: string } }
  | {
      readonly type: "PolicyRejected";
      readonly data: { readonly version: string; readonly by: string; readonly comment: string; readonly notify?: readonly string[] };
    }
  | { readonly type: "PolicyProposalWithdrawn"; readonly data: { readonly version: string; readonly by: string; readonly notify?: readonly string[] } }
  /** Another version was published first: what was proposed, tried and agreed to was a change of the one before. */
  | { readonly type: "PolicySuperseded"; readonly data: { readonly version: string; readonly replacedBy: string; readonly notify?: readonly string[] } }
  | {
      readonly type: "PolicyPublished";
      readonly data: {
        readonly version: string;
        readonly digest: string;
        /** How many others had to agree, by the rule at that moment, */
        readonly required: number;
        /** and why so many. */
        readonly rule: ApprovalRule;
        /** Those who agreed and were administrators still. */
        readonly approvers: readonly string[];
        readonly notify?: readonly string[];
      };
    }
  | { readonly type: "PolicyRetired"; readonly data: { readonly version: string; readonly replacedBy: string } };

/**
 * Why it takes as many approvals as it does: the first policy of a system needs none; `nobody_else`: there was no other
 * administrator; `somebody_else`: there was; `configured`: the configuration says how many; `before_rules`: an earlier release.
 */
export const approvalRules = ["first_policy", "nobody_else", "somebody_else", "configured", "before_rules"] as const;
export type ApprovalRule = (typeof approvalRules)[number];

/** One policy set governs the gateway; later ones get ids of their own. */
export const policyStream = (policyId = "main"): string => `policy-${policyId}`;
