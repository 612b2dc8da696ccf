import { DatabaseSync, type StatementSync } from "node:sqlite";
import { SallyportError } from "@sallyport/proto/errors";
import type { Direction, LedgerFilter, LogEntry, Tombstone } from "../ledger.ts";
import { DATA, decodeRow, type EventRow, METADATA } from "./event-row.ts";
import { filterParameters, LOG_ENTRIES, LOG_HEAD, logPage, STREAM_HEAD, streamPage, TOMBSTONES } from "./queries.ts";
import { readError } from "./sqlite-failure.ts";

/** One page is what a reader holds (L4) and how long it keeps the event loop: about 0.3 ms of small events. */
export const PAGE_EVENTS = 256;

/** A page ends with the event that takes it past this. */
export const PAGE_BYTES = 1 << 20;

/** Positions that a filtered page looks at, matching or not: about 0.7 ms. */
export const SCAN_POSITIONS = 4_096;

export interface Page {
  readonly rows: readonly EventRow[];
  /** False when the range held more than one page takes. */
  readonly whole: boolean;
}

/** Inclusive at both ends, whatever the direction. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

/** A read-only connection of its own: it never waits for the writer, and holds no snapshot between two pages. */
export class EventReader {
  readonly #db: DatabaseSync;
  readonly #logHead: StatementSync;
  readonly #streamHead: StatementSync;
  readonly #log: Readonly<Record<Direction, StatementSync>>;
  readonly #stream: Readonly<Record<Direction, StatementSync>>;
  /** Prepared when first asked for: few readers do. */
  #entries: StatementSync | undefined;
  #tombstones: StatementSync | undefined;

  constructor(path: string) {
    this.#db = new DatabaseSync(path, { readOnly: true, timeout: 0 });
    this.#logHead = this.#db.prepare(LOG_HEAD);
    this.#logHead.setReturnArrays(true);
    this.#streamHead = this.#db.prepare(STREAM_HEAD);
    this.#log = { forwards: this.#prepare(logPage("forwards", undefined)), backwards: this.#prepare(logPage("backwards", undefined)) };
    this.#stream = { forwards: this.#prepare(streamPage("forwards")), backwards: this.#prepare(streamPage("backwards")) };
  }

  /** Position of the last event; 0 when there is none. */
  head(): number {
    return this.#reading(() => (this.#logHead.get() as unknown as [number | null])[0] ?? 0);
  }

  /** The stream's number and last revision; nothing when there is no such stream. */
  streamHead(stream: string): { readonly number: number; readonly head: number } | undefined {
    const row = this.#reading(() => this.#streamHead.get(stream));
    return row && { number: Number(row["number"]), head: Number(row["head"]) };
  }

  streamPage(number: number, range: Range, direction: Direction, limit: number): Page {
    return this.#reading(() => collect(this.#stream[direction].iterate(number, range.low, range.high), limit));
  }

  /** Pages of the log through one filter, prepared once. */
  logPages(filter: LedgerFilter | undefined, direction: Direction): (range: Range, limit: number) => Page {
    return this.#reading(() => {
      const statement = filter === undefined ? this.#log[direction] : this.#prepare(logPage(direction, filter));
      const parameters = filterParameters(filter);
      return ({ low, high }, limit) => this.#reading(() => collect(statement.iterate(low, high, ...parameters), limit));
    });
  }

  /** Events and tombstones after a position, at most a page of them; none when there are no more up to `high`. */
  entries(after: number, high: number): LogEntry[] {
    return this.#reading(() => {
      this.#entries ??= this.#prepare(LOG_ENTRIES);
      return collect(this.#entries.iterate(after + 1, high), PAGE_EVENTS).rows.map(entryOf);
    });
  }

  /** What was removed of a stream, from a revision on, at most a page of it. */
  tombstones(stream: string, from: number): Tombstone[] {
    const known = this.streamHead(stream);
    if (known === undefined) return [];
    return this.#reading(() => {
      this.#tombstones ??= this.#db.prepare(TOMBSTONES);
      return this.#tombstones.all(known.number, from, PAGE_EVENTS).map(({ position, revision, leaf }) => ({
        stream,
        revision: BigInt(Number(revision)),
        position: BigInt(Number(position)),
        leaf: leaf as Uint8Array,
      }));
    });
  }

  close(): void {
    this.#db.close();
  }

  #prepare(sql: string): StatementSync {
    const statement = this.#db.prepare(sql);
    statement.setReturnArrays(true);
    return statement;
  }

  #reading<Result>(read: () => Result): Result {
    if (!this.#db.isOpen) throw new SallyportError("ledger.unavailable", "The ledger is closed.");
    try {
      return read();
    } catch (error) {
      throw readError(error);
    }
  }
}

/** Leaving the loop early resets the statement, which lets go of its snapshot. */
function collect(found: Iterable<unknown>, limit: number): Page {
  const rows: EventRow[] = [];
  let bytes = 0;
  for (const item of found) {
    const row = item as EventRow;
    rows.push(row);
    bytes += row[DATA].length + row[METADATA].length;
    if (rows.length === limit || bytes >= PAGE_BYTES) return { rows, whole: false };
  }
  return { rows, whole: true };
}

/** Behind the columns of an event stands the leaf, when that is all that is left. */
function entryOf(row: EventRow): LogEntry {
  const [position, stream, revision] = row;
  const leaf = (row as readonly unknown[])[LEAF];
  if (!(leaf instanceof Uint8Array)) return { kind: "event", event: decodeRow(row) };
  return { kind: "removed", tombstone: { stream, revision: BigInt(revision), position: BigInt(position), leaf } };
}

const LEAF = 8;
