import type { Principal } from "../domain/decision.ts";
import type { PolicyEvent, PolicyFile } from "../domain/policy/policy.events.ts";
import type { PolicyVersionView } from "./policy-view.ts";
import type { CommandContext } from "./ports.ts";
import type { Policies, RuleChange } from "./policy-ports.ts";

/** How a policy comes into force: proposed, tried on history, agreed to by somebody else, published, retired. */
export interface PolicyChanges {
  /** The version in force does not load here, and another decides in its place. */
  loadFailure(): { readonly version: string; readonly keeps: string } | undefined;
  /** Fails with `policy.invalid`. Proposing again what is proposed changes nothing. */
  propose(files: readonly PolicyFile[], reason: string, by: Principal, context: CommandContext): Promise<PolicyVersionView>;
  /** Proposes an earlier version again; the one that was in force before when none is named. */
  goBack(version: string, reason: string, by: Principal, context: CommandContext): Promise<PolicyVersionView>;
  /** One person's yes. Fails with approval.self, approval.machine, approval.drift, approval.already_decided, policy.stale, policy.not_found, auth.forbidden. */
  approve(version: string, digest: string | undefined, by: Principal, comment: string, context: CommandContext): Promise<PolicyVersionView>;
  reject(version: string, by: Principal, comment: string, context: CommandContext): Promise<PolicyVersionView>;
  withdraw(version: string, by: Principal, context: CommandContext): Promise<PolicyVersionView>;
  /** Fails with `policy.unapproved`, `policy.stale`, `approval.drift` when the bytes are not those that were agreed to. */
  publishProposed(version: string, context: CommandContext): Promise<PolicyVersionView>;
  /** Those that were proposed last come first. */
  versions(): readonly PolicyVersionView[];
  find(version: string): PolicyVersionView | undefined;
  /** Of any version that was ever proposed. Fails with `policy.not_found`. */
  filesOf(version: string): Promise<readonly PolicyFile[]>;
}

export interface PolicyService extends Policies, PolicyChanges {
  /** What changes from a version (empty: the one in force), or from other files. Fails with `policy.invalid`, `policy.not_found`. */
  diff(after: readonly PolicyFile[], against: { readonly version: string } | { readonly files: readonly PolicyFile[] }): Promise<readonly RuleChange[]>;
  /** Records what trying a proposal on history showed; nothing when it is no longer open. */
  recordTrial(trial: Extract<PolicyEvent, { type: "PolicyTried" }>["data"], context: CommandContext): Promise<void>;
  /** Resolves when what it records by itself is recorded. */
  settled(): Promise<void>;
}
