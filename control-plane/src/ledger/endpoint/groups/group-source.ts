import { setImmediate as nextTurn } from "node:timers/promises";
import type { Ledger, RecordedEvent } from "../../ledger.ts";
import { followStream } from "../follow-stream.ts";
import { REFUSED_PER_TURN } from "../read-events.ts";
import { lastEvent } from "../stream-view.ts";
import { ALL, filterOf, type GroupConfig } from "./group-config.ts";
import { isGroupState } from "./group-streams.ts";

/** The next place, and what is there for the group; nothing when it was only looked at. */
export interface Found {
  readonly place: bigint;
  readonly event: RecordedEvent | undefined;
}

/** What a group hands out, in order, from behind a place on and without end. */
export async function* groupSource(ledger: Ledger, config: GroupConfig, after: bigint | undefined, signal: AbortSignal): AsyncGenerator<Found> {
  if (config.source !== ALL) {
    for await (const message of await followStream(ledger, config.source, after ?? "start", signal))
      if (message.kind === "event") yield { place: message.event.revision, event: message.event };
    return;
  }
  const filter = filterOf(config);
  let passed = 0;
  for await (const message of ledger.subscribeToAll({ ...(after === undefined ? {} : { after }), ...(filter?.ledger && { filter: filter.ledger }), signal })) {
    if (message.kind === "checkpoint") yield { place: message.position, event: undefined };
    if (message.kind !== "event") continue;
    const { event } = message;
    const shown = !isGroupState(event.stream) && filter?.test?.(event) !== false;
    yield { place: event.position, event: shown ? event : undefined };
    if (!shown && ++passed % REFUSED_PER_TURN === 0) await nextTurn();
  }
}

/** The place of the last event that there is; nothing when there is none. */
export async function lastPlace(ledger: Ledger, source: string): Promise<bigint | undefined> {
  if (source !== ALL) return (await lastEvent(ledger, source))?.revision;
  for await (const { position } of ledger.readAll({ direction: "backwards", limit: 1 })) return position;
  return undefined;
}

/** The place before the first event that a group is to begin with. */
export async function placeBefore(ledger: Ledger, source: string, startFrom: GroupConfig["startFrom"]): Promise<bigint | undefined> {
  if (startFrom === "start") return undefined;
  if (startFrom === "end") return lastPlace(ledger, source);
  const first = BigInt(startFrom);
  if (source !== ALL) return first === 0n ? undefined : first - 1n;
  for await (const { position } of ledger.readAll({ direction: "backwards", from: first, limit: 2 })) if (position < first) return position;
  return undefined;
}
