import type { Logger } from "pino";
import { categoryOfStream, idOfStream, type RecordCategory } from "../domain/record-streams.ts";
import type { AppliedEvent } from "./execute-command.ts";
import type { Clock } from "./ports.ts";
import type { Scheduler } from "./scheduler.ts";

/** The ledger may be away when a deadline passes; deciders refuse what is late anyway, so a second is soon enough. */
export const EXPIRY_RETRY_MS = 1_000;

/** What comes due by itself of the views of one category. */
export interface Expiring<View> {
  readonly views: { get(id: string): View | undefined; all(): readonly View[] };
  readonly category: RecordCategory;
  /** Undefined when nothing of it can come due any more. */
  readonly deadlineOf: (view: View) => Date | undefined;
  readonly expire: (id: string) => Promise<void>;
}

export interface ExpiryDeps {
  readonly live: { onApplied(listener: (applied: AppliedEvent) => void): () => void };
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly log: Logger;
}

/**
 * Records that the deadline of something passed, at start also what passed before. One timer for each that has a deadline, set anew
 * when the deadline moves and when it fired early; a race with a person is settled by the stream's revision. Runs until the
 * signal aborts.
 */
export function startExpiry<View extends { readonly id: string }>(
  { live, clock, scheduler, log }: ExpiryDeps,
  { views, category, deadlineOf, expire }: Expiring<View>,
  signal: AbortSignal,
): void {
  const timers = new Map<string, { readonly deadline: number; readonly cancel: () => void }>();

  function follow(id: string): void {
    const view = views.get(id);
    const deadline = view === undefined || signal.aborted ? undefined : deadlineOf(view)?.getTime();
    const armed = timers.get(id);
    if (armed?.deadline === deadline) return;
    armed?.cancel();
    timers.delete(id);
    if (deadline !== undefined) arm(id, deadline, deadline - clock.now().getTime());
  }

  function arm(id: string, deadline: number, ms: number): void {
    const due = (): void => {
      const left = deadline - clock.now().getTime();
      if (left > 0) return arm(id, deadline, left);
      timers.delete(id);
      // The view let go of it with its stream, which nothing is written to any more.
      if (views.get(id) === undefined) return;
      expire(id).catch((error: unknown) => {
        log.warn({ err: error, id }, "what has expired could not be recorded yet");
        if (!signal.aborted && !timers.has(id)) arm(id, deadline, EXPIRY_RETRY_MS);
      });
    };
    timers.set(id, { deadline, cancel: scheduler.after(Math.max(0, ms), due) });
  }

  const unsubscribe = live.onApplied(({ stream }) => {
    if (categoryOfStream(stream) === category) follow(idOfStream(stream));
  });
  signal.addEventListener(
    "abort",
    () => {
      unsubscribe();
      for (const { cancel } of timers.values()) cancel();
      timers.clear();
    },
    { once: true },
  );
  for (const { id } of views.all()) follow(id);
}
