/** What of node:test's context the support code needs. In a suite: one `const cleanup = { after };` for all of it. */
export interface Cleanup {
  after(run: () => Promise<void>): void;
}

const pending = new WeakMap<Cleanup, (() => void | Promise<void>)[]>();

/** Last in, first out, unlike `after` itself: a server stops before its folder goes. Every step runs; the first failure is reported. */
export function atEnd(cleanup: Cleanup, run: () => void | Promise<void>): void {
  const known = pending.get(cleanup);
  if (known !== undefined) {
    known.push(run);
    return;
  }
  const steps = [run];
  pending.set(cleanup, steps);
  cleanup.after(async () => {
    const failures: unknown[] = [];
    for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
    pending.delete(cleanup);
    if (failures.length > 0) throw failures[0];
  });
}
