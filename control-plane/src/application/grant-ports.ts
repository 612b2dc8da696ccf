import type { SallyportError } from "@sallyport/proto/errors";
import type { ByGrant, Decision, Principal, ResourceRef } from "../domain/decision.ts";
import type { ReviewVerdict } from "../domain/grant/grant.events.ts";
import type { DecidedBy } from "../domain/vote.ts";
import type { Approvable } from "./approvable.ts";
import type { CommandContext } from "./ports.ts";

export type GrantState = "pending" | "open" | "denied" | "withdrawn" | "lapsed" | "expired" | "revoked";

/** Access for a while, from the request to its end. `lapsed`: nobody decided in time; `expired`: its time is over. */
export interface GrantView extends Approvable {
  readonly state: GrantState;
  /** Empty unless the requester acts for somebody. */
  readonly onBehalfOf: string;
  readonly durationSeconds: number;
  readonly reason: string;
  readonly ticket: string;
  /** Undefined until granted. */
  readonly startsAt: Date | undefined;
  readonly endsAt: Date | undefined;
  /** Sessions that used it. */
  readonly uses: number;
  /** Opened by break-glass, so that somebody else must review it. */
  readonly emergency: boolean;
  /** Of break-glass: until when somebody else must have reviewed it. */
  readonly reviewBy: Date | undefined;
  /** Empty until then. */
  readonly verdict: ReviewVerdict | "";
  readonly reviewedBy: string;
  readonly reviewComment: string;
  /** How often it was said that the review is overdue, and when it is said next. */
  readonly escalations: number;
  readonly escalatesAt: Date | undefined;
}

export interface AccessRequest {
  readonly resource: string;
  readonly durationSeconds: number;
  readonly reason: string;
  /** Empty without one. */
  readonly ticket: string;
}

/** Just-in-time access: asked for, granted by others, ended on time. */
export interface Grants {
  /** Fails with `policy.denied`, `policy.missing`, `resource.not_found`, `input.invalid`, `session.limit`. */
  request(asked: AccessRequest, by: Principal, context: CommandContext): Promise<GrantView>;
  /** Fails with approval.self, approval.machine, approval.not_found, approval.already_decided, approval.drift, approval.expired, auth.forbidden. */
  approve(grantId: string, by: Principal, comment: string, context: CommandContext): Promise<GrantView>;
  deny(grantId: string, by: Principal, comment: string, context: CommandContext): Promise<GrantView>;
  withdraw(grantId: string, by: Principal, context: CommandContext): Promise<GrantView>;
  /** Ends the sessions that use it. The caller sees to it that they may, and in whose place. Fails with `grant.expired`, `grant.revoked`. */
  revoke(grantId: string, by: DecidedBy, reason: string, context: CommandContext): Promise<GrantView>;
  /**
   * Opens at once, for whom policy lets break the glass. Fails like a request, and with `auth.forbidden` while an earlier one of theirs is
   * overdue for review.
   */
  breakGlass(asked: AccessRequest, by: Principal, context: CommandContext): Promise<GrantView>;
  /** After its end, by somebody else. Fails like an approval, and with `input.invalid` while it is open. */
  review(grantId: string, by: Principal, verdict: ReviewVerdict, comment: string, context: CommandContext): Promise<GrantView>;
  /** In whose name policy lets this person decide on it, now: their own first; undefined: in nobody's. */
  inWhoseName(grant: GrantView, by: Principal): DecidedBy | undefined;
  /** Whether policy lets this person decide on it, now. */
  mayDecide(grant: GrantView, by: Principal): boolean;
  /** What policy says to a request of theirs, now. */
  requestable(resource: ResourceRef, by: Principal): Decision;
  /** Like those of approvals. */
  find(grantId: string): GrantView | undefined;
  load(grantId: string): Promise<GrantView | undefined>;
  list(): readonly GrantView[];
  /** That this identity may use on this resource now, of this kind, if one is given: of several the one that ends last. */
  current(identityId: string, resource: string, kind?: ByGrant): GrantView | undefined;
  /** Records that the session uses it, durably. Fails with `grant.expired` or `grant.revoked`. */
  use(grantId: string, sessionId: string, by: Principal, resource: string, context: CommandContext): Promise<void>;
  /** Throws `grant.expired` or `grant.revoked` from its end on, whether or not that is recorded yet. */
  requireOpen(grantId: string): void;
  /** Tells once when it ends: on time, or when it is revoked. The answer calls it off. */
  onEnd(grantId: string, ended: (why: SallyportError) => void): () => void;
}
