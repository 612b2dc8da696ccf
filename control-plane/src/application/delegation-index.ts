import { FORGOTTEN_TEXT } from "../domain/classification.ts";
import type { DelegationEvent } from "../domain/delegation/delegation.events.ts";
import { type DelegationView, evolveDelegation, isFinal, isOpenAt } from "./delegation-view.ts";
import { ViewIndex } from "./view-index.ts";

/** Those that are over, kept for lists; older ones are in the ledger. Below 1 KB each. */
export const MAX_SETTLED_DELEGATIONS = 1_000;

const viewing = { idOf: (event: DelegationEvent) => event.data.delegationId, evolve: evolveDelegation, isFinal };

export class DelegationIndex extends ViewIndex<DelegationView, DelegationEvent> {
  constructor() {
    super(viewing, MAX_SETTLED_DELEGATIONS);
  }

  /** Whose place this person may take. */
  openTo(id: string, at: Date): readonly string[] {
    return [...new Set(this.all().flatMap((view) => (view.to === id && isOpenAt(view, at) ? [view.from] : [])))];
  }

  /** Somebody was forgotten. */
  rename(from: string, to: string): void {
    this.change((view) => {
      if (![view.from, view.to, view.endedBy].includes(from)) return view;
      const renamed = (name: string): string => (name === from ? to : name);
      const reason = view.from === from ? FORGOTTEN_TEXT : view.reason;
      return { ...view, from: renamed(view.from), to: renamed(view.to), endedBy: renamed(view.endedBy), reason };
    });
  }
}
