import type { Ledger, SubscriptionMessage } from "../ledger.ts";
import type { Start } from "./read-plan.ts";
import { RefusalError } from "./refusal.ts";
import { isExpired, viewStream } from "./stream-view.ts";

/**
 * First the stream from the store, then what the log gets after the last event that was read: pulled by position, so there is no gap
 * between the two and nothing comes twice. Fails before it begins for a stream that is closed for good.
 */
export async function followStream(ledger: Ledger, stream: string, after: Start, signal: AbortSignal): Promise<AsyncIterable<SubscriptionMessage>> {
  const start = await headOf(ledger); // before the stream is looked at: what comes in between is read once, from the stream
  const view = await viewStream(ledger, stream);
  if (view.kind === "tombstoned") throw new RefusalError({ kind: "streamDeleted", stream });
  async function* follow(): AsyncGenerator<SubscriptionMessage> {
    let position = start;
    let revision = lastSeen(after, view.kind === "present" || view.kind === "softDeleted" ? view.head : -1n);
    if (after !== "end" && view.kind === "present") {
      const from = revision + 1n > view.truncatedBefore ? revision + 1n : view.truncatedBefore;
      const now = Date.now();
      for await (const event of ledger.readStream(stream, { from })) {
        if (event.position > position) position = event.position;
        revision = event.revision;
        if (!isExpired(event, view.rules, now)) yield { kind: "event", event };
      }
    }
    const later = position === 0n ? {} : { after: position };
    for await (const message of ledger.subscribeToAll({ ...later, filter: { by: "stream", prefixes: [stream] }, signal })) {
      if (message.kind !== "event") yield message;
      else if (message.event.stream === stream && message.event.revision > revision) {
        revision = message.event.revision;
        yield message;
      }
    }
  }
  return follow();
}

function lastSeen(after: Start, head: bigint): bigint {
  if (after === "start") return -1n;
  return after === "end" ? head : after;
}

/** Position of the last event of all; 0 when there is none, which is before the first. */
export async function headOf(ledger: Ledger): Promise<bigint> {
  for await (const { position } of ledger.readAll({ direction: "backwards", limit: 1 })) return position;
  return 0n;
}
