import type { GrantEvent } from "../../domain/grant/grant.events.ts";
import type { GrantState } from "../grant-ports.ts";
import type { Change, Projected } from "./change.ts";

export interface GrantWrites {
  /** `rules` is JSON. */
  readonly grantRequested: readonly [
    position: bigint,
    id: string,
    requestedBy: string,
    onBehalfOf: string,
    resource: string,
    durationSeconds: number,
    reason: string,
    ticket: string,
    policyVersion: string,
    rules: string,
    quorum: number,
    at: string,
    expiresAt: string,
  ];
  readonly grantApproved: readonly [by: string, comment: string, id: string];
  readonly grantOpened: readonly [startsAt: string, endsAt: string, id: string];
  readonly breakGlassOpened: readonly [reviewBy: string, id: string];
  readonly breakGlassReviewed: readonly [verdict: string, by: string, id: string];
  readonly grantUsed: readonly [id: string];
  /** Nothing follows a final state. `by` and `comment` are null where nobody spoke. */
  readonly grantSettled: readonly [state: GrantState, at: string, by: string | null, comment: string | null, id: string];
}

export function projectGrant({ event, recorded: { position }, metadata: { at } }: Projected<GrantEvent>): Change[] {
  const { grantId } = event.data;
  const settled = (state: GrantState, by: string | null = null, comment: string | null = null): Change[] => [["grantSettled", state, at, by, comment, grantId]];
  switch (event.type) {
    case "AccessRequested": {
      const { requestedBy, onBehalfOf = "", resource, durationSeconds, reason, ticket, decision, quorum, expiresAt } = event.data;
      const { policyVersion, rules } = decision;
      const asked = [position, grantId, requestedBy, onBehalfOf, resource, durationSeconds, reason, ticket] as const;
      return [["grantRequested", ...asked, policyVersion, JSON.stringify(rules), quorum, at, expiresAt]];
    }
    case "AccessApproved":
      return [["grantApproved", event.data.by, event.data.comment, grantId]];
    case "AccessGranted":
      return [["grantOpened", event.data.startsAt, event.data.endsAt, grantId]];
    case "BreakGlassOpened":
      return [["breakGlassOpened", event.data.reviewBy, grantId]];
    case "AccessRequestEscalated":
    case "BreakGlassReviewOverdue":
      return [];
    case "BreakGlassReviewed":
      return [["breakGlassReviewed", event.data.verdict, event.data.by, grantId]];
    case "GrantUsed":
      return [["grantUsed", grantId]];
    case "AccessDenied":
      return settled("denied", event.data.by, event.data.comment);
    case "AccessRequestWithdrawn":
      return settled("withdrawn");
    case "AccessRequestExpired":
      return settled("lapsed");
    case "GrantExpired":
      return settled("expired");
    case "GrantRevoked":
      return settled("revoked", event.data.by, event.data.reason);
  }
}
