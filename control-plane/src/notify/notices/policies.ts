import { shownDigest } from "../../domain/shown-digest.ts";
import { type Field, type Notices, personal, sensitive, shown, type Step } from "../notice.ts";

/** What is allowed, and how that changes. The text of a policy is told to nobody: it names people and where the valuables are. */
export const policyNotices: Notices = {
  PolicyProposed: ({ version, digest, reason, base, proposedBy, required }) => ({
    kind: "policy.proposed",
    title: `Policy ${version} was proposed${required > 0 ? " and waits for approval" : ""}`,
    urgency: required > 0 ? "action" : "info",
    fields: [shown("version", version), shown("replaces", base), shown("needs", required), personal("by", proposedBy), sensitive("reason", reason)],
    next: [
      step("Read", `sallyport policy show ${version}`, version),
      ...(required > 0
        ? [
            step("Approve", `sallyport policy approve ${version} ${shownDigest(digest)}`, version),
            step("Reject", `sallyport policy reject ${version}`, version),
          ]
        : []),
    ],
  }),
  PolicyApproved: ({ version, by, comment }) => decided("approved", version, [personal("by", by), personal("comment", comment)]),
  PolicyRejected: ({ version, by, comment }) => decided("rejected", version, [personal("by", by), personal("comment", comment)]),
  // Whoever was asked to decide need not any more.
  PolicyProposalWithdrawn: ({ version, by }) => decided("withdrawn", version, [personal("by", by)]),
  PolicySuperseded: ({ version, replacedBy }) => decided("superseded", version, [shown("published instead", replacedBy)]),
  PolicyPublished: ({ version, rule, approvers }) =>
    decided("published", version, [shown("approvals", rule.replaceAll("_", " ")), personal("approvers", approvers)]),
};

const decided = (what: string, version: string, fields: readonly Field[]): ReturnType<NonNullable<Notices["PolicyPublished"]>> => ({
  kind: `policy.${what}`,
  title: `Policy ${version} was ${what}`,
  urgency: "info",
  fields: [shown("version", version), ...fields],
  next: [look(version)],
});

const step = (label: string, command: string, version: string): Step => ({ label, command, path: `policies/${version}` });
const look = (version: string): Step => step("Look", `sallyport policy list`, version);
