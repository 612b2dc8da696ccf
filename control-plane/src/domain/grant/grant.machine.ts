import { assign, setup } from "xstate";
import { counts, currentStep, type Vote, voteIn } from "../approval/quorum.ts";
import type { GrantEvent } from "./grant.events.ts";

type DataOf<T extends GrantEvent["type"]> = Extract<GrantEvent, { type: T }>["data"];

export interface GrantContext {
  /** Undefined until requested. */
  readonly request: DataOf<"AccessRequested"> | undefined;
  /** Distinct, in the order in which they agreed. */
  readonly approvers: readonly string[];
  /** What each of them counts for. */
  readonly votes: readonly Vote[];
  /** The group that it was escalated to. */
  readonly escalatedTo: string | undefined;
  /** Undefined until granted. */
  readonly grant: DataOf<"AccessGranted"> | undefined;
  /** Sessions that used it. */
  readonly uses: number;
  /** Of break-glass; undefined until it is opened. */
  readonly emergency: Emergency | undefined;
}

export interface Emergency {
  readonly opened: DataOf<"BreakGlassOpened">;
  readonly review: DataOf<"BreakGlassReviewed"> | undefined;
  readonly escalations: number;
  /** When its review is next said to be overdue; undefined when that was said often enough. */
  readonly escalatesAt: string | undefined;
}

const review = {
  BreakGlassReviewed: { guard: "reviewable", actions: "review" },
  BreakGlassReviewOverdue: { guard: "unreviewed", actions: "escalate" },
} as const;

const nothing: GrantContext = { request: undefined, approvers: [], votes: [], escalatedTo: undefined, grant: undefined, uses: 0, emergency: undefined };

/**
 * The legal life of a grant, as a table; like the approval machine it runs no actor and reads no clock.
 *
 * G1. Only distinct people other than the requester, and whoever the requester acts for, count.
 * G2. It is granted only when each step has as many of them as it asks for, from its groups, in the order of the steps, to whoever asked, on the resource that was asked for, for as
 *     long as was asked for and no longer.
 * G3. It is used only while it is open; nothing opens it again.
 * G4. Break-glass needs nobody's agreement, and is reviewed once, after its end, by somebody other than G1 excludes.
 */
export const grantMachine = setup({
  types: { events: {} as GrantEvent, context: {} as GrantContext },
  guards: {
    counts: ({ context: { request, votes, escalatedTo }, event }) =>
      event.type === "AccessApproved" &&
      request !== undefined &&
      counts({ steps: request.steps, votes, escalatedTo }, (id) => isParty(request, id), event.data),
    mayEscalate: ({ context: { request, escalatedTo }, event }) =>
      event.type === "AccessRequestEscalated" && escalatedTo === undefined && request?.escalation?.to === event.data.to,
    asAgreed: ({ context, event }) => event.type === "AccessGranted" && isAsAgreed(context, event.data),
    byOther: ({ context: { request }, event }) =>
      event.type === "AccessDenied" && request !== undefined && !isParty(request, event.data.by) && !isParty(request, event.data.onBehalfOf ?? event.data.by),
    asEmergency: ({ context: { request, emergency } }) => request?.emergency === true && emergency === undefined,
    reviewable: ({ context: { request, emergency }, event }) =>
      event.type === "BreakGlassReviewed" &&
      request !== undefined &&
      emergency !== undefined &&
      emergency.review === undefined &&
      !isParty(request, event.data.by),
    unreviewed: ({ context: { emergency }, event }) =>
      event.type === "BreakGlassReviewOverdue" && emergency?.review === undefined && event.data.escalation === (emergency?.escalations ?? 0) + 1,
    byRequester: ({ context: { request }, event }) => event.type === "AccessRequestWithdrawn" && event.data.by === request?.requestedBy,
  },
  actions: {
    ask: assign(({ event, context }) => (event.type === "AccessRequested" ? { ...nothing, request: event.data } : context)),
    count: assign(({ event, context }) =>
      event.type === "AccessApproved" ? { approvers: [...context.approvers, event.data.by], votes: [...context.votes, voteIn(event.data)] } : context,
    ),
    escalateRequest: assign(({ event }) => (event.type === "AccessRequestEscalated" ? { escalatedTo: event.data.to } : {})),
    use: assign(({ context }) => ({ uses: context.uses + 1 })),
    breakGlass: assign(({ event, context }) =>
      event.type === "BreakGlassOpened" ? { emergency: { opened: event.data, review: undefined, escalations: 0, escalatesAt: event.data.reviewBy } } : context,
    ),
    review: assign(({ event, context: { emergency } }) =>
      event.type === "BreakGlassReviewed" && emergency !== undefined ? { emergency: { ...emergency, review: event.data, escalatesAt: undefined } } : {},
    ),
    escalate: assign(({ event, context: { emergency } }) =>
      event.type === "BreakGlassReviewOverdue" && emergency !== undefined
        ? { emergency: { ...emergency, escalations: event.data.escalation, escalatesAt: event.data.nextAt } }
        : {},
    ),
    open: assign(({ event, context }) => (event.type === "AccessGranted" ? { grant: event.data } : context)),
  },
}).createMachine({
  id: "grant",
  context: nothing,
  initial: "absent",
  states: {
    absent: { on: { AccessRequested: { target: "pending", actions: "ask" } } },
    pending: {
      on: {
        AccessApproved: { guard: "counts", actions: "count" },
        AccessGranted: { guard: "asAgreed", target: "open", actions: "open" },
        AccessRequestEscalated: { guard: "mayEscalate", actions: "escalateRequest" },
        AccessDenied: { guard: "byOther", target: "denied" },
        AccessRequestWithdrawn: { guard: "byRequester", target: "withdrawn" },
        AccessRequestExpired: "lapsed",
      },
    },
    open: {
      on: {
        BreakGlassOpened: { guard: "asEmergency", actions: "breakGlass" },
        GrantUsed: { actions: "use" },
        GrantExpired: "expired",
        GrantRevoked: "revoked",
      },
    },
    denied: { type: "final" },
    withdrawn: { type: "final" },
    lapsed: { type: "final" },
    // Nothing follows, but for what break-glass asks for.
    expired: { on: review },
    revoked: { on: review },
  },
});

export const isParty = ({ requestedBy, onBehalfOf }: DataOf<"AccessRequested">, id: string): boolean => id === requestedBy || id === onBehalfOf;

function isAsAgreed({ request, votes }: GrantContext, granted: DataOf<"AccessGranted">): boolean {
  if (request === undefined || currentStep({ steps: request.steps, votes }) < request.steps.length) return false;
  const lasts = Date.parse(granted.endsAt) - Date.parse(granted.startsAt);
  return granted.requestedBy === request.requestedBy && granted.resource === request.resource && lasts <= request.durationSeconds * 1_000;
}
