import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";
import { SallyportError } from "@sallyport/proto/errors";
import type { LedgerFilter, SubscriptionMessage } from "../ledger.ts";
import { decodeRow, POSITION } from "./event-row.ts";
import type { LiveLog, LogPage } from "./live-log.ts";

/** Positions looked at without a message before a checkpoint says so: what a restart of the subscriber may look at again. */
export const CHECKPOINT_POSITIONS = 1_000;

/** Pause before reading again when another process holds the file; the subscriber sees a late event, never an error. */
export const REREAD_MS = 250;

export interface Subscription {
  /** Exclusive. */
  readonly after: number;
  readonly filter: LedgerFilter | undefined;
  readonly signal: AbortSignal;
}

/**
 * S1. `at` only grows, by pages that were looked at whole, or past commits none of whose events match: no gap and no duplicate,
 *     whatever is appended meanwhile.
 * S2. Never past the acknowledged head, so nobody acts on an event that its writer has not been told of.
 * S3. Holds one page. A turn of the event loop passes between two pages.
 */
export async function* subscribe(log: LiveLog, { after, filter, signal }: Subscription): AsyncGenerator<SubscriptionMessage, void, undefined> {
  const pageAfter = log.through(filter);
  let at = after;
  let told = after;
  let live = false;
  const aborted = (): boolean => signal.aborted; // it changes while a message is with the consumer
  while (!aborted()) {
    if (log.commits.closed) throw new SallyportError("ledger.unavailable", "The ledger is closed.");
    const page = tryPage(pageAfter, at);
    if (page === undefined) {
      await delay(REREAD_MS, undefined, { signal }).catch(() => undefined);
      continue;
    }
    for (const row of page.rows) {
      yield { kind: "event", event: decodeRow(row) };
      if (aborted()) return;
      told = row[POSITION];
    }
    at = page.upTo;
    const behind = at < log.commits.position;
    const due = at - told >= CHECKPOINT_POSITIONS || (!live && !behind && at > told);
    if (due) {
      yield { kind: "checkpoint", position: BigInt(at) };
      told = at;
    }
    if (behind) {
      await nextTurn();
      continue;
    }
    if (!live) yield { kind: "caughtUp" };
    live = true;
    at = await log.commits.past({ after: at, filter, atLatest: told + CHECKPOINT_POSITIONS, signal });
  }
}

/** Nothing when the file cannot be read now but may be later; damage is thrown. */
function tryPage(pageAfter: (after: number) => LogPage, at: number): LogPage | undefined {
  try {
    return pageAfter(at);
  } catch (error) {
    if (error instanceof SallyportError && error.code === "ledger.unavailable") return undefined;
    throw error;
  }
}
