import { assign, setup } from "xstate";
import type { ApprovalEvent } from "./approval.events.ts";
import { counts, currentStep, type Vote, voteIn } from "./quorum.ts";

type Requested = Extract<ApprovalEvent, { type: "ApprovalRequested" }>["data"];
type Countered = Extract<ApprovalEvent, { type: "ApprovalCounterProposed" }>["data"];
type Used = Extract<ApprovalEvent, { type: "ApprovalUsed" }>["data"];
type Consumed = Extract<ApprovalEvent, { type: "ApprovalConsumed" }>["data"];

export interface ApprovalContext {
  /** Undefined until requested. */
  readonly request: Requested | undefined;
  /** Distinct, in the order in which they agreed. */
  readonly approvers: readonly string[];
  /** What each of them counts for. */
  readonly votes: readonly Vote[];
  /** The group that it was escalated to. */
  readonly escalatedTo: string | undefined;
  /** The last one; it takes the place of those before. */
  readonly counter: Countered | undefined;
  /** Granted for a while, rather than for one execution. */
  readonly until: string | undefined;
  /** And for whatever does no more than what was asked for, in the session that asked. */
  readonly scope: "session" | undefined;
  readonly uses: number;
  /** Everybody's, and whether an outcome is recorded. */
  readonly previews: readonly { readonly id: string; readonly answered: boolean }[];
}

/** Of one approval: each is work for its target, and what they show stands in the record. Nobody needs more to decide. */
export const MAX_PREVIEWS = 20;

/**
 * The legal life of an approval, as a table. Its events are the recorded ones; it runs no actor and reads no clock:
 * `evolve` folds events through it, and `decide` lets no event out that it would refuse.
 *
 * A1. Only distinct people other than the requester, and whoever the requester acts for, count.
 * A2. It is granted only when each step has as many of them as it asks for, from its groups, in the order of the steps; nobody
 *     counts for two.
 * A3. It is consumed once, by the command that it was requested for.
 *     Where all agreed to a while, it is used by the same command as often as its requester likes, and never consumed.
 *     A plan is used by its commands in their order, each once, and is consumed by the last.
 *     Where all agreed to that in so many words, it is also used by what does no more than it, in the session that asked.
 * A4. A counter-proposal is somebody else's, and taken by whoever asked, in the very words that were last proposed. It ends the
 *     approval: what was asked for can then never run by it.
 * A5. A preview is asked for while it is pending, by somebody else, and has one outcome at most. It decides nothing.
 */
export const approvalMachine = setup({
  types: { events: {} as ApprovalEvent, context: {} as ApprovalContext },
  guards: {
    counts: ({ context: { request, votes, escalatedTo }, event }) =>
      event.type === "ApprovalGiven" && request !== undefined && counts({ steps: request.steps, votes, escalatedTo }, (id) => isParty(request, id), event.data),
    quorumMet: ({ context: { request, votes } }) =>
      request !== undefined && votes.length > 0 && currentStep({ steps: request.steps, votes }) === request.steps.length,
    mayEscalate: ({ context: { request, escalatedTo }, event }) =>
      event.type === "ApprovalEscalated" && escalatedTo === undefined && request?.escalation?.to === event.data.to,
    isCounter: ({ context: { request }, event }) =>
      event.type === "ApprovalCounterProposed" && request !== undefined && !isParty(request, event.data.by) && event.data.digest !== request.command.digest,
    mayLook: ({ context: { request, previews }, event }) =>
      event.type === "ApprovalPreviewRequested" &&
      request !== undefined &&
      !isParty(request, event.data.by) &&
      event.data.digest === request.command.digest &&
      previews.length < MAX_PREVIEWS &&
      !previews.some(({ id }) => id === event.data.previewId),
    isAwaited: ({ context: { previews }, event }) => isOutcome(event) && previews.some(({ id, answered }) => id === event.data.previewId && !answered),
    isAccepted: ({ context: { request, counter }, event }) =>
      event.type === "ApprovalCounterAccepted" && event.data.by === request?.requestedBy && event.data.digest === counter?.digest,
    byOther: ({ context: { request }, event }) =>
      event.type === "ApprovalDenied" && request !== undefined && !isParty(request, event.data.by) && !isParty(request, event.data.onBehalfOf ?? event.data.by),
    isBound: ({ context: { request, until }, event }) =>
      event.type === "ApprovalConsumed" && until === undefined && request !== undefined && isBoundTo(request, event.data),
    isSame: ({ context, event }) => event.type === "ApprovalUsed" && context.until !== undefined && isUseOf(context, event.data),
    isLast: ({ context, event }) =>
      event.type === "ApprovalUsed" && context.uses + 1 === context.request?.plan?.commands.length && event.data.digest === nextDigest(context),
  },
  actions: {
    open: assign(({ event, context }) => (event.type === "ApprovalRequested" ? { request: event.data } : context)),
    count: assign(({ event, context }) => {
      if (event.type !== "ApprovalGiven") return context;
      return { approvers: [...context.approvers, event.data.by], votes: [...context.votes, voteIn(event.data)] };
    }),
    grant: assign(({ event }) => (event.type === "ApprovalGranted" ? { until: event.data.until, scope: event.data.scope } : {})),
    use: assign(({ context }) => ({ uses: context.uses + 1 })),
    propose: assign(({ event }) => (event.type === "ApprovalCounterProposed" ? { counter: event.data } : {})),
    look: assign(({ context, event }) =>
      event.type === "ApprovalPreviewRequested" ? { previews: [...context.previews, { id: event.data.previewId, answered: false }] } : {},
    ),
    answer: assign(({ context, event }) =>
      isOutcome(event) ? { previews: context.previews.map((each) => (each.id === event.data.previewId ? { ...each, answered: true } : each)) } : {},
    ),
    escalate: assign(({ event }) => (event.type === "ApprovalEscalated" ? { escalatedTo: event.data.to } : {})),
  },
}).createMachine({
  id: "approval",
  context: {
    request: undefined,
    approvers: [],
    votes: [],
    escalatedTo: undefined,
    counter: undefined,
    until: undefined,
    scope: undefined,
    uses: 0,
    previews: [],
  },
  initial: "absent",
  states: {
    absent: { on: { ApprovalRequested: { target: "pending", actions: "open" } } },
    pending: {
      on: {
        ApprovalGiven: { guard: "counts", actions: "count" },
        ApprovalCounterProposed: { guard: "isCounter", actions: "propose" },
        ApprovalCounterAccepted: { guard: "isAccepted", target: "replaced" },
        ApprovalPreviewRequested: { guard: "mayLook", actions: "look" },
        ApprovalPreviewed: { guard: "isAwaited", actions: "answer" },
        ApprovalPreviewFailed: { guard: "isAwaited", actions: "answer" },
        ApprovalEscalated: { guard: "mayEscalate", actions: "escalate" },
        ApprovalGranted: { guard: "quorumMet", target: "granted", actions: "grant" },
        ApprovalDenied: { guard: "byOther", target: "denied" },
        ApprovalExpired: "expired",
        ApprovalWithdrawn: "withdrawn",
      },
    },
    granted: {
      on: {
        ApprovalPreviewed: { guard: "isAwaited", actions: "answer" },
        ApprovalPreviewFailed: { guard: "isAwaited", actions: "answer" },
        ApprovalConsumed: { guard: "isBound", target: "consumed" },
        ApprovalUsed: [
          { guard: "isLast", target: "consumed", actions: "use" },
          { guard: "isSame", actions: "use" },
        ],
        ApprovalExpired: "expired",
        ApprovalWithdrawn: "withdrawn",
        ApprovalRevoked: "revoked",
      },
    },
    denied: { type: "final" },
    replaced: { type: "final" },
    expired: { type: "final" },
    withdrawn: { type: "final" },
    consumed: { type: "final" },
    revoked: { type: "final" },
  },
});

/** What may run next by an approval that is used more than once. */
export const nextDigest = ({ request, uses }: Pick<ApprovalContext, "request" | "uses">): string | undefined =>
  request?.plan === undefined ? request?.command.digest : request.plan.commands[uses]?.digest;

export const isParty = ({ requestedBy, onBehalfOf }: Requested, id: string): boolean => id === requestedBy || id === onBehalfOf;

const isOutcome = (event: ApprovalEvent): event is Extract<ApprovalEvent, { type: "ApprovalPreviewed" | "ApprovalPreviewFailed" }> =>
  event.type === "ApprovalPreviewed" || event.type === "ApprovalPreviewFailed";

/** The facts of another command are not in the event; the decider looks at them. */
const isUseOf = (context: ApprovalContext, { sessionId, digest }: Used): boolean =>
  context.scope === "session" ? sessionId === context.request?.sessionId : digest === nextDigest(context);

export const isBoundTo = (request: Requested, { sessionId, commandId, digest }: Omit<Consumed, "approvalId">): boolean =>
  request.sessionId === sessionId && request.command.commandId === commandId && request.command.digest === digest;
