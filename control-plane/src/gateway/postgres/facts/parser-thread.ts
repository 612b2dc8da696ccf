import { execFileSync } from "node:child_process";
import { setPriority } from "node:os";
import { workerData } from "node:worker_threads";
import type { WorkerSettings } from "./parser-messages.ts";
import { ownThread } from "./thread-cpu.ts";

/** Longer than a busy machine takes for it. */
const CHRT_LIMIT_MS = 5_000;

/**
 * Where a parser's thread begins. One in the background takes its place behind the threads that serve everybody before it loads anything,
 * since a thread that was killed is started again while others wait for theirs.
 *
 * On Linux a priority is that of a thread; elsewhere it would be the whole process's. The least niceness is not enough where the machine
 * has other work, too: a CPU that runs a nice thread counts as busy, so that others queue elsewhere; one that runs a thread of the
 * idle class counts as idle. Node cannot ask for that class, util-linux's chrt can; without it the niceness stays.
 */
function stepBack(thread: number): void {
  setPriority(LEAST_PRIORITY);
  try {
    execFileSync("chrt", ["-i", "-p", "0", String(thread)], { env: { PATH: "/usr/bin:/bin" }, stdio: "ignore", timeout: CHRT_LIMIT_MS });
  } catch {
    // Nice it is.
  }
}

const LEAST_PRIORITY = 19;

const { background } = workerData as WorkerSettings;
const thread = ownThread();
if (background && thread !== undefined) stepBack(thread);
await import("./parser-worker.ts");
