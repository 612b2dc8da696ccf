import { SallyportError } from "@sallyport/proto/errors";
import type { Ledger, LedgerFilter, RecordedEvent } from "../../ledger/ledger.ts";

/** A place in the past: a position of the ledger, or an instant. */
export type Moment = { readonly kind: "position"; readonly position: bigint } | { readonly kind: "instant"; readonly at: Date };

/**
 * Which events count: the first ones of the log, up to one. By instant those are all before the first that was recorded later: where a
 * clock was set back, the log's order is believed and not the clock.
 */
export interface Cut {
  readonly upTo: bigint;
  readonly at: Date | undefined;
}

/** Clocks of two machines differ; what somebody calls now is not the future. */
export const CLOCK_SKEW_MS = 60_000;

/** Fails with `input.invalid` for what has not happened yet. */
export async function cutAt(ledger: Ledger, moment: Moment, now: Date): Promise<Cut> {
  let head = 0n;
  for await (const { position } of ledger.readAll({ direction: "backwards", limit: 1 })) head = position;
  if (moment.kind === "instant") {
    if (moment.at.getTime() > now.getTime() + CLOCK_SKEW_MS)
      throw new SallyportError("input.invalid", "That instant has not come yet.", { instant: moment.at.toISOString() });
    return { upTo: head, at: moment.at };
  }
  if (moment.position > head) throw new SallyportError("input.invalid", `The ledger ends at position ${String(head)}.`, { position: String(moment.position) });
  return { upTo: moment.position, at: undefined };
}

export const counts = ({ upTo, at }: Cut, { position, recordedAt }: RecordedEvent): boolean => position <= upTo && (at === undefined || recordedAt <= at);

/** What counts of what passes the filter, in order. */
export async function* readUntil(ledger: Ledger, cut: Cut, filter: LedgerFilter): AsyncGenerator<RecordedEvent> {
  for await (const event of ledger.readAll({ filter })) {
    if (!counts(cut, event)) return;
    yield event;
  }
}

/** The same of one stream. */
export async function* readStreamUntil(ledger: Ledger, cut: Cut, stream: string): AsyncGenerator<RecordedEvent> {
  for await (const event of ledger.readStream(stream)) {
    if (!counts(cut, event)) return;
    yield event;
  }
}
