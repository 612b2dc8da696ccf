import { DatabaseSync, type StatementSync } from "node:sqlite";
import { equal } from "@sallyport/proto/audit/bytes";
import { leafBytes } from "@sallyport/proto/audit/leaf";
import { treeHasher } from "@sallyport/proto/audit/merkle";
import { nodePrimitives } from "@sallyport/proto/audit/node-primitives";
import { DELETE_EVENT, INSERT_EVENT, INSERT_STREAM, INSERT_TOMBSTONE, IS_TOMBSTONE, REMOVABLE, STORED_AT, STREAM_HEAD } from "./queries.ts";
import type { AppendOutcome, EncodedAppend, Removal } from "./writer-messages.ts";

/** How long a commit waits for another process that holds the file (a backup, a curious shell). Well inside the deadline of an append. */
const BUSY_TIMEOUT_MS = 1_000;

/**
 * The only connection that writes. Synchronous: it lives on a thread of its own.
 *
 * W1. A batch is one transaction: all of it is durable when `commit` returns, none of it is visible when `commit` throws.
 * W2. An append is checked before its first row is written, so a conflict leaves its neighbours in the batch alone.
 * W3. A failed batch leaves the connection usable: the next one starts clean.
 */
export class LedgerWriter {
  readonly #db: DatabaseSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #head: StatementSync;
  readonly #storedAt: StatementSync;
  readonly #insertStream: StatementSync;
  readonly #insertEvent: StatementSync;
  readonly #removable: StatementSync;
  readonly #isTombstone: StatementSync;
  readonly #deleteEvent: StatementSync;
  readonly #insertTombstone: StatementSync;

  constructor(path: string) {
    this.#db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
    // Zeros in place of what is deleted: removed means gone from the file, not only from the tables.
    this.#db.exec("PRAGMA synchronous = FULL; PRAGMA secure_delete = ON");
    this.#begin = this.#db.prepare("BEGIN IMMEDIATE");
    this.#commit = this.#db.prepare("COMMIT");
    this.#head = this.#db.prepare(STREAM_HEAD);
    this.#storedAt = this.#db.prepare(STORED_AT);
    this.#insertStream = this.#db.prepare(INSERT_STREAM);
    this.#insertEvent = this.#db.prepare(INSERT_EVENT);
    this.#removable = this.#db.prepare(REMOVABLE);
    this.#isTombstone = this.#db.prepare(IS_TOMBSTONE);
    this.#deleteEvent = this.#db.prepare(DELETE_EVENT);
    this.#insertTombstone = this.#db.prepare(INSERT_TOMBSTONE);
  }

  commit(appends: readonly EncodedAppend[]): readonly AppendOutcome[] {
    this.#rollback();
    this.#begin.run();
    try {
      const now = Date.now();
      const outcomes = appends.map((append) => this.#append(append, now));
      this.#commit.run();
      return outcomes;
    } catch (error) {
      this.#rollback();
      throw error;
    }
  }

  /** Brings the write-ahead log into the file and empties it, as far as no reader stands in the way: what was removed is in it too. */
  purge(): void {
    this.#db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  }

  /** One transaction. Answers the position of the first event that is not what its leaf says, and then removes none. */
  remove(removals: readonly Removal[]): number | undefined {
    this.#rollback();
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      for (const removal of removals) {
        if (this.#remove(removal)) continue;
        this.#rollback();
        return removal.position;
      }
      this.#db.exec("COMMIT");
      return undefined;
    } catch (error) {
      this.#rollback();
      throw error;
    }
  }

  #remove({ position, leaf }: Removal): boolean {
    const row = this.#removable.get(position);
    if (row === undefined) return this.#isTombstone.get(position, leaf) !== undefined;
    const { stream_number: number, stream, revision, id, type, data, metadata } = row;
    const event = { stream: String(stream), revision: Number(revision), id: String(id), type: String(type), data: json(data), metadata: json(metadata) };
    if (!equal(hasher.leaf(leafBytes(event)), leaf)) return false;
    this.#deleteEvent.run(position);
    this.#insertTombstone.run(position, number as number, revision as number, leaf);
    return true;
  }

  close(): void {
    this.#db.close();
  }

  #append(append: EncodedAppend, now: number): AppendOutcome {
    const { stream, expected, events } = append;
    const known = this.#head.get(stream);
    const head = Number(known?.["head"] ?? -1);
    if (head !== expected) return known === undefined ? { kind: "conflict", head } : this.#retried(append, Number(known["number"]), head);
    const number = known?.["number"] ?? this.#insertStream.run(stream).lastInsertRowid;
    let revision = head;
    let position = 0;
    for (const { id, type, data, metadata } of events) {
      position = Number(this.#insertEvent.run(number, stream, ++revision, id, type, data, metadata, now).lastInsertRowid);
    }
    return { kind: "appended", revision, position };
  }

  /** The same ids at the same place are the answer to a retry; anything else is a conflict. */
  #retried({ expected, events }: EncodedAppend, number: number, head: number): AppendOutcome {
    const last = expected + events.length;
    const stored = this.#storedAt.all(number, expected, last);
    const same = stored.length === events.length && stored.every((row, i) => row["id"] === events[i]?.id);
    return same ? { kind: "appended", revision: last, position: Number(stored.at(-1)?.["position"]) } : { kind: "conflict", head };
  }

  /** SQLite has already rolled back after some errors and not after others. */
  #rollback(): void {
    if (!this.#db.isTransaction) return;
    try {
      this.#db.exec("ROLLBACK");
    } catch {
      // Tried again before the next batch; the error that led here is the one to report.
    }
  }
}

const hasher = treeHasher(nodePrimitives.sha256);

const json = (text: unknown): object => JSON.parse(String(text)) as object;
