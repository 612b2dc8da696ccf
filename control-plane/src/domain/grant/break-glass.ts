import { SallyportError } from "@sallyport/proto/errors";
import { reached } from "../decider.ts";
import type { Decision } from "../decision.ts";
import type { GrantEvent } from "./grant.events.ts";
import type { Emergency } from "./grant.machine.ts";

type DataOf<T extends GrantEvent["type"]> = Extract<GrantEvent, { type: T }>["data"];

/** Where policy sets no bound of its own: a day, so that whoever opened it at night is asked the day after. */
export const DEFAULT_REVIEW_SECONDS = 86_400;
/** A review that is overdue is asked for again each day, */
export const ESCALATE_EVERY_SECONDS = 86_400;
/** for a week: after that nobody listens. It stays overdue. */
export const MAX_ESCALATIONS = 7;

/** What makes a grant one of break-glass, appended with it. */
export function openedAsEmergency({ grantId, requestedBy, resource, endsAt }: DataOf<"AccessGranted">, decision: Decision): GrantEvent {
  const within = decision.reviewWithinSeconds ?? DEFAULT_REVIEW_SECONDS;
  const reviewBy = new Date(Date.parse(endsAt) + within * 1_000).toISOString();
  return { type: "BreakGlassOpened", data: { grantId, requestedBy, resource, endsAt, reviewBy, ...told(decision.notify) } };
}

/** That nobody has reviewed it in time; nothing when it is not time. */
export function overdueAt({ opened, review, escalations, escalatesAt }: Emergency, at: string): GrantEvent | undefined {
  if (review !== undefined || escalatesAt === undefined || !reached(escalatesAt, at)) return undefined;
  const escalation = escalations + 1;
  // From now, so that a long outage is not followed by a volley.
  const next = escalation < MAX_ESCALATIONS ? { nextAt: new Date(Date.parse(at) + ESCALATE_EVERY_SECONDS * 1_000).toISOString() } : {};
  return { type: "BreakGlassReviewOverdue", data: { grantId: opened.grantId, reviewBy: opened.reviewBy, escalation, ...next, ...told(opened.notify) } };
}

export function requireUnreviewed(emergency: Emergency | undefined): Emergency {
  if (emergency === undefined) throw new SallyportError("approval.not_found", "This access was not opened by break-glass, so there is nothing to review.");
  const { review } = emergency;
  if (review !== undefined) throw new SallyportError("approval.already_decided", `It was reviewed already: ${review.verdict}.`, { state: review.verdict });
  return emergency;
}

const told = (notify: readonly string[] | undefined): { readonly notify?: readonly string[] } => (notify === undefined ? {} : { notify });
