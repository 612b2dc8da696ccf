import {
  type Circumstances,
  type Decision,
  type ByGrant,
  noObligations,
  type PolicyAction,
  type PolicyEngine,
  type Principal,
  type ResourceRef,
} from "./decision.ts";
import type { CommandFacts } from "./facts.ts";

/** The version of what was decided while no policy was published. */
export const NO_POLICY = "none";

export interface Question {
  /** Undefined: disabled, or never known. */
  readonly principal: Principal | undefined;
  /** Undefined: retired, or never served. */
  readonly resource: ResourceRef | undefined;
  readonly action: PolicyAction;
  readonly facts?: CommandFacts | undefined;
  readonly granted?: ByGrant | undefined;
  readonly circumstances?: Circumstances | undefined;
}

/** Nobody who is gone, and nothing that is gone, is put to policy. Said here alone, so that a decision can be taken again (I14). */
export function takeDecision(policy: PolicyEngine | undefined, { principal, resource, action, facts, granted = false, circumstances }: Question): Decision {
  const deny = (reason: string): Decision => ({
    effect: "deny",
    policyVersion: policy?.version ?? NO_POLICY,
    rules: [],
    reason,
    obligations: noObligations,
    quorum: 0,
  });
  if (policy === undefined) return deny("No policy is published.");
  if (principal === undefined) return deny("The identity was disabled.");
  if (resource === undefined) return deny(action === "approve" ? "The resource is gone." : "The resource is not served any more.");
  return policy.decide({
    principal,
    action,
    resource,
    granted,
    ...(circumstances === undefined ? {} : { circumstances }),
    ...(facts === undefined ? {} : { facts }),
  });
}
