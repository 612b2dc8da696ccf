import { assign, setup } from "xstate";
import type { ErasureEvent } from "./erasure.events.ts";

type Requested = Extract<ErasureEvent, { type: "ErasureRequested" }>["data"];

export interface ErasureContext {
  /** Undefined until requested. */
  readonly request: Requested | undefined;
  /** Distinct, in the order in which they agreed. */
  readonly approvers: readonly string[];
}

/**
 * The legal life of an erasure, as a table; like the approval machine it runs no actor and reads no clock.
 *
 * E1. Only distinct people other than whoever asked and whoever is to be forgotten count.
 * E2. It is granted only when as many of them as the quorum agreed, and then there is no way back.
 */
export const erasureMachine = setup({
  types: { events: {} as ErasureEvent, context: {} as ErasureContext },
  guards: {
    counts: ({ context: { request, approvers }, event }) =>
      event.type === "ErasureApproved" && request !== undefined && !isParty(request, event.data.by) && !approvers.includes(event.data.by),
    quorumMet: ({ context: { request, approvers } }) => request !== undefined && approvers.length >= Math.max(1, request.quorum),
  },
  actions: {
    open: assign(({ event, context }) => (event.type === "ErasureRequested" ? { request: event.data, approvers: [] } : context)),
    count: assign(({ event, context }) => (event.type === "ErasureApproved" ? { approvers: [...context.approvers, event.data.by] } : context)),
  },
}).createMachine({
  id: "erasure",
  context: { request: undefined, approvers: [] },
  initial: "absent",
  states: {
    absent: { on: { ErasureRequested: { target: "pending", actions: "open" } } },
    pending: {
      on: {
        ErasureApproved: { guard: "counts", actions: "count" },
        ErasureGranted: { guard: "quorumMet", target: "granted" },
        ErasureDenied: "denied",
      },
    },
    granted: { on: { SubjectKeyDestroyed: "destroyed" } },
    denied: { type: "final" },
    destroyed: { type: "final" },
  },
});

export const isParty = ({ requestedBy, identityId }: Requested, id: string): boolean => id === requestedBy || id === identityId;
