import { setImmediate as nextTurn } from "node:timers/promises";
import type { LogEntry, Tombstone } from "../ledger.ts";
import { type EventReader, PAGE_EVENTS } from "./event-reader.ts";
import { toPosition } from "./read-options.ts";

/** The log with its tombstones up to `high`. A page is one statement, so that an event that is being removed is in it once, as one or the other. */
export async function* readEntries(reader: EventReader, from: bigint | undefined, high: number): AsyncGenerator<LogEntry, void, undefined> {
  let after = from === undefined ? 0 : toPosition(from) - 1;
  while (after < high) {
    const page = reader.entries(after, high);
    yield* page;
    const last = page.at(-1);
    if (last === undefined) return;
    after = Number(last.kind === "event" ? last.event.position : last.tombstone.position);
    await nextTurn();
  }
}

export async function* readTombstones(reader: EventReader, stream: string): AsyncGenerator<Tombstone, void, undefined> {
  for (let from = 0, more = true; more;) {
    const page = reader.tombstones(stream, from);
    yield* page;
    more = page.length === PAGE_EVENTS;
    from = Number(page.at(-1)?.revision ?? 0n) + 1;
    await nextTurn();
  }
}
