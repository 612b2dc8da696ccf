/** Timers as a port, so that tests move time by hand. */
export interface Scheduler {
  /** Runs once after `ms`; the answer cancels it. */
  after(ms: number, run: () => void): () => void;
}

/** Node fires a timer at once when its delay is over 2^31 - 1 ms. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Timers that do not keep the process alive. A delay beyond 24 days fires early: callers check the time again. */
export const systemScheduler: Scheduler = {
  after(ms, run) {
    const timer = setTimeout(run, Math.min(Math.max(0, ms), MAX_TIMER_MS));
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Resolves after `ms`, or at once when the signal aborts. */
export function pause(scheduler: Scheduler, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const cancel = scheduler.after(ms, done);
    signal.addEventListener("abort", done, { once: true });
  });
}

/** Doubles from `first` to `last` with each failure in a row. */
export const backOff = (failures: number, first: number, last: number): number => Math.min(last, first * 2 ** Math.min(failures, 30));
