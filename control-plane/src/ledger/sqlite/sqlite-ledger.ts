import { existsSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { SallyportError } from "@sallyport/proto/errors";
import {
  type Appended,
  type ExpectedRevision,
  type LogEntry,
  MAX_REMOVED_EVENTS,
  type NewEvent,
  type ReadAllOptions,
  type ReadStreamOptions,
  type RecordedEvent,
  type RemovableLedger,
  type SubscribeOptions,
  type SubscriptionMessage,
  type Tombstone,
} from "../ledger.ts";
import { AppendQueue } from "./append-queue.ts";
import { CommitSignal } from "./commit-signal.ts";
import { encodeAppend } from "./encode-append.ts";
import { EventReader, PAGE_EVENTS, SCAN_POSITIONS } from "./event-reader.ts";
import { decodeRow, POSITION, REVISION } from "./event-row.ts";
import { createLedgerFile, migrateLedgerFile, verifyLedgerFile } from "./ledger-file.ts";
import { LedgerLock } from "./ledger-lock.ts";
import { LiveLog } from "./live-log.ts";
import { readEntries, readTombstones } from "./read-entries.ts";
import { rangeOf, readBounds, requireFilter, requireLimit, toPosition } from "./read-options.ts";
import { readError } from "./sqlite-failure.ts";
import { subscribe } from "./subscription.ts";
import { WriterThread } from "./writer-thread.ts";

/**
 * Opens the ledger at `path`, or creates it when there is no file; the folder must exist.
 * Fails with `ledger.corrupt` (and changes nothing) when the file is not a ledger, or with `ledger.unavailable` when another process
 * has it open or the file system refuses.
 */
export async function openSqliteLedger(path: string): Promise<RemovableLedger & { readonly path: string }> {
  const parts: Partial<Parts> = {};
  try {
    const real = realPath(path);
    parts.lock = new LedgerLock(real);
    if (!existsSync(real)) createLedgerFile(real);
    migrateLedgerFile(real, verifyLedgerFile(real));
    const reader = (parts.reader = new EventReader(real));
    const commits = new CommitSignal(reader.head());
    const writer = await WriterThread.start(real);
    return new SqliteLedger(path, { lock: parts.lock, reader, commits, writer });
  } catch (error) {
    parts.reader?.close();
    parts.lock?.release();
    throw openError(error, path);
  }
}

interface Parts {
  lock: LedgerLock;
  reader: EventReader;
  commits: CommitSignal;
  writer: WriterThread;
}

/**
 * The embedded ledger: one SQLite file. Owns the lock, the reading connection and, through the queue, the writer thread.
 * Phases: open → closing (appends refused, accepted ones finish) → closed (reads and subscriptions fail too).
 */
class SqliteLedger implements RemovableLedger {
  readonly path: string;
  readonly #parts: Readonly<Parts>;
  readonly #queue: AppendQueue;
  readonly #log: LiveLog;
  #closing: Promise<void> | undefined;

  constructor(path: string, parts: Parts) {
    this.path = path;
    this.#parts = parts;
    this.#queue = new AppendQueue(parts.writer, (position, committed) => parts.commits.advance(position, committed));
    this.#log = new LiveLog(parts.reader, parts.commits);
  }

  append(stream: string, events: readonly NewEvent[], expected: ExpectedRevision): Promise<Appended> {
    try {
      return this.#queue.append(encodeAppend(stream, events, expected));
    } catch (error) {
      return Promise.reject(SallyportError.from(error));
    }
  }

  /** Ends with what was the last event when the read began. */
  async *readStream(stream: string, options: ReadStreamOptions = {}): AsyncGenerator<RecordedEvent, void, undefined> {
    const { direction, from } = readBounds(options);
    let left = requireLimit(options.limit);
    const known = this.#parts.reader.streamHead(stream);
    if (known === undefined) return;
    let { low, high } = rangeOf(direction, from, { low: 0, high: known.head });
    while (left > 0 && low <= high) {
      const { rows, whole } = this.#parts.reader.streamPage(known.number, { low, high }, direction, Math.min(left, PAGE_EVENTS));
      for (const row of rows) yield decodeRow(row);
      left -= rows.length;
      if (whole || left === 0) return;
      const last = rows.at(-1)?.[REVISION] ?? 0;
      if (direction === "forwards") low = last + 1;
      else high = last - 1;
      await nextTurn();
    }
  }

  /** Ends with what was the last event when the read began. */
  async *readAll(options: ReadAllOptions = {}): AsyncGenerator<RecordedEvent, void, undefined> {
    const { direction, from } = readBounds(options);
    let left = requireLimit(options.limit);
    requireFilter(options.filter);
    const pages = this.#parts.reader.logPages(options.filter, direction);
    let { low, high } = rangeOf(direction, from, { low: 1, high: this.#parts.reader.head() });
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

  /** The start is taken now, not at the first message. A consumer that is still there when the ledger closes gets `ledger.unavailable`. */
  subscribeToAll({ after, filter, signal }: SubscribeOptions): AsyncIterable<SubscriptionMessage> {
    requireFilter(filter);
    const start = after === "end" ? this.#parts.commits.position : after === undefined ? 0 : toPosition(after);
    return subscribe(this.#log, { after: start, filter, signal });
  }

  /** A commit waits for one removal at most. */
  async remove(tombstones: readonly Tombstone[]): Promise<void> {
    if (tombstones.length > MAX_REMOVED_EVENTS) throw new Error(`At most ${MAX_REMOVED_EVENTS} events are removed at once.`);
    if (this.#closing !== undefined) throw new SallyportError("ledger.unavailable", "The ledger is closed.");
    await this.#parts.writer.remove(tombstones.map(({ position, leaf }) => ({ position: Number(position), leaf })));
    this.#log.forget();
  }

  async purge(): Promise<void> {
    await this.#parts.writer.purge();
  }

  readLog(from?: bigint): AsyncIterable<LogEntry> {
    return readEntries(this.#parts.reader, from, this.#parts.reader.head());
  }

  tombstones(stream: string): AsyncIterable<Tombstone> {
    return readTombstones(this.#parts.reader, stream);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** The writer closes last, so that it can empty the write-ahead log into the file. */
  async #close(): Promise<void> {
    const { lock, reader, commits, writer } = this.#parts;
    await this.#queue.drain();
    reader.close();
    commits.close();
    if (await writer.stop()) lock.release();
  }
}

/** Two names of one file must meet at one lock. */
function realPath(path: string): string {
  return existsSync(path) ? realpathSync(path) : join(realpathSync(dirname(path)), basename(path));
}

function openError(error: unknown, path: string): SallyportError {
  if (error instanceof Error && "syscall" in error && "code" in error) {
    return new SallyportError("ledger.unavailable", `The ledger file cannot be opened: ${String(error.code)}.`, { path }, error);
  }
  return readError(error);
}
