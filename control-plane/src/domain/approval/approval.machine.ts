import { assign, setup } from "xstate";
import type { ApprovalEvent } from "./approval.events.ts";

type Requested = Extract<ApprovalEvent, { type: "ApprovalRequested" }>["data"];
type Consumed = Extract<ApprovalEvent, { type: "ApprovalConsumed" }>["data"];

export interface ApprovalContext {
  /** Undefined until requested. */
  readonly request: Requested | undefined;
  /** Distinct, in the order in which they agreed. */
  readonly approvers: readonly string[];
}

/**
 * The legal life of an approval, as a table. Its events are the recorded ones; it runs no actor and reads no clock:
 * `evolve` folds events through it, and `decide` lets no event out that it would refuse.
 *
 * A1. Only distinct people other than the requester, and whoever the requester acts for, count.
 * A2. It is granted only when as many of them as the quorum agreed.
 * A3. It is consumed once, by the command that it was requested for.
 */
export const approvalMachine = setup({
  types: { events: {} as ApprovalEvent, context: {} as ApprovalContext },
  guards: {
    counts: ({ context: { request, approvers }, event }) =>
      event.type === "ApprovalGiven" && request !== undefined && !isParty(request, event.data.by) && !approvers.includes(event.data.by),
    quorumMet: ({ context: { request, approvers } }) => request !== undefined && approvers.length >= Math.max(1, request.quorum),
    byOther: ({ context: { request }, event }) => event.type === "ApprovalDenied" && request !== undefined && !isParty(request, event.data.by),
    isBound: ({ context: { request }, event }) => event.type === "ApprovalConsumed" && request !== undefined && isBoundTo(request, event.data),
  },
  actions: {
    open: assign(({ event, context }) => (event.type === "ApprovalRequested" ? { request: event.data, approvers: [] } : context)),
    count: assign(({ event, context }) => (event.type === "ApprovalGiven" ? { approvers: [...context.approvers, event.data.by] } : context)),
  },
}).createMachine({
  id: "approval",
  context: { request: undefined, approvers: [] },
  initial: "absent",
  states: {
    absent: { on: { ApprovalRequested: { target: "pending", actions: "open" } } },
    pending: {
      on: {
        ApprovalGiven: { guard: "counts", actions: "count" },
        ApprovalGranted: { guard: "quorumMet", target: "granted" },
        ApprovalDenied: { guard: "byOther", target: "denied" },
        ApprovalExpired: "expired",
        ApprovalWithdrawn: "withdrawn",
      },
    },
    granted: {
      on: {
        ApprovalConsumed: { guard: "isBound", target: "consumed" },
        ApprovalExpired: "expired",
        ApprovalWithdrawn: "withdrawn",
        ApprovalRevoked: "revoked",
      },
    },
    denied: { type: "final" },
    expired: { type: "final" },
    withdrawn: { type: "final" },
    consumed: { type: "final" },
    revoked: { type: "final" },
  },
});

export const isParty = ({ requestedBy, onBehalfOf }: Requested, id: string): boolean => id === requestedBy || id === onBehalfOf;

export const isBoundTo = (request: Requested, { sessionId, commandId, digest }: Omit<Consumed, "approvalId">): boolean =>
  request.sessionId === sessionId && request.command.commandId === commandId && request.command.digest === digest;
