import { describeSteps } from "../../domain/approval/terms.ts";
import type { CommandFacts } from "../../domain/facts.ts";
import { withheldOf } from "../../domain/session/withheld.ts";
import { type About, type Field, type Notice, type Notices, personal, sensitive, shown, type Step } from "../notice.ts";

/** Commands that wait for people. */
export const approvalNotices: Notices = {
  ApprovalRequested(data) {
    const { approvalId, command, resource, requestedBy, decision, steps, denyBy, expiresAt } = data;
    return {
      kind: "approval.requested",
      title: `A ${command.facts.riskClass} command waits for approval on ${resource}`,
      urgency: "action",
      fields: [
        ...commandFields(data.resource, command.facts),
        shown("needs", describeSteps(steps)),
        shown("may deny too", denyBy),
        shown("expires", expiresAt),
        shown("rules", decision.rules),
        personal("requester", requestedBy),
        ...withheldField(withheldOf(command)),
        ...(command.statement === undefined ? [] : [sensitive("statement", command.statement)]),
        shown("approval", approvalId),
        shown("session", data.sessionId),
      ],
      next: decide(approvalId),
    };
  },
  ApprovalEscalated({ approvalId, to }, about) {
    const notice = settled("escalated", `waits on, and now ${to} may decide too`, approvalId, about, [shown("group", to)]);
    return { ...notice, urgency: "action", next: decide(approvalId) };
  },
  ApprovalCounterProposed: ({ approvalId, by, comment, statement }, about) =>
    settled("counter_proposed", "has a counter-proposal", approvalId, about, [
      personal("by", by),
      personal("comment", comment),
      sensitive("proposed", statement),
    ]),
  ApprovalGranted: ({ approvalId, approvers }, about) => settled("granted", "was approved", approvalId, about, [personal("approvers", approvers)]),
  ApprovalDenied: ({ approvalId, by, comment }, about) =>
    settled("denied", "was denied", approvalId, about, [personal("by", by), ...(comment === "" ? [] : [personal("comment", comment)])]),
  ApprovalExpired: ({ approvalId }, about) => settled("expired", "was decided on by nobody in time", approvalId, about, []),
  ApprovalWithdrawn: ({ approvalId, cause }, about) => settled("withdrawn", "was withdrawn", approvalId, about, [shown("cause", cause)]),
  ApprovalRevoked: ({ approvalId, by, reason }, about) =>
    settled("revoked", "has lost its approval", approvalId, about, [personal("by", by), personal("reason", reason)]),
};

/** What it would do, without its text. Names of relations are words of whoever wrote the statement: they say what they like. */
export const commandFields = (
  resource: string,
  { verbs, riskClass, relationsRead, relationsWritten, hazards, fingerprint }: CommandFacts,
): readonly Field[] => [
  shown("resource", resource),
  shown("verbs", verbs),
  shown("class", riskClass),
  sensitive("reads", relationsRead),
  sensitive("writes", relationsWritten),
  shown("hazards", hazards),
  shown("fingerprint", fingerprint),
];

const withheldField = (withheld: string | undefined): readonly Field[] =>
  withheld === undefined ? [] : [shown("withheld from everybody", `${withheld}, marked in the text: it looks like a secret`)];

function settled(what: string, said: string, approvalId: string, { subject }: About, fields: readonly Field[]): Notice {
  const asked = subject.type === "ApprovalRequested" ? subject.data : undefined;
  return {
    kind: `approval.${what}`,
    title: `A command on ${asked?.resource ?? "a resource"} ${said}`,
    urgency: "info",
    fields: [
      ...(asked === undefined ? [] : [...commandFields(asked.resource, asked.command.facts), personal("requester", asked.requestedBy)]),
      ...fields,
      shown("approval", approvalId),
    ],
    next: [],
  };
}

const decide = (approvalId: string): readonly Step[] => {
  const path = `approvals/${approvalId}`;
  return [
    { label: "Look", command: `sallyport approvals show ${approvalId}`, path },
    { label: "Approve", command: `sallyport approvals approve ${approvalId}`, path: `${path}?decide=approve` },
    { label: "Deny", command: `sallyport approvals deny ${approvalId}`, path: `${path}?decide=deny` },
  ];
};
