import { SallyportError } from "@sallyport/proto/errors";
import { initialTransition, type SnapshotFrom, transition } from "xstate";
import { reached } from "../decider.ts";
import { inPlaceOf, refusalOf, requireHours, requireStep, requireUnheard, type Voter } from "../approval/agreement.ts";
import { peopleIn, plainTerms } from "../approval/terms.ts";
import { type Decision, recordDecision } from "../decision.ts";
import { requireSaid, requireText } from "../names.ts";
import { type DecidedBy, requireOtherHuman, requirePermitted } from "../vote.ts";
import { openedAsEmergency, overdueAt, requireUnreviewed } from "./break-glass.ts";
import type { GrantEvent, ReviewVerdict } from "./grant.events.ts";
import { grantMachine, isParty } from "./grant.machine.ts";
import { spokenDuration } from "../spoken-duration.ts";

type DataOf<T extends GrantEvent["type"]> = Extract<GrantEvent, { type: T }>["data"];

export type GrantCommand =
  | { readonly type: "Request"; readonly data: Omit<DataOf<"AccessRequested">, "decision" | "quorum">; readonly decision: Decision }
  /** `askedNow`: what policy in force now says to the request itself. */
  | ({ readonly type: "Approve"; readonly comment: string; readonly askedNow: Decision } & Voter)
  | ({ readonly type: "Deny"; readonly comment: string } & Voter)
  | { readonly type: "Withdraw"; readonly by: string }
  /** Of break-glass, by somebody else. */
  | ({ readonly type: "Review"; readonly verdict: ReviewVerdict; readonly comment: string } & Omit<Voter, "groups">)
  | { readonly type: "Escalate" }
  /** Of the request, of the access, or of the time for its review, whichever it is time for. */
  | { readonly type: "Expire" }
  | { readonly type: "Use"; readonly sessionId: string; readonly by: string; readonly resource: string }
  /** Whether they may is looked at before. */
  | { readonly type: "Revoke"; readonly by: Pick<DecidedBy, "id" | "onBehalfOf">; readonly reason: string };

export type GrantState = SnapshotFrom<typeof grantMachine>;

export const [initialState] = initialTransition(grantMachine);

export const evolve = (state: GrantState, event: GrantEvent): GrantState => transition(grantMachine, state, event)[0];

/** A reason or comment is a paragraph for whoever decides. */
export const MAX_REASON_LENGTH = 1_000;
/** A ticket is an id or a link. */
export const MAX_TICKET_LENGTH = 200;
/** Where policy sets no bound of its own: long enough for one piece of work. */
export const DEFAULT_MAX_DURATION_SECONDS = 3_600;

export function decide(command: GrantCommand, state: GrantState, at: string): GrantEvent[] {
  if (command.type === "Request") return request(command.data, command.decision, state, at);
  const { request: asked, grant } = state.context;
  if (asked === undefined) throw new SallyportError("approval.not_found", "There is no such request for access.");
  const { grantId } = asked;
  switch (command.type) {
    case "Approve": {
      requirePending(asked, state, at);
      requireOtherHuman(command.by, (id) => isParty(asked, id));
      requireStillRequestable(asked, command.askedNow);
      requireText("comment", command.comment, MAX_REASON_LENGTH);
      if (state.context.approvers.includes(command.by.id)) return [];
      requireUnheard(state.context.votes, command.by);
      const decision = requirePermitted(command.decision);
      requireHours(asked, at);
      const escalated = escalate(state, at);
      const pending = escalated.reduce(evolve, state);
      const { step, groups } = requireStep(asked, pending.context, command.groups);
      const { by, comment } = command;
      const approved: GrantEvent = { type: "AccessApproved", data: { grantId, by: by.id, comment, decision, step, groups, ...inPlaceOf(by) } };
      const agreed = accepted(pending, approved);
      const granted = grantedAt(asked, agreed.context.approvers, at);
      return agreed.can(granted) ? [...escalated, approved, granted] : [...escalated, approved];
    }
    case "Deny": {
      requirePending(asked, state, at);
      requireOtherHuman(command.by, (id) => isParty(asked, id));
      requireText("comment", command.comment, MAX_REASON_LENGTH);
      return checked(state, { type: "AccessDenied", data: { grantId, ...refusalOf(asked, command) } });
    }
    case "Withdraw": {
      requirePending(asked, state, at);
      if (command.by !== asked.requestedBy) throw new SallyportError("auth.forbidden", "Only whoever asked withdraws a request.");
      return checked(state, { type: "AccessRequestWithdrawn", data: { grantId, by: command.by } });
    }
    case "Escalate":
      return escalate(state, at);
    case "Expire":
      if (state.matches("pending") && reached(asked.expiresAt, at))
        return checked(state, { type: "AccessRequestExpired", data: { grantId, expiresAt: asked.expiresAt } });
      if (grant !== undefined && state.matches("open") && reached(grant.endsAt, at))
        return checked(state, { type: "GrantExpired", data: { grantId, endsAt: grant.endsAt } });
      return overdue(state, at);
    case "Review":
      return review(command, asked, state, at);
    case "Use":
      requireOpen(asked, state, at);
      if (command.by !== asked.requestedBy || command.resource !== asked.resource)
        throw new SallyportError("auth.forbidden", "A grant is for whoever asked for it, on the resource that it was asked for.");
      return checked(state, { type: "GrantUsed", data: { grantId, sessionId: command.sessionId } });
    case "Revoke":
      requireOpen(asked, state, at);
      requireText("reason", command.reason, MAX_REASON_LENGTH);
      return checked(state, { type: "GrantRevoked", data: { grantId, by: command.by.id, reason: command.reason, ...inPlaceOf(command.by) } });
  }
}

function request(data: Extract<GrantCommand, { type: "Request" }>["data"], decision: Decision, state: GrantState, at: string): GrantEvent[] {
  // The caller makes the id, so what is there is a retry of the same request.
  if (state.context.request !== undefined) return [];
  const { durationSeconds, reason, ticket, resource } = data;
  if (decision.effect === "deny") {
    const rule = decision.rules.join(", ") || "none permits it";
    const details = { resource, rule, policy: decision.policyVersion };
    const what = data.emergency === true ? "break the glass of" : "ask for access to";
    if (decision.lacks !== undefined)
      throw new SallyportError("policy.purpose_required", `Say more to ${what} "${resource}". ${decision.reason}`, {
        ...details,
        missing: decision.lacks.join(", "),
      });
    throw new SallyportError("policy.denied", `You may not ${what} "${resource}". ${decision.reason}`, details);
  }
  requireSaid("reason", reason, MAX_REASON_LENGTH, "Say why you need access.");
  requireText("ticket", ticket, MAX_TICKET_LENGTH);
  const longest = decision.maxDurationSeconds ?? DEFAULT_MAX_DURATION_SECONDS;
  if (!Number.isSafeInteger(durationSeconds) || durationSeconds < 1) throw new SallyportError("input.invalid", "Say for how long.", { field: "duration" });
  if (durationSeconds > longest) {
    throw new SallyportError("input.invalid", `Policy gives access to "${resource}" for ${spokenDuration(longest)} at most.`, { field: "duration" });
  }
  if (reached(data.expiresAt, at)) throw new Error("A request that has expired already cannot be made.");
  if (peopleIn(data.steps) !== decision.quorum) throw new Error("The steps of a request are for as many people as its quorum.");
  const asked: GrantEvent = { type: "AccessRequested", data: { ...data, decision: recordDecision(decision), quorum: decision.quorum } };
  const pending = accepted(state, asked);
  if (decision.quorum > 0) return [asked];
  const granted = grantedAt(asked.data, [], at);
  const open = accepted(pending, granted);
  return [asked, granted, ...(data.emergency === true ? checked(open, openedAsEmergency(granted.data, decision)) : [])];
}

/** Nothing before its time, nor twice, nor once it is decided. */
function escalate(state: GrantState, at: string): GrantEvent[] {
  const { request: asked } = state.context;
  if (asked?.escalation === undefined || !reached(asked.escalation.at, at)) return [];
  const escalated: GrantEvent = { type: "AccessRequestEscalated", data: { grantId: asked.grantId, to: asked.escalation.to } };
  return state.can(escalated) ? [escalated] : [];
}

/** What happened until the end is what is judged, so it must have ended. */
function review(
  { by, verdict, comment, decision }: Extract<GrantCommand, { type: "Review" }>,
  asked: DataOf<"AccessRequested">,
  state: GrantState,
  at: string,
): GrantEvent[] {
  const { grantId, endsAt } = requireUnreviewed(state.context.emergency).opened;
  requireOtherHuman(by, (id) => isParty(asked, id));
  requireSaid("comment", comment, MAX_REASON_LENGTH, "Say what you found.");
  const permitted = requirePermitted(decision);
  const isOpen = state.matches("open");
  if (isOpen && !reached(endsAt, at))
    throw new SallyportError("input.invalid", "It is still open: review it after its end, or revoke it first.", { field: "grant" });
  const ended: GrantEvent[] = isOpen ? checked(state, { type: "GrantExpired", data: { grantId, endsAt } }) : [];
  const reviewed: GrantEvent = { type: "BreakGlassReviewed", data: { grantId, by: by.id, verdict, comment, decision: permitted } };
  return [...ended, ...checked(ended.reduce(evolve, state), reviewed)];
}

function overdue(state: GrantState, at: string): GrantEvent[] {
  const { emergency } = state.context;
  const event = emergency === undefined || state.matches("open") ? undefined : overdueAt(emergency, at);
  return event === undefined ? [] : checked(state, event);
}

const grantedAt = (
  { grantId, requestedBy, resource, durationSeconds }: DataOf<"AccessRequested">,
  approvers: readonly string[],
  at: string,
): Extract<GrantEvent, { type: "AccessGranted" }> => ({
  type: "AccessGranted",
  data: { grantId, requestedBy, resource, approvers, startsAt: at, endsAt: new Date(Date.parse(at) + durationSeconds * 1_000).toISOString() },
});

/** Expired is expired, even when the scanner that records it is late. */
function requirePending({ expiresAt }: DataOf<"AccessRequested">, state: GrantState, at: string): void {
  if (state.matches("lapsed") || (state.matches("pending") && reached(expiresAt, at)))
    throw new SallyportError("approval.expired", "Nobody decided on this request in time; ask again.");
  if (!state.matches("pending"))
    throw new SallyportError("approval.already_decided", `The request is not pending: it is ${state.value}.`, { state: state.value });
}

function requireOpen({ resource }: DataOf<"AccessRequested">, state: GrantState, at: string): void {
  const { grant } = state.context;
  if (state.matches("expired") || (state.matches("open") && grant !== undefined && reached(grant.endsAt, at))) throw grantExpired(resource);
  if (state.matches("revoked")) throw grantRevoked(resource);
  if (!state.matches("open")) throw new SallyportError("approval.already_decided", `There is no access here: the request is ${state.value}.`);
}

/** Policy may have become stricter since it was asked for (I4): then those who agreed did not agree to this. */
function requireStillRequestable({ quorum, durationSeconds, steps, denyBy, approverHours, escalation }: DataOf<"AccessRequested">, now: Decision): void {
  const longest = now.maxDurationSeconds ?? DEFAULT_MAX_DURATION_SECONDS;
  const terms = now.terms ?? plainTerms;
  // Other groups are neither more nor less: only fewer people who may be anybody are.
  const isPlain = [...steps, ...terms.steps].every(({ groups }) => groups.length === 0);
  const asksNoMore =
    now.quorum === 0 ||
    ((isPlain ? now.quorum <= quorum : JSON.stringify(terms.steps) === JSON.stringify(steps)) &&
      // Whoever may stand in adds to those who may agree.
      (escalation === undefined || escalation.to === terms.escalation?.to) &&
      terms.denyBy.every((group) => denyBy.includes(group)) &&
      terms.approverHours.every((hours) => approverHours.includes(hours)));
  if (now.effect !== "deny" && asksNoMore && durationSeconds <= longest) return;
  throw new SallyportError("approval.drift", "Policy changed since this was asked for, and asks for more now; ask again.");
}

function accepted(state: GrantState, event: GrantEvent): GrantState {
  if (!state.can(event)) throw new Error(`The grant machine refuses ${event.type} in state ${state.value}.`);
  return evolve(state, event);
}

function checked(state: GrantState, event: GrantEvent): GrantEvent[] {
  accepted(state, event);
  return [event];
}

export const howToAsk = (resource: string): string => `Ask for access: sallyport request ${resource} --for 30m --reason …`;

export const grantExpired = (resource: string): SallyportError =>
  new SallyportError("grant.expired", `Your access to "${resource}" has ended: its time is up.`, { resource });

export const grantRevoked = (resource: string): SallyportError =>
  new SallyportError("grant.revoked", `Your access to "${resource}" was revoked.`, { resource });
