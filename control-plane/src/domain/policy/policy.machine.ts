import { assign, setup } from "xstate";
import type { PolicyEvent } from "./policy.events.ts";

type DataOf<T extends PolicyEvent["type"]> = Extract<PolicyEvent, { type: T }>["data"];

/** Without its files and names, which are large and decide nothing here. */
export type Proposal = Omit<DataOf<"PolicyProposed">, "files" | "names">;

export interface PolicyContext {
  /** Undefined until proposed. */
  readonly proposal: Proposal | undefined;
  /** Distinct, in the order in which they agreed. */
  readonly approvers: readonly string[];
}

const agreement = {
  PolicyApproved: [
    { guard: "suffices", target: "approved", actions: "count" },
    { guard: "counts", actions: "count" },
  ],
} as const;

const otherEnds = {
  PolicyRejected: { guard: "byOther", target: "rejected" },
  PolicyProposalWithdrawn: { guard: "byProposer", target: "withdrawn" },
  PolicySuperseded: "superseded",
  PolicyPublished: { guard: "asAgreed", target: "published" },
} as const;

/**
 * The life of one policy version, as a table; like the approval machine it runs no actor and reads no clock.
 *
 * P1. Only distinct people other than whoever proposed it, and whoever they act for, count.
 * P2. What is published is what was proposed and agreed to, by its digest; with as many who agreed as the event says were needed,
 *     and never fewer than the proposal says.
 * P3. Trying it on history changes nothing about who agreed. It may be left out: an emergency does not wait for it.
 * P4. A new proposal of the same rules starts from nothing: that is how one goes back to a retired version.
 */
export const policyMachine = setup({
  types: { events: {} as PolicyEvent, context: {} as PolicyContext },
  guards: {
    counts: ({ context, event }) => event.type === "PolicyApproved" && countsFor(context, event.data),
    suffices: ({ context, event }) =>
      event.type === "PolicyApproved" && countsFor(context, event.data) && context.approvers.length + 1 >= (context.proposal?.required ?? Infinity),
    byOther: ({ context: { proposal }, event }) => event.type === "PolicyRejected" && proposal !== undefined && !isParty(proposal, event.data.by),
    byProposer: ({ context: { proposal }, event }) => event.type === "PolicyProposalWithdrawn" && event.data.by === proposal?.proposedBy,
    asAgreed: ({ context, event }) => event.type === "PolicyPublished" && isAsAgreed(context, event.data),
  },
  actions: {
    propose: assign(({ event, context }) => {
      if (event.type !== "PolicyProposed") return context;
      const { files: _files, names: _names, ...proposal } = event.data;
      return { proposal, approvers: [] };
    }),
    count: assign(({ event, context }) => (event.type === "PolicyApproved" ? { approvers: [...context.approvers, event.data.by] } : context)),
  },
}).createMachine({
  id: "policy",
  context: { proposal: undefined, approvers: [] },
  initial: "absent",
  states: {
    absent: { on: { PolicyProposed: { target: "proposed", actions: "propose" } } },
    proposed: { on: { ...agreement, ...otherEnds, PolicyTried: "tried" } },
    tried: { on: { ...agreement, ...otherEnds, PolicyTried: "tried" } },
    approved: { on: { ...otherEnds, PolicyTried: "approved", PolicyApproved: { guard: "counts", actions: "count" } } },
    published: { on: { PolicyRetired: "retired" } },
    retired: { on: { PolicyProposed: { target: "proposed", actions: "propose" } } },
    rejected: { on: { PolicyProposed: { target: "proposed", actions: "propose" } } },
    withdrawn: { on: { PolicyProposed: { target: "proposed", actions: "propose" } } },
    superseded: { on: { PolicyProposed: { target: "proposed", actions: "propose" } } },
  },
});

export const isParty = ({ proposedBy, onBehalfOf }: Pick<Proposal, "proposedBy" | "onBehalfOf">, id: string): boolean => id === proposedBy || id === onBehalfOf;

const countsFor = ({ proposal, approvers }: PolicyContext, { by, digest }: DataOf<"PolicyApproved">): boolean =>
  proposal?.digest === digest && !isParty(proposal, by) && !approvers.includes(by);

function isAsAgreed({ proposal, approvers }: PolicyContext, published: DataOf<"PolicyPublished">): boolean {
  if (proposal === undefined || published.digest !== proposal.digest || published.required < proposal.required) return false;
  const counted = new Set(published.approvers);
  return counted.size >= published.required && [...counted].every((id) => approvers.includes(id));
}
