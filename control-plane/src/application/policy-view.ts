import type { PolicyEvent, PolicyNames } from "../domain/policy/policy.events.ts";
import type { EventMetadata } from "../ledger/ledger.ts";

type DataOf<T extends PolicyEvent["type"]> = Extract<PolicyEvent, { type: T }>["data"];

export type PolicyVersionState = "proposed" | "tried" | "approved" | "published" | "retired" | "rejected" | "withdrawn" | "superseded";

/** One policy version since it was last proposed, as people look at it; without its files. */
export interface PolicyVersionView {
  readonly version: string;
  readonly state: PolicyVersionState;
  readonly digest: string;
  readonly names: PolicyNames;
  readonly reason: string;
  /** The version that it was proposed to replace; empty for none. */
  readonly base: string;
  readonly proposedBy: string;
  readonly proposedAt: Date;
  readonly required: number;
  /** Groups that rules want told of it. */
  readonly notify: readonly string[];
  /** In the order in which they agreed. */
  readonly approvals: readonly { readonly by: string; readonly comment: string }[];
  /** The last time that it was tried on history. */
  readonly trial: DataOf<"PolicyTried"> | undefined;
  /** Who published it, rejected it or withdrew it, and what they said. */
  readonly decidedBy: string;
  readonly comment: string;
  readonly decidedAt: Date | undefined;
  /** The version that came instead, of one that is retired or superseded. */
  readonly replacedBy: string;
}

/** Every version that was ever proposed: each is a change of policy, so they are few, and their files are elsewhere. */
export class PolicyVersionViews {
  #revision = -1n;
  readonly #views = new Map<string, PolicyVersionView>();

  get(version: string): PolicyVersionView | undefined {
    return this.#views.get(version);
  }

  /** Those that were proposed last come first. */
  all(): readonly PolicyVersionView[] {
    return [...this.#views.values()].toReversed();
  }

  /** Somebody was forgotten. Like the events, the views lose what they wrote. */
  rename(from: string, to: string, forgottenText: string): void {
    const name = (id: string): string => (id === from ? to : id);
    for (const [version, view] of this.#views) {
      const { proposedBy, approvals, trial, decidedBy, comment } = view;
      this.#views.set(version, {
        ...view,
        proposedBy: name(proposedBy),
        approvals: approvals.map((each) => (each.by === from ? { by: to, comment: forgottenText } : each)),
        trial: trial && { ...trial, by: name(trial.by) },
        decidedBy: name(decidedBy),
        comment: decidedBy === from && view.state === "rejected" ? forgottenText : comment,
      });
    }
  }

  apply(revision: bigint, event: PolicyEvent, metadata: EventMetadata): void {
    if (revision <= this.#revision) return;
    this.#revision = revision;
    const { version } = event.data;
    const next = evolve(this.#views.get(version), event, metadata);
    if (next === undefined) return;
    if (event.type === "PolicyProposed") this.#views.delete(version); // to its end: it was proposed last
    this.#views.set(version, next);
  }
}

function evolve(view: PolicyVersionView | undefined, event: PolicyEvent, { actor, at }: EventMetadata): PolicyVersionView | undefined {
  if (event.type === "PolicyProposed") {
    const { version, digest, names, reason, base, required, notify = [] } = event.data;
    const proposed = { version, digest, names, reason, base, required, notify, proposedBy: event.data.proposedBy || actor.id, proposedAt: new Date(at) };
    return { ...proposed, state: "proposed", approvals: [], trial: undefined, decidedBy: "", comment: "", decidedAt: undefined, replacedBy: "" };
  }
  if (view === undefined) return undefined;
  const decidedAt = new Date(at);
  switch (event.type) {
    case "PolicyTried":
      return { ...view, state: view.state === "proposed" ? "tried" : view.state, trial: event.data };
    case "PolicyApproved": {
      const approvals = [...view.approvals, { by: event.data.by, comment: event.data.comment }];
      return { ...view, state: approvals.length >= view.required ? "approved" : view.state, approvals };
    }
    case "PolicyRejected":
      return { ...view, state: "rejected", decidedBy: event.data.by, comment: event.data.comment, decidedAt };
    case "PolicyProposalWithdrawn":
      return { ...view, state: "withdrawn", decidedBy: event.data.by, decidedAt };
    case "PolicySuperseded":
      return { ...view, state: "superseded", replacedBy: event.data.replacedBy, decidedAt };
    case "PolicyPublished":
      return { ...view, state: "published", decidedBy: actor.id, decidedAt };
    case "PolicyRetired":
      return { ...view, state: "retired", replacedBy: event.data.replacedBy };
  }
}
