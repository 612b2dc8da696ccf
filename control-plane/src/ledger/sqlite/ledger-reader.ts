import { setImmediate as nextTurn } from "node:timers/promises";
import type { LogEntry, ReadableLedger, ReadAllOptions, RecordedEvent, SubscribeOptions, SubscriptionMessage } from "../ledger.ts";
import { CommitSignal } from "./commit-signal.ts";
import { EventReader, PAGE_EVENTS, SCAN_POSITIONS } from "./event-reader.ts";
import { decodeRow, POSITION } from "./event-row.ts";
import { LiveLog } from "./live-log.ts";
import { readEntries } from "./read-entries.ts";
import { rangeOf, readBounds, requireFilter, requireLimit, toPosition } from "./read-options.ts";
import { subscribe } from "./subscription.ts";

/** How often the file is asked for its head: a few microseconds each, and nobody who waits for an event notices. */
export const POLL_MS = 20;

/**
 * The log of the embedded ledger, for another thread of the process that has it open: reading there costs the thread of the sessions
 * nothing. What it sees is durable: SQLite shows a commit to others when its write-ahead log is synced, and not before.
 */
export class SqliteLedgerReader implements ReadableLedger {
  readonly #reader: EventReader;
  readonly #commits: CommitSignal;
  readonly #log: LiveLog;
  readonly #poll: NodeJS.Timeout;

  constructor(path: string) {
    this.#reader = new EventReader(path);
    this.#commits = new CommitSignal(this.#reader.head());
    this.#log = new LiveLog(this.#reader, this.#commits);
    this.#poll = setInterval(() => this.#look(), POLL_MS);
  }

  /** Ends with what was the last event when the read began. */
  async *readAll(options: ReadAllOptions = {}): AsyncGenerator<RecordedEvent, void, undefined> {
    const { direction, from } = readBounds(options);
    let left = requireLimit(options.limit);
    requireFilter(options.filter);
    const pages = this.#reader.logPages(options.filter, direction);
    let { low, high } = rangeOf(direction, from, { low: 1, high: this.#look() });
    while (left > 0 && low <= high) {
      const scanned =
        direction === "forwards" ? { low, high: Math.min(high, low + SCAN_POSITIONS - 1) } : { low: Math.max(low, high - SCAN_POSITIONS + 1), high };
      const { rows, whole } = pages(scanned, Math.min(left, PAGE_EVENTS));
      for (const row of rows) yield decodeRow(row);
      left -= rows.length;
      const last = whole ? undefined : rows.at(-1)?.[POSITION];
      if (direction === "forwards") low = (last ?? scanned.high) + 1;
      else high = (last ?? scanned.low) - 1;
      await nextTurn();
    }
  }

  readLog(from?: bigint): AsyncIterable<LogEntry> {
    return readEntries(this.#reader, from, this.#look());
  }

  subscribeToAll({ after, filter, signal }: SubscribeOptions): AsyncIterable<SubscriptionMessage> {
    requireFilter(filter);
    const head = this.#look();
    const start = after === "end" ? head : after === undefined ? 0 : toPosition(after);
    return subscribe(this.#log, { after: start, filter, signal });
  }

  close(): Promise<void> {
    clearInterval(this.#poll);
    this.#reader.close();
    this.#commits.close();
    return Promise.resolve();
  }

  /** Whoever waits for what came since is woken. A file that cannot be read now is asked again. */
  #look(): number {
    try {
      this.#commits.advance(this.#reader.head(), []);
    } catch {
      // The read that follows fails as well, and says why.
    }
    return this.#commits.position;
  }
}
