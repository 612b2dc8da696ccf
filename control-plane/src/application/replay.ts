import { approvalStream } from "../domain/approval/approval.events.ts";
import { upcast } from "../domain/catalogue.ts";
import { grantStream } from "../domain/grant/grant.events.ts";
import { recordingStream } from "../domain/session/recording.events.ts";
import { sessionStream } from "../domain/session/session.events.ts";
import { sessionNotFound } from "./retention/removed.ts";
import type { Ledger, RecordedEvent } from "../ledger/ledger.ts";

/** A session that asked more often than this shows the events of the first so many approvals. Each is a few KB in memory. */
export const MAX_REPLAYED_APPROVALS = 1_000;

/**
 * Everything that belongs to a session, in the order in which it was recorded: its own events, what passed, its approvals, and the grant
 * or grants that it used. Streams page by page; only the approvals and the grants are held. Fails with `session.not_found`.
 */
export async function* replay(ledger: Ledger, sessionId: string): AsyncIterable<RecordedEvent> {
  // An approval may have been asked for before the event that names it was written, so they are collected first.
  const decided: RecordedEvent[] = [];
  let names = 0;
  let known = false;
  for await (const recorded of ledger.readStream(sessionStream(sessionId))) {
    known = true;
    if (recorded.type === "SessionOpened" || recorded.type === "SessionContinued") decided.push(...(await grantOf(ledger, recorded, sessionId)));
    if (recorded.type !== "CommandHeld" || names === MAX_REPLAYED_APPROVALS) continue;
    const event = upcast(recorded);
    if (event.type !== "CommandHeld") continue;
    names += 1;
    for await (const each of ledger.readStream(approvalStream(event.data.approvalId))) decided.push(each);
  }
  if (!known) throw await sessionNotFound(ledger, sessionId);
  decided.sort((a, b) => (a.position < b.position ? -1 : 1));
  yield* merged([ledger.readStream(sessionStream(sessionId)), ledger.readStream(recordingStream(sessionId)), asynchronous(decided)]);
}

/** What other sessions used it for is theirs. */
async function grantOf(ledger: Ledger, using: RecordedEvent, sessionId: string): Promise<RecordedEvent[]> {
  const event = upcast(using);
  const grantId = event.type === "SessionOpened" || event.type === "SessionContinued" ? event.data.grantId : undefined;
  const found: RecordedEvent[] = [];
  if (grantId === undefined) return found;
  for await (const recorded of ledger.readStream(grantStream(grantId))) {
    const each = upcast(recorded);
    if (each.type !== "GrantUsed" || each.data.sessionId === sessionId) found.push(recorded);
  }
  return found;
}

async function* merged(sources: readonly AsyncIterable<RecordedEvent>[]): AsyncIterable<RecordedEvent> {
  const iterators = sources.map((source) => source[Symbol.asyncIterator]());
  try {
    const heads = await Promise.all(iterators.map((iterator) => iterator.next()));
    for (;;) {
      let first = -1;
      let earliest: RecordedEvent | undefined;
      for (const [index, head] of heads.entries()) {
        if (head.done === true || (earliest !== undefined && head.value.position >= earliest.position)) continue;
        first = index;
        earliest = head.value;
      }
      const iterator = iterators[first];
      if (earliest === undefined || iterator === undefined) return;
      yield earliest;
      heads[first] = await iterator.next();
    }
  } finally {
    for (const iterator of iterators) await iterator.return?.();
  }
}

async function* asynchronous<T>(items: readonly T[]): AsyncIterable<T> {
  yield* items;
}
