import { closeSync, existsSync, openSync } from "node:fs";
import { SallyportError } from "@sallyport/proto/errors";
import { DatabaseSync, type SQLOutputValue, type StatementSync } from "node:sqlite";

/** What is to be told to one channel: where the event is, never what it says. */
export interface Delivery {
  /** Event and channel: the same notification has the same id, however often it is made. */
  readonly id: string;
  readonly channel: string;
  readonly eventId: string;
  readonly eventType: string;
  readonly stream: string;
  readonly revision: bigint;
}

export interface QueuedDelivery extends Delivery {
  readonly state: "waiting" | "failed";
  readonly attempts: number;
  readonly queuedAt: Date;
  /** Of the next attempt; of the last failure when it has failed. */
  readonly dueAt: Date;
  /** Of the last attempt, empty before one. */
  readonly failure: string;
}

/** What waits for one channel; one that is away for long enough to gather more has lost sight of it all. About 300 bytes each. */
export const MAX_WAITING_PER_CHANNEL = 10_000;
/** Dead letters of one channel that can be tried again from here; of older ones the record still tells. */
export const MAX_FAILED_PER_CHANNEL = 10_000;

/** The failure of what there was no room for. */
export const QUEUE_FULL = "queue full";

/** Each brings a file of the version before it up to date. */
const SCHEMA = [
  `
  CREATE TABLE checkpoint (position INTEGER) STRICT;
  CREATE TABLE delivery (
    id TEXT PRIMARY KEY, channel TEXT NOT NULL, event_id TEXT NOT NULL, event_type TEXT NOT NULL, stream TEXT NOT NULL, revision INTEGER NOT NULL,
    state TEXT NOT NULL, attempts INTEGER NOT NULL, queued_at INTEGER NOT NULL, due_at INTEGER NOT NULL, failure TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX delivery_due ON delivery (channel, state, due_at);`,
  // Counting a full queue for each message that comes would cost more than the message.
  `
  CREATE TABLE size (channel TEXT NOT NULL, state TEXT NOT NULL, deliveries INTEGER NOT NULL, PRIMARY KEY (channel, state)) STRICT, WITHOUT ROWID;
  INSERT INTO size SELECT channel, state, count(*) FROM delivery GROUP BY channel, state;
  CREATE TRIGGER delivery_came AFTER INSERT ON delivery BEGIN
    INSERT INTO size VALUES (new.channel, new.state, 1) ON CONFLICT DO UPDATE SET deliveries = deliveries + 1;
  END;
  CREATE TRIGGER delivery_went AFTER DELETE ON delivery BEGIN
    UPDATE size SET deliveries = deliveries - 1 WHERE channel = old.channel AND state = old.state;
  END;
  CREATE TRIGGER delivery_changed AFTER UPDATE OF state ON delivery WHEN old.state <> new.state BEGIN
    UPDATE size SET deliveries = deliveries - 1 WHERE channel = old.channel AND state = old.state;
    INSERT INTO size VALUES (new.channel, new.state, 1) ON CONFLICT DO UPDATE SET deliveries = deliveries + 1;
  END;`,
];

/**
 * What waits to be told, and up to where the ledger was looked at, in one file beside it.
 *
 * O1. Deliveries and checkpoint move in one transaction, so that no event is passed over and none is queued twice. The file is not
 *     synced at each commit: `kill -9` loses nothing, and after a power failure it is at an earlier moment, from which the ledger
 *     is followed again.
 * O2. It holds no personal data, and nothing of what is told: that is read from the ledger when it is sent.
 * O3. Bounded for each channel.
 */
export class Outbox {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(path: string) {
    if (!existsSync(path)) closeSync(openSync(path, "wx", 0o600));
    this.#db = new DatabaseSync(path);
    this.#db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 1000");
    const version = Number(this.#db.prepare("PRAGMA user_version").get()?.["user_version"]);
    if (version > SCHEMA.length) throw new SallyportError("config.invalid", "The outbox of notifications was written by a newer release.", { path });
    if (version < SCHEMA.length) this.#db.exec(`BEGIN; ${SCHEMA.slice(version).join("")} PRAGMA user_version = ${SCHEMA.length}; COMMIT`);
  }

  /** Undefined until there is one. */
  checkpoint(): { readonly position: bigint | undefined } | undefined {
    const row = this.#run("SELECT position FROM checkpoint").get();
    return row === undefined ? undefined : { position: typeof row["position"] === "bigint" ? row["position"] : undefined };
  }

  /** `undefined`: before the first event. */
  moveTo(position: bigint | undefined): void {
    this.#transaction(() => this.#move(position));
  }

  /** It begins anew at the end of the ledger the next time. */
  forgetPlace(): void {
    this.#run("DELETE FROM checkpoint").run();
  }

  /** All or nothing, with the checkpoint. Answers those for which there was no room: they are dead letters at once. */
  take(deliveries: readonly Delivery[], position: bigint, now: Date): readonly Delivery[] {
    const overflow: Delivery[] = [];
    this.#transaction(() => {
      for (const delivery of deliveries) {
        const isFull = this.#count(delivery.channel, "waiting") >= MAX_WAITING_PER_CHANNEL;
        if (isFull) {
          overflow.push(delivery);
          this.#bury(delivery, 0, now, QUEUE_FULL);
        } else this.#insert(delivery, "waiting", 0, now, "");
      }
      this.#move(position);
    });
    return overflow;
  }

  /** What is due first, also when it is not due yet. */
  next(channel: string): QueuedDelivery | undefined {
    const row = this.#run("SELECT * FROM delivery WHERE channel = ? AND state = 'waiting' ORDER BY due_at LIMIT 1").get(channel);
    return row === undefined ? undefined : deliveryOf(row);
  }

  find(id: string): QueuedDelivery | undefined {
    const row = this.#run("SELECT * FROM delivery WHERE id = ?").get(id);
    return row === undefined ? undefined : deliveryOf(row);
  }

  remove(id: string): void {
    this.#run("DELETE FROM delivery WHERE id = ?").run(id);
  }

  postpone(id: string, attempts: number, dueAt: Date, failure: string): void {
    this.#run("UPDATE delivery SET attempts = ?, due_at = ?, failure = ? WHERE id = ?").run(attempts, dueAt.getTime(), failure, id);
  }

  /** It is a dead letter now. */
  bury(delivery: Delivery, attempts: number, now: Date, failure: string): void {
    this.#transaction(() => this.#bury(delivery, attempts, now, failure));
  }

  /** As if it were new. */
  revive(id: string, now: Date): void {
    this.#run("UPDATE delivery SET state = 'waiting', attempts = 0, queued_at = ?, due_at = ? WHERE id = ? AND state = 'failed'").run(
      now.getTime(),
      now.getTime(),
      id,
    );
  }

  /** Of channels that are not among these. */
  strays(channels: readonly string[]): readonly QueuedDelivery[] {
    const marks = channels.map(() => "?").join(", ");
    return this.#run(`SELECT * FROM delivery WHERE state = 'waiting' AND channel NOT IN (${marks})`)
      .all(...channels)
      .map(deliveryOf);
  }

  /** Newest first. */
  list(limit: number): readonly QueuedDelivery[] {
    return this.#run("SELECT * FROM delivery ORDER BY queued_at DESC, id LIMIT ?").all(limit).map(deliveryOf);
  }

  counts(channel: string): { readonly waiting: number; readonly failed: number } {
    return { waiting: this.#count(channel, "waiting"), failed: this.#count(channel, "failed") };
  }

  close(): void {
    this.#db.close();
  }

  #count(channel: string, state: QueuedDelivery["state"]): number {
    return Number(this.#run("SELECT deliveries FROM size WHERE channel = ? AND state = ?").get(channel, state)?.["deliveries"] ?? 0);
  }

  #insert({ id, channel, eventId, eventType, stream, revision }: Delivery, state: QueuedDelivery["state"], attempts: number, now: Date, failure: string): void {
    const at = now.getTime();
    this.#run(
      `INSERT INTO delivery VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET state = excluded.state, attempts = excluded.attempts, due_at = excluded.due_at, failure = excluded.failure`,
    ).run(id, channel, eventId, eventType, stream, revision, state, attempts, at, at, failure);
  }

  #bury(delivery: Delivery, attempts: number, now: Date, failure: string): void {
    this.#insert(delivery, "failed", attempts, now, failure);
    const surplus = this.#count(delivery.channel, "failed") - MAX_FAILED_PER_CHANNEL;
    const oldest = "SELECT id FROM delivery WHERE channel = ? AND state = 'failed' ORDER BY due_at LIMIT ?";
    if (surplus > 0) this.#run(`DELETE FROM delivery WHERE id IN (${oldest})`).run(delivery.channel, surplus);
  }

  #move(position: bigint | undefined): void {
    this.#run("DELETE FROM checkpoint").run();
    this.#run("INSERT INTO checkpoint VALUES (?)").run(position ?? null);
  }

  #transaction(work: () => void): void {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      work();
      this.#db.exec("COMMIT");
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  #run(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      statement.setReadBigInts(true);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

const deliveryOf = (row: Record<string, SQLOutputValue>): QueuedDelivery => ({
  id: String(row["id"]),
  channel: String(row["channel"]),
  eventId: String(row["event_id"]),
  eventType: String(row["event_type"]),
  stream: String(row["stream"]),
  revision: BigInt(String(row["revision"])),
  state: row["state"] === "failed" ? "failed" : "waiting",
  attempts: Number(row["attempts"]),
  queuedAt: new Date(Number(row["queued_at"])),
  dueAt: new Date(Number(row["due_at"])),
  failure: String(row["failure"]),
});
