import type { ApprovalEvent } from "../domain/approval/approval.events.ts";
import { FORGOTTEN_TEXT } from "../domain/classification.ts";
import { evolveView, isFinal } from "./approval-view.ts";
import type { ApprovalView } from "./ports.ts";
import { ViewIndex } from "./view-index.ts";

/** Settled approvals kept for lists; older ones are in the ledger. About 2 KB each. */
export const MAX_SETTLED_APPROVALS = 10_000;

const viewing = { idOf: (event: ApprovalEvent) => event.data.approvalId, evolve: evolveView, isFinal: ({ state }: ApprovalView) => isFinal(state) };

export class ApprovalIndex extends ViewIndex<ApprovalView, ApprovalEvent> {
  constructor(maxSettled = MAX_SETTLED_APPROVALS) {
    super(viewing, maxSettled);
  }

  /** Somebody was forgotten. */
  rename(from: string, to: string): void {
    this.change((view) => {
      const { requestedBy, approvers, decidedBy } = view;
      if (![requestedBy, decidedBy, view.counter?.by, ...approvers].includes(from)) return view;
      const renamed = (name: string): string => (name === from ? to : name);
      // A comment is whoever's who decided.
      const comment = decidedBy === from && view.comment !== "" ? FORGOTTEN_TEXT : view.comment;
      const counter = view.counter?.by === from ? { ...view.counter, by: to, comment: FORGOTTEN_TEXT } : view.counter;
      return {
        ...view,
        counter,
        requestedBy: renamed(requestedBy),
        decidedBy: renamed(decidedBy),
        approvers: approvers.map(renamed),
        votes: view.votes.map(({ by, step }) => ({ by: renamed(by), step })),
        comment,
      };
    });
  }
}
