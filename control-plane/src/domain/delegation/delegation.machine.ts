import { assign, setup } from "xstate";
import type { DelegationEvent } from "./delegation.events.ts";

export type Given = Extract<DelegationEvent, { type: "DelegationGiven" }>["data"];

/**
 * The legal life of a delegation, as a table.
 *
 * E1. It is given by one person to another, with an end. That it has not begun is asked of the clock, like whether it is over: nothing is
 *     recorded when it begins.
 * E2. Nothing opens it again.
 */
export const delegationMachine = setup({
  types: { events: {} as DelegationEvent, context: {} as { readonly given: Given | undefined } },
  guards: {
    toAnother: ({ event }) => event.type === "DelegationGiven" && event.data.from !== event.data.to && event.data.startsAt < event.data.endsAt,
  },
  actions: { give: assign(({ event }) => (event.type === "DelegationGiven" ? { given: event.data } : {})) },
}).createMachine({
  id: "delegation",
  context: { given: undefined },
  initial: "absent",
  states: {
    absent: { on: { DelegationGiven: { guard: "toAnother", target: "open", actions: "give" } } },
    open: { on: { DelegationEnded: "ended", DelegationExpired: "expired" } },
    ended: { type: "final" },
    expired: { type: "final" },
  },
});
