import type { DataOf } from "../../domain/events.ts";
import { type About, type Field, type Notice, type Notices, personal, shown, type Step, type Urgency } from "../notice.ts";

/** Access for a while. */
export const grantNotices: Notices = {
  AccessRequested({ grantId, resource, requestedBy, durationSeconds, reason, ticket, decision, quorum, expiresAt, emergency = false }) {
    // Granted in the same breath: what follows says it all, unless a rule wants this told.
    if (quorum === 0 && (emergency || decision.notify === undefined)) return undefined;
    return {
      kind: "grant.requested",
      title: `Somebody asks for access to ${resource}`,
      urgency: "action",
      fields: [
        shown("resource", resource),
        shown("seconds", durationSeconds),
        shown("needs", quorum),
        shown("expires", expiresAt),
        shown("rules", decision.rules),
        ...asked({ requestedBy, reason, ticket }),
        shown("grant", grantId),
      ],
      next: decide(grantId),
    };
  },
  AccessGranted: ({ grantId, resource, startsAt, endsAt, approvers }, about) =>
    // That is told as what it is.
    about.subject.type === "AccessRequested" && about.subject.data.emergency === true
      ? undefined
      : changed("granted", `Access to ${resource} was granted`, "info", grantId, about, [
          shown("starts", startsAt),
          shown("ends", endsAt),
          personal("approvers", approvers),
        ]),
  AccessDenied: ({ grantId, by, comment }, about) =>
    changed("denied", `Access to ${resourceOf(about)} was denied`, "info", grantId, about, [
      personal("by", by),
      ...(comment === "" ? [] : [personal("comment", comment)]),
    ]),
  AccessRequestEscalated({ grantId, to }, about) {
    const notice = changed("escalated", `A request for access to ${resourceOf(about)} waits on, and now ${to} may decide too`, "action", grantId, about, [
      shown("group", to),
    ]);
    return { ...notice, next: decide(grantId) };
  },
  AccessRequestExpired: ({ grantId }, about) => changed("lapsed", `Nobody decided in time on access to ${resourceOf(about)}`, "info", grantId, about, []),
  GrantRevoked: ({ grantId, by, reason }, about) =>
    changed("revoked", `Access to ${resourceOf(about)} was revoked`, "info", grantId, about, [
      personal("by", by),
      ...(reason === "" ? [] : [personal("reason", reason)]),
    ]),
};

const resourceOf = ({ subject }: About): string => (subject.type === "AccessRequested" ? subject.data.resource : "a resource");

const asked = ({ requestedBy, reason, ticket }: Pick<DataOf<"AccessRequested">, "requestedBy" | "reason" | "ticket">): readonly Field[] => [
  personal("requester", requestedBy),
  personal("reason", reason),
  ...(ticket === "" ? [] : [personal("ticket", ticket)]),
];

function changed(what: string, title: string, urgency: Urgency, grantId: string, about: About, fields: readonly Field[]): Notice {
  const { subject } = about;
  const own = subject.type === "AccessRequested" ? asked(subject.data) : [];
  return {
    kind: `grant.${what}`,
    title,
    urgency,
    fields: [shown("resource", resourceOf(about)), ...own.filter(({ name }) => name !== "reason"), ...fields, shown("grant", grantId)],
    next: [],
  };
}

const decide = (grantId: string): readonly Step[] => {
  const path = `grants/${grantId}`;
  return [
    { label: "Look", command: `sallyport grants show ${grantId}`, path },
    { label: "Approve", command: `sallyport grants approve ${grantId}`, path: `${path}?decide=approve` },
    { label: "Deny", command: `sallyport grants deny ${grantId}`, path: `${path}?decide=deny` },
  ];
};
