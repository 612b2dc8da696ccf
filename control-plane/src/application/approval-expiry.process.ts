import type { Logger } from "pino";
import { isFinal } from "./approval-view.ts";
import type { ApprovalService } from "./approvals.ts";
import type { LiveState } from "./live-state.ts";
import type { ApprovalView, Clock } from "./ports.ts";
import type { Scheduler } from "./scheduler.ts";

/** The ledger may be away when a deadline passes; deciders refuse what is late anyway, so a second is soon enough. */
export const EXPIRY_RETRY_MS = 1_000;

export interface ApprovalExpiryDeps {
  readonly live: LiveState;
  readonly approvals: Pick<ApprovalService, "expire">;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly log: Logger;
}

/**
 * Appends ApprovalExpired when the deadline of an open approval passes. One timer for each open approval, set again when it
 * fired early; a race with an approver is settled by the stream's revision. Runs until the signal aborts.
 */
export function startApprovalExpiry({ live, approvals, clock, scheduler, log }: ApprovalExpiryDeps, signal: AbortSignal): void {
  const timers = new Map<string, () => void>();

  function follow(view: ApprovalView | undefined): void {
    if (view === undefined || signal.aborted) return;
    if (isFinal(view.state)) {
      timers.get(view.id)?.();
      timers.delete(view.id);
      return;
    }
    if (!timers.has(view.id)) arm(view.id, view.expiresAt.getTime() - clock.now().getTime());
  }

  function arm(approvalId: string, ms: number): void {
    const due = (): void => {
      timers.delete(approvalId);
      const view = live.approvals.get(approvalId);
      if (view === undefined || isFinal(view.state) || signal.aborted) return;
      const left = view.expiresAt.getTime() - clock.now().getTime();
      if (left > 0) return arm(approvalId, left);
      approvals.expire(approvalId).catch((error: unknown) => {
        log.warn({ err: error, approvalId }, "an approval could not be expired yet");
        if (!signal.aborted && !timers.has(approvalId)) arm(approvalId, EXPIRY_RETRY_MS);
      });
    };
    timers.set(approvalId, scheduler.after(Math.max(0, ms), due));
  }

  const unsubscribe = live.onApplied(({ event }) => {
    if ("approvalId" in event.data) follow(live.approvals.get(event.data.approvalId));
  });
  signal.addEventListener(
    "abort",
    () => {
      unsubscribe();
      for (const cancel of timers.values()) cancel();
      timers.clear();
    },
    { once: true },
  );
  for (const view of live.approvals.all()) follow(view);
}
