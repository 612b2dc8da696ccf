import type { ByGrant } from "../domain/decision.ts";
import type { GrantEvent } from "../domain/grant/grant.events.ts";
import { evolveGrant, grantedBy, isOpenAt, isSettled } from "./grant-view.ts";
import type { GrantView } from "./grant-ports.ts";
import { forgottenIn, forgottenText, namesIn } from "./approvable.ts";
import { ViewIndex } from "./view-index.ts";

/** Settled grants kept for lists; older ones are in the ledger. About 1 KB each. */
export const MAX_SETTLED_GRANTS = 10_000;

const viewing = { idOf: (event: GrantEvent) => event.data.grantId, evolve: evolveGrant, isFinal: isSettled };

export class GrantIndex extends ViewIndex<GrantView, GrantEvent> {
  /** Ids of those that are open: nearly always few, and looked through whenever a session opens. */
  readonly #open = new Set<string>();

  constructor(maxSettled = MAX_SETTLED_GRANTS) {
    super(viewing, maxSettled);
  }

  override apply(revision: bigint, event: GrantEvent, at: string): boolean {
    const changed = super.apply(revision, event, at);
    const { grantId } = event.data;
    if (this.get(grantId)?.state === "open") this.#open.add(grantId);
    else this.#open.delete(grantId);
    return changed;
  }

  /** That this identity may use on this resource now, of this kind: of several the one that ends last. */
  openFor(identityId: string, resource: string, at: Date, kind?: ByGrant): GrantView | undefined {
    let last: GrantView | undefined;
    for (const view of this.openAt(at)) {
      if (view.requestedBy !== identityId || view.resource !== resource || (kind !== undefined && grantedBy(view) !== kind)) continue;
      if (last?.endsAt === undefined || (view.endsAt !== undefined && view.endsAt > last.endsAt)) last = view;
    }
    return last;
  }

  *openAt(at: Date): Iterable<GrantView> {
    for (const id of this.#open) {
      const view = this.get(id);
      if (view !== undefined && isOpenAt(view, at)) yield view;
    }
  }

  /** Somebody was forgotten. */
  rename(from: string, to: string): void {
    this.change((view) => {
      const { requestedBy, onBehalfOf, reviewedBy, reason, ticket, reviewComment } = view;
      if (![...namesIn(view), onBehalfOf, reviewedBy].includes(from)) return view;
      return {
        ...forgottenIn(view, from, to),
        onBehalfOf: onBehalfOf === from ? to : onBehalfOf,
        reviewedBy: reviewedBy === from ? to : reviewedBy,
        reason: forgottenText(reason, requestedBy, from),
        ticket: forgottenText(ticket, requestedBy, from),
        reviewComment: forgottenText(reviewComment, reviewedBy, from),
      };
    });
  }
}
