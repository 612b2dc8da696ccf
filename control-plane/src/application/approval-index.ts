import type { ApprovalEvent } from "../domain/approval/approval.events.ts";
import { FORGOTTEN_TEXT } from "../domain/classification.ts";
import { evolveView, isFinal } from "./approval-view.ts";
import type { ApprovalView } from "./approval-ports.ts";
import { forgottenIn, namesIn } from "./approvable.ts";
import { ViewIndex } from "./view-index.ts";

/** Settled approvals kept for lists; older ones are in the ledger. About 2 KB each. */
export const MAX_SETTLED_APPROVALS = 10_000;

const viewing = { idOf: (event: ApprovalEvent) => event.data.approvalId, evolve: evolveView, isFinal: ({ state }: ApprovalView) => isFinal(state) };

export class ApprovalIndex extends ViewIndex<ApprovalView, ApprovalEvent> {
  /** Ids of those that are open for a while: nearly always few, and looked through for each command that needs approval. */
  readonly #windows = new Set<string>();

  constructor(maxSettled = MAX_SETTLED_APPROVALS) {
    super(viewing, maxSettled);
  }

  override apply(revision: bigint, event: ApprovalEvent, at: string): boolean {
    const changed = super.apply(revision, event, at);
    const view = this.get(event.data.approvalId);
    if (view?.state === "granted" && view.until !== undefined) this.#windows.add(view.id);
    else this.#windows.delete(event.data.approvalId);
    return changed;
  }

  /** Open for a while, of this person on this resource. */
  standing(requestedBy: string, resource: string): readonly ApprovalView[] {
    return Array.from(this.#windows).flatMap((id) => {
      const view = this.get(id);
      return view?.requestedBy === requestedBy && view.resource === resource ? [view] : [];
    });
  }

  /** Somebody was forgotten. */
  rename(from: string, to: string): void {
    this.change((view) => {
      const { requestedBy, plan, counter, previews } = view;
      if (![...namesIn(view), counter?.by, ...previews.map(({ by }) => by)].includes(from)) return view;
      return {
        ...forgottenIn(view, from, to),
        plan: plan === undefined || requestedBy !== from ? plan : { ...plan, reason: FORGOTTEN_TEXT },
        counter: counter?.by === from ? { ...counter, by: to, comment: FORGOTTEN_TEXT } : counter,
        previews: previews.map((preview) => (preview.by === from ? { ...preview, by: to } : preview)),
      };
    });
  }
}
