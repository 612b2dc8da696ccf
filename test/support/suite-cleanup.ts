import { after } from "node:test";
import type { Cleanup } from "./cleanup.ts";

/** To be called in the body of a suite: what is registered later, in its hooks and tests, still runs at its end. */
export function suiteCleanup(): Cleanup {
  const steps: (() => Promise<void>)[] = [];
  after(async () => {
    for (const step of steps) await step();
  });
  return { after: (step) => void steps.push(step) };
}
