import { backOff } from "../application/scheduler.ts";

/** Most failures are a restart on the other side; nobody waits longer than needed for an approval. */
export const RETRY_FIRST_MS = 5_000;
/** An hour between two attempts is soon enough for whoever has been away for hours. */
export const RETRY_LAST_MS = 3_600_000;
/** News of yesterday is looked up in the record, not sent. */
export const GIVE_UP_AFTER_MS = 86_400_000;

export interface Attempted {
  /** So many attempts have failed. */
  readonly attempts: number;
  readonly queuedAt: Date;
  readonly now: Date;
  readonly retryAfterMs?: number | undefined;
  /** From 0 to 1. */
  readonly random: number;
}

/** Doubling with full jitter, so that those who failed together do not come back together. Undefined: give up. */
export function retryAt({ attempts, queuedAt, now, retryAfterMs = 0, random }: Attempted): Date | undefined {
  const bound = backOff(attempts - 1, RETRY_FIRST_MS, RETRY_LAST_MS);
  const at = now.getTime() + Math.max(retryAfterMs, Math.ceil(random * bound));
  return at - queuedAt.getTime() > GIVE_UP_AFTER_MS ? undefined : new Date(at);
}
