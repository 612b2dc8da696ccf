import { FORGOTTEN_TEXT } from "../domain/classification.ts";
import type { DelegationEvent } from "../domain/delegation/delegation.events.ts";
import { type DelegationView, evolveDelegation, isFinal, isOpenAt } from "./delegation-view.ts";
import { ViewIndex } from "./view-index.ts";

/** Those that are over, kept for lists; older ones are in the ledger. Below 1 KB each. */
export const MAX_SETTLED_DELEGATIONS = 1_000;

const viewing = { idOf: (event: DelegationEvent) => event.data.delegationId, evolve: evolveDelegation, isFinal };

export class DelegationIndex extends ViewIndex<DelegationView, DelegationEvent> {
  constructor(maxSettled = MAX_SETTLED_DELEGATIONS) {
    super(viewing, maxSettled);
  }

  /** By which this person may take somebody's place: one of each somebody, that which ends last. */
  openTo(id: string, at: Date): readonly DelegationView[] {
    const last = new Map<string, DelegationView>();
    for (const view of this.all()) {
      if (view.to !== id || !isOpenAt(view, at)) continue;
      const other = last.get(view.from);
      if (other === undefined || view.endsAt > other.endsAt) last.set(view.from, view);
    }
    return [...last.values()];
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
