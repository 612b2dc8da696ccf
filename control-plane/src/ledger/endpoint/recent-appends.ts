import { hash } from "node:crypto";
import type { Appended, NewEvent } from "../ledger.ts";

/** A retry comes within seconds; at 5,000 appends a second this is two of them. */
export const MAX_RECENT_APPENDS = 10_000;

interface Recent {
  readonly stream: string;
  readonly ids: string;
  readonly appended: Appended;
}

/** Appends without a fixed revision, found again by their ids; the oldest are forgotten first. */
export class RecentAppends {
  readonly #byFirstId = new Map<string, Recent>();

  add(stream: string, events: readonly NewEvent[], appended: Appended): void {
    const [first] = events;
    if (first === undefined) return;
    this.#byFirstId.set(first.id, { stream, ids: idsOf(events), appended });
    if (this.#byFirstId.size <= MAX_RECENT_APPENDS) return;
    const [oldest] = this.#byFirstId.keys();
    if (oldest !== undefined) this.#byFirstId.delete(oldest);
  }

  /** Only the same events in the same order and stream are the same append. */
  find(stream: string, events: readonly NewEvent[]): Appended | undefined {
    const known = this.#byFirstId.get(events[0]?.id ?? "");
    return known?.stream === stream && known.ids === idsOf(events) ? known.appended : undefined;
  }
}

/** As a digest: an append has thousands of events at most, and this is kept. */
const idsOf = (events: readonly NewEvent[]): string => hash("sha1", events.map(({ id }) => id).join(), "base64");
