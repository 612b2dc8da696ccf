import { readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";

/**
 * CPU time of the threads of this process, as Linux tells it. Elsewhere the answers are `undefined`, and whoever asks goes by the clock.
 */

/** What the system calls the thread that asks. */
export function ownThread(): number | undefined {
  try {
    return Number(basename(readlinkSync("/proc/thread-self")));
  } catch {
    return undefined;
  }
}

/** Of a thread that may be busy, or stuck: it is not asked itself. `undefined` also when it has ended. */
export function cpuMillisOf(thread: number): number | undefined {
  try {
    // Nanoseconds on a CPU, nanoseconds waiting for one, turns.
    return Number(readFileSync(`/proc/self/task/${thread}/schedstat`, "latin1").split(" ", 1)[0]) / 1e6;
  } catch {
    return undefined;
  }
}
