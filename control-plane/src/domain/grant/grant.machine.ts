import { assign, setup } from "xstate";
import type { GrantEvent } from "./grant.events.ts";

type DataOf<T extends GrantEvent["type"]> = Extract<GrantEvent, { type: T }>["data"];

export interface GrantContext {
  /** Undefined until requested. */
  readonly request: DataOf<"AccessRequested"> | undefined;
  /** Distinct, in the order in which they agreed. */
  readonly approvers: readonly string[];
  /** Undefined until granted. */
  readonly grant: DataOf<"AccessGranted"> | undefined;
  /** Sessions that used it. */
  readonly uses: number;
}

/**
 * The legal life of a grant, as a table; like the approval machine it runs no actor and reads no clock.
 *
 * G1. Only distinct people other than the requester, and whoever the requester acts for, count.
 * G2. It is granted only when as many of them as the quorum agreed, to whoever asked, on the resource that was asked for, for as
 *     long as was asked for and no longer.
 * G3. It is used only while it is open; nothing opens it again.
 */
export const grantMachine = setup({
  types: { events: {} as GrantEvent, context: {} as GrantContext },
  guards: {
    counts: ({ context: { request, approvers }, event }) =>
      event.type === "AccessApproved" && request !== undefined && !isParty(request, event.data.by) && !approvers.includes(event.data.by),
    asAgreed: ({ context, event }) => event.type === "AccessGranted" && isAsAgreed(context, event.data),
    byOther: ({ context: { request }, event }) => event.type === "AccessDenied" && request !== undefined && !isParty(request, event.data.by),
    byRequester: ({ context: { request }, event }) => event.type === "AccessRequestWithdrawn" && event.data.by === request?.requestedBy,
  },
  actions: {
    ask: assign(({ event, context }) => (event.type === "AccessRequested" ? { request: event.data, approvers: [], grant: undefined, uses: 0 } : context)),
    count: assign(({ event, context }) => (event.type === "AccessApproved" ? { approvers: [...context.approvers, event.data.by] } : context)),
    use: assign(({ context }) => ({ uses: context.uses + 1 })),
    open: assign(({ event, context }) => (event.type === "AccessGranted" ? { grant: event.data } : context)),
  },
}).createMachine({
  id: "grant",
  context: { request: undefined, approvers: [], grant: undefined, uses: 0 },
  initial: "absent",
  states: {
    absent: { on: { AccessRequested: { target: "pending", actions: "ask" } } },
    pending: {
      on: {
        AccessApproved: { guard: "counts", actions: "count" },
        AccessGranted: { guard: "asAgreed", target: "open", actions: "open" },
        AccessDenied: { guard: "byOther", target: "denied" },
        AccessRequestWithdrawn: { guard: "byRequester", target: "withdrawn" },
        AccessRequestExpired: "lapsed",
      },
    },
    open: { on: { GrantUsed: { actions: "use" }, GrantExpired: "expired", GrantRevoked: "revoked" } },
    denied: { type: "final" },
    withdrawn: { type: "final" },
    lapsed: { type: "final" },
    expired: { type: "final" },
    revoked: { type: "final" },
  },
});

export const isParty = ({ requestedBy, onBehalfOf }: DataOf<"AccessRequested">, id: string): boolean => id === requestedBy || id === onBehalfOf;

function isAsAgreed({ request, approvers }: GrantContext, granted: DataOf<"AccessGranted">): boolean {
  if (request === undefined || approvers.length < request.quorum) return false;
  const lasts = Date.parse(granted.endsAt) - Date.parse(granted.startsAt);
  return granted.requestedBy === request.requestedBy && granted.resource === request.resource && lasts <= request.durationSeconds * 1_000;
}
