import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { Backoff } from "./backoff.ts";
import type { LinkOutcome } from "./outcome.ts";

export interface SupervisorOptions {
  /** One link, from dialling to its end. Never rejects, but for a defect. */
  readonly attempt: () => Promise<LinkOutcome>;
  readonly drain: AbortSignal;
  readonly log: Logger;
  readonly backoff?: Backoff;
  /** Resolves after the time, or at once when aborted. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

export type SupervisorOutcome = Exclude<LinkOutcome, { kind: "retryable" }>;

/** Keeps one link up until the agent is told to drain or the control plane ends it for good. */
export async function supervise({ attempt, drain, log, backoff = new Backoff(), wait = waitFor }: SupervisorOptions): Promise<SupervisorOutcome> {
  while (!drain.aborted) {
    const outcome = await attempt();
    if (outcome.kind !== "retryable") return outcome;
    const retryInMs = backoff.next(outcome.heldMs);
    log.warn({ reason: outcome.reason, heldMs: outcome.heldMs, retryInMs }, "link to the control plane ended");
    await wait(retryInMs, drain);
  }
  return { kind: "drained" };
}

async function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch {
    // aborted: there is nothing more to wait for
  }
}
