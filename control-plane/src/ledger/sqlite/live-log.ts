import type { LedgerFilter } from "../ledger.ts";
import type { CommitSignal } from "./commit-signal.ts";
import { type EventReader, PAGE_EVENTS, type Range, SCAN_POSITIONS } from "./event-reader.ts";
import { type EventRow, matches, POSITION } from "./event-row.ts";

export interface LogPage {
  readonly rows: readonly EventRow[];
  /** Every position up to here was looked at. */
  readonly upTo: number;
}

/**
 * The acknowledged log as subscriptions see it: pages after a position. Those that follow live all ask for the same few events after
 * each commit, so the last unfiltered page is read once, kept, and filtered in memory. Owns that one page and no position of anyone.
 */
export class LiveLog {
  readonly commits: CommitSignal;
  readonly #reader: EventReader;
  #kept: { readonly after: number; readonly page: LogPage } | undefined;

  constructor(reader: EventReader, commits: CommitSignal) {
    this.#reader = reader;
    this.commits = commits;
  }

  /** Pages through one filter: from memory or by a short read when close to the head, by a filtered scan when far behind. */
  through(filter: LedgerFilter | undefined): (after: number) => LogPage {
    const scan = this.#reader.logPages(filter, "forwards");
    return (after) => {
      const head = this.commits.position;
      if (head <= after) return { rows: [], upTo: after };
      if (filter !== undefined && head - after > PAGE_EVENTS) return read(scan, { low: after + 1, high: Math.min(head, after + SCAN_POSITIONS) });
      const recent = this.#recent(after, head);
      return filter === undefined ? recent : { rows: recent.rows.filter((row) => matches(row, filter)), upTo: recent.upTo };
    };
  }

  /** Events were removed: the page may hold some of them. */
  forget(): void {
    this.#kept = undefined;
  }

  #recent(after: number, head: number): LogPage {
    if (this.#kept?.after === after) return this.#kept.page;
    const page = read(this.#reader.logPages(undefined, "forwards"), { low: after + 1, high: Math.min(head, after + PAGE_EVENTS) });
    this.#kept = { after, page };
    return page;
  }
}

function read(pages: ReturnType<EventReader["logPages"]>, range: Range): LogPage {
  const { rows, whole } = pages(range, PAGE_EVENTS);
  return { rows, upTo: whole ? range.high : (rows.at(-1)?.[POSITION] ?? range.high) };
}
