import { setTimeout as delay } from "node:timers/promises";
import type { ClientConnection, Connected } from "./client-connection.ts";
import { classify, type ClientFailure, Unanswered, unavailable } from "./client-failure.ts";

/** Between attempts: soon after the first failure, which each reconnect costs; then seldom enough to leave a starting server alone. */
export const FIRST_PAUSE_MS = 20;
export const LONGEST_PAUSE_MS = 500;

const HANGS = Symbol("hangs");

/**
 * Runs a call until it is answered or `deadline` (of `performance.now()`) has passed; the call must bear being made again.
 * An attempt that hangs for half of `patienceMs` gets a new client: the old one may wait for a peer that is gone.
 * Answers are values: only `refused`, and the end of patience, are thrown.
 */
export async function retrying<Result>(
  connection: ClientConnection,
  { deadline, patienceMs }: { readonly deadline: number; readonly patienceMs: number },
  call: (connected: Connected) => Promise<Result>,
): Promise<{ readonly kind: "done"; readonly result: Result } | Exclude<ClientFailure, { readonly kind: "refused" | "transient" }>> {
  let cause: unknown;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    const left = deadline - performance.now();
    if (left <= 0) throw unavailable(patienceMs, cause);
    const connected = await connection.connected();
    try {
      const result = await within(call(connected), Math.min(left, patienceMs / 2));
      if (result !== HANGS) return { kind: "done", result };
      cause = new Unanswered();
      void connection.renew(connected);
    } catch (error) {
      const failure = classify(error);
      if (failure.kind === "refused") throw failure.error;
      if (failure.kind !== "transient") return failure;
      cause = failure.cause;
    }
    await delay(Math.min(pause, Math.max(0, deadline - performance.now())));
  }
}

async function within<Result>(answer: Promise<Result>, ms: number): Promise<Result | typeof HANGS> {
  answer.catch(() => undefined); // it may fail when nobody waits for it any more
  let timer: NodeJS.Timeout | undefined;
  const hangs = new Promise<typeof HANGS>((resolve) => (timer = setTimeout(resolve, ms, HANGS)));
  try {
    return await Promise.race([answer, hangs]);
  } finally {
    clearTimeout(timer);
  }
}
