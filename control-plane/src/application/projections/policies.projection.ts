import type { PolicyEvent } from "../../domain/policy/policy.events.ts";
import type { Change, Projected } from "./change.ts";

export interface PolicyWrites {
  readonly policyProposed: readonly [version: string, files: number, reason: string, by: string, at: string, required: number];
  readonly policyTried: readonly [version: string];
  readonly policyApproved: readonly [by: string, version: string];
  readonly policySettled: readonly [status: "rejected" | "withdrawn" | "superseded", decidedBy: string, at: string, version: string];
  readonly policyPublished: readonly [by: string, at: string, version: string];
  readonly policyRetired: readonly [replacedBy: string, at: string, version: string];
}

/** The text stays in the ledger: it is read from there when somebody asks which policy was in force. */
export function projectPolicy({ event, metadata: { actor, at } }: Projected<PolicyEvent>): Change[] {
  const { version } = event.data;
  switch (event.type) {
    case "PolicyProposed":
      return [["policyProposed", version, event.data.files.length, event.data.reason, event.data.proposedBy || actor.id, at, event.data.required]];
    case "PolicyTried":
      return [["policyTried", version]];
    case "PolicyApproved":
      return [["policyApproved", event.data.by, version]];
    case "PolicyRejected":
      return [["policySettled", "rejected", event.data.by, at, version]];
    case "PolicyProposalWithdrawn":
      return [["policySettled", "withdrawn", event.data.by, at, version]];
    case "PolicySuperseded":
      return [["policySettled", "superseded", event.data.replacedBy, at, version]];
    case "PolicyPublished":
      return [["policyPublished", actor.id, at, version]];
    case "PolicyRetired":
      return [["policyRetired", event.data.replacedBy, at, version]];
  }
}
