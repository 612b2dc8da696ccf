import type { DecidedBy } from "../vote.ts";
import type { PolicyCommand } from "./policy.decider.ts";
import type { PolicyEvent } from "./policy.events.ts";

export const digest = "ab".repeat(32);
export const files = [{ name: "a.cedar", text: "permit(principal, action, resource);" }];
const names = { groups: [], labels: [] };
/** Three people who administer: ana proposes. */
export const three = { administrators: ["ana", "bo", "cy"], configured: "auto" } as const;
export const human = (id: string): DecidedBy => ({ id, kind: "human" });

export const proposed = (version: string, base = "p0", required = 1, proposedBy = "ana"): PolicyEvent => ({
  type: "PolicyProposed",
  data: { version, digest, files, names, reason: "why", base, proposedBy, required },
});
export const tried = (version: string): PolicyEvent => ({
  type: "PolicyTried",
  data: {
    version,
    by: "ana",
    since: "2026-11-21T10:00:00.000Z",
    until: "2026-11-22T10:00:00.000Z",
    decisions: 3,
    unreproducible: 0,
    differences: [],
    rules: [],
  },
});
export const approvedBy = (by: string, version = "p1"): PolicyEvent => ({ type: "PolicyApproved", data: { version, digest, by, comment: "" } });
export const rejectedBy = (by: string, version = "p1"): PolicyEvent => ({ type: "PolicyRejected", data: { version, by, comment: "" } });
export const withdrawnBy = (by: string, version = "p1"): PolicyEvent => ({ type: "PolicyProposalWithdrawn", data: { version, by } });
export const superseded = (version: string, replacedBy: string): PolicyEvent => ({ type: "PolicySuperseded", data: { version, replacedBy } });
export const published = (version: string, approvers: readonly string[] = [], required = approvers.length): PolicyEvent => ({
  type: "PolicyPublished",
  data: { version, digest, required, rule: required === 0 ? "nobody_else" : "somebody_else", approvers },
});
export const retired = (version: string, replacedBy: string): PolicyEvent => ({ type: "PolicyRetired", data: { version, replacedBy } });

/** p0 is in force: ana published it while there was nobody else. */
export const before: readonly PolicyEvent[] = [proposed("p0", "", 0), published("p0")];

export const propose = (version: string, by: DecidedBy = human("ana"), notify: readonly string[] = []): PolicyCommand => ({
  type: "Propose",
  version,
  digest,
  files,
  names,
  reason: "why",
  by,
  notify,
  ...three,
});
export const approve = (by: DecidedBy, version = "p1"): PolicyCommand => ({ type: "Approve", version, digest, by, comment: "", ...three });
export const reject = (by: DecidedBy, version = "p1"): PolicyCommand => ({ type: "Reject", version, by, comment: "", ...three });
export const publish = (version = "p1"): PolicyCommand => ({ type: "Publish", version, digest, ...three });
