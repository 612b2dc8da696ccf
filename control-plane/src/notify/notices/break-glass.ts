import { type About, type Field, type Notices, personal, shown } from "../notice.ts";

/** Access without anybody's approval, and what became of it. */
export const breakGlassNotices: Notices = {
  BreakGlassOpened: ({ grantId, resource, endsAt, reviewBy }, about) => ({
    kind: "break_glass.opened",
    title: `Break-glass: ${resource} was opened without approval`,
    urgency: "alarm",
    fields: [shown("resource", resource), shown("ends", endsAt), shown("review by", reviewBy), ...said(about), shown("grant", grantId)],
    next: [
      { label: "Look", command: `sallyport grants show ${grantId}`, path: `grants/${grantId}` },
      { label: "Revoke", command: `sallyport grants revoke ${grantId}`, path: `grants/${grantId}?decide=revoke` },
    ],
  }),
  BreakGlassReviewOverdue: ({ grantId, reviewBy, escalation }, about) => ({
    kind: "break_glass.overdue",
    title: `Nobody has reviewed the break-glass of ${resourceOf(about)}`,
    urgency: "alarm",
    fields: [shown("resource", resourceOf(about)), shown("was due", reviewBy), shown("times said", escalation), ...said(about), shown("grant", grantId)],
    next: [
      {
        label: "Review",
        command: `sallyport break-glass review ${grantId} --verdict justified --comment "what you found"`,
        path: `grants/${grantId}?decide=review`,
      },
    ],
  }),
  BreakGlassReviewed: ({ grantId, by, verdict, comment }, about) => ({
    kind: "break_glass.reviewed",
    title: `The break-glass of ${resourceOf(about)} was found ${verdict}`,
    urgency: verdict === "misused" ? "alarm" : "info",
    fields: [shown("resource", resourceOf(about)), shown("verdict", verdict), personal("by", by), personal("comment", comment), shown("grant", grantId)],
    next: [],
  }),
};

const resourceOf = ({ subject }: About): string => (subject.type === "AccessRequested" ? subject.data.resource : "a resource");

function said({ subject }: About): readonly Field[] {
  if (subject.type !== "AccessRequested") return [];
  const { requestedBy, reason, ticket } = subject.data;
  return [personal("requester", requestedBy), personal("reason", reason), ...(ticket === "" ? [] : [personal("ticket", ticket)])];
}
