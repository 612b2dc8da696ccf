import { FORGOTTEN_TEXT } from "../domain/classification.ts";
import type { ApprovalEvent } from "../domain/approval/approval.events.ts";
import { evolveView, isFinal } from "./approval-view.ts";
import type { ApprovalView } from "./ports.ts";

/** Settled approvals kept for lists; older ones are in the ledger. About 2 KB each. */
export const MAX_SETTLED_APPROVALS = 10_000;

/** Approvals in memory: every open one, and the last settled ones. */
export class ApprovalIndex {
  readonly #views = new Map<string, { readonly view: ApprovalView; readonly revision: bigint }>();
  readonly #maxSettled: number;
  /** In the order in which they settled. */
  readonly #settled = new Set<string>();

  constructor(maxSettled = MAX_SETTLED_APPROVALS) {
    this.#maxSettled = maxSettled;
  }

  get(approvalId: string): ApprovalView | undefined {
    return this.#views.get(approvalId)?.view;
  }

  revisionOf(approvalId: string): bigint {
    return this.#views.get(approvalId)?.revision ?? -1n;
  }

  all(): ApprovalView[] {
    return Array.from(this.#views.values(), ({ view }) => view);
  }

  get openCount(): number {
    return this.#views.size - this.#settled.size;
  }

  apply(revision: bigint, event: ApprovalEvent, at: string): boolean {
    const { approvalId } = event.data;
    const known = this.#views.get(approvalId);
    if (known !== undefined && revision <= known.revision) return false;
    const view = evolveView(known?.view, event, at);
    // An event of an approval that was dropped: it had settled, so this one was known before.
    if (view === undefined) return false;
    this.#views.set(approvalId, { view, revision });
    if (isFinal(view.state)) this.#settle(approvalId);
    return true;
  }

  /** Somebody was forgotten. */
  rename(from: string, to: string): void {
    for (const [id, known] of this.#views) {
      const { requestedBy, approvers, decidedBy } = known.view;
      if (requestedBy !== from && decidedBy !== from && !approvers.includes(from)) continue;
      const renamed = (name: string): string => (name === from ? to : name);
      // A comment is whoever's who decided.
      const comment = decidedBy === from && known.view.comment !== "" ? FORGOTTEN_TEXT : known.view.comment;
      const view = { ...known.view, requestedBy: renamed(requestedBy), decidedBy: renamed(decidedBy), approvers: approvers.map(renamed), comment };
      this.#views.set(id, { ...known, view });
    }
  }

  /** A settled one that was removed from the record. */
  drop(approvalId: string): void {
    if (this.#settled.delete(approvalId)) this.#views.delete(approvalId);
  }

  #settle(approvalId: string): void {
    this.#settled.add(approvalId);
    for (const oldest of this.#settled) {
      if (this.#settled.size <= this.#maxSettled) return;
      this.#settled.delete(oldest);
      this.#views.delete(oldest);
    }
  }
}
