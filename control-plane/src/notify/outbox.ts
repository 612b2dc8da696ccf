import { closeSync, existsSync, openSync } from "node:fs";
import { SallyportError } from "@sallyport/proto/errors";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { type Delivery, type DeliveryState, deliveryOf, deliveryStates, type QueuedDelivery, urgencies } from "./delivery.ts";
import { outboxSchema } from "./outbox-schema.ts";

/** What waits for one channel; one that is away for long enough to gather more has lost sight of it all. About 300 bytes each. */
export const MAX_WAITING_PER_CHANNEL = 10_000;
/** Of these, kept for alarms: whoever fills a queue with less cannot keep the alarm out that they would set off. */
export const ALARM_SHARE = 1_000;
/** Of these, what one person or machine may have waiting that is no alarm. Nobody reads a thousand messages about one of them. */
export const MAX_WAITING_PER_SOURCE = 1_000;
/** Dead letters of one channel that can be tried again from here; of others the record still tells, and their number is kept. */
export const MAX_FAILED_PER_CHANNEL = 10_000;

/** The failures of what there was no room for. */
export const QUEUE_FULL = "queue full";
export const SHARE_FULL = "share of the queue full";

/** Each for one channel; a test has smaller ones. */
export interface OutboxBounds {
  readonly waiting: number;
  readonly alarmShare: number;
  readonly perSource: number;
  readonly failed: number;
}

const BOUNDS: OutboxBounds = {
  waiting: MAX_WAITING_PER_CHANNEL,
  alarmShare: ALARM_SHARE,
  perSource: MAX_WAITING_PER_SOURCE,
  failed: MAX_FAILED_PER_CHANNEL,
};

export interface Overflow {
  readonly delivery: Delivery;
  readonly failure: typeof QUEUE_FULL | typeof SHARE_FULL;
}

/** The path of an outbox that is gone with its process. */
export const IN_MEMORY = ":memory:";

/**
 * What waits to be told, and up to where the ledger was looked at, in one file beside it.
 *
 * O1. Deliveries and checkpoint move in one transaction, so that no event is passed over and none is queued twice. The file is not
 *     synced at each commit: `kill -9` loses nothing, and after a power failure it is at an earlier moment, from which the ledger
 *     is followed again.
 * O2. It holds no personal data, and nothing of what is told: that is read from the ledger when it is sent.
 * O3. Bounded for each channel, with room for alarms that nothing else takes, and for each who makes things happen.
 */
export class Outbox {
  readonly #db: DatabaseSync;
  readonly #bounds: OutboxBounds;
  readonly #statements = new Map<string, StatementSync>();

  constructor(path: string, bounds: OutboxBounds = BOUNDS) {
    this.#bounds = bounds;
    if (path !== IN_MEMORY && !existsSync(path)) closeSync(openSync(path, "wx", 0o600));
    this.#db = new DatabaseSync(path);
    try {
      this.#prepare(path);
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  #prepare(path: string): void {
    this.#db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 1000");
    const version = Number(this.#db.prepare("PRAGMA user_version").get()?.["user_version"]);
    const latest = outboxSchema.length;
    if (version > latest) throw new SallyportError("config.invalid", "The outbox of notifications was written by a newer release.", { path });
    if (version < latest) this.#db.exec(`BEGIN; ${outboxSchema.slice(version).join("")} PRAGMA user_version = ${latest}; COMMIT`);
  }

  /** What is wrong with the file; undefined when nothing is. */
  damage(): string | undefined {
    const found = this.#run("PRAGMA quick_check(1)").get()?.["quick_check"];
    return found === "ok" ? undefined : String(found);
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
  take(deliveries: readonly Delivery[], position: bigint, now: Date): readonly Overflow[] {
    const overflow: Overflow[] = [];
    this.#transaction(() => {
      for (const delivery of deliveries) {
        const failure = this.#lackOfRoom(delivery);
        if (failure === undefined) this.#insert(delivery, "waiting", 0, now, "");
        else {
          overflow.push({ delivery, failure });
          // Whoever has had their share pushes nobody else's letter out.
          if (failure === SHARE_FULL && this.#count(delivery.channel, "failed") >= this.#bounds.failed) this.#forget(delivery.channel);
          else this.#bury(delivery, 0, now, failure);
        }
      }
      this.#move(position);
    });
    return overflow;
  }

  /** The most urgent of what is due; when nothing is, what is due first. */
  next(channel: string, now: Date): QueuedDelivery | undefined {
    const firsts = urgencies.flatMap((_, urgency) => {
      const row = this.#run("SELECT * FROM delivery WHERE channel = ? AND state = 'waiting' AND urgency = ? ORDER BY due_at LIMIT 1").get(channel, urgency);
      return row === undefined ? [] : [deliveryOf(row)];
    });
    return firsts.find(({ dueAt }) => dueAt <= now) ?? firsts.toSorted((a, b) => a.dueAt.getTime() - b.dueAt.getTime())[0];
  }

  find(id: string): QueuedDelivery | undefined {
    const row = this.#run("SELECT * FROM delivery WHERE id = ?").get(id);
    return row === undefined ? undefined : deliveryOf(row);
  }

  /** Dead letters whose id begins so, two at most. */
  failedLike(prefix: string): readonly QueuedDelivery[] {
    const after = `${prefix}\u{10ffff}`;
    return this.#run("SELECT * FROM delivery WHERE id >= ? AND id < ? AND state = 'failed' LIMIT 2").all(prefix, after).map(deliveryOf);
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

  /** One that waits for a channel that is not among these. */
  stray(channels: readonly string[]): QueuedDelivery | undefined {
    const waiting = this.#run("SELECT channel FROM size WHERE state = 'waiting' AND deliveries > 0").all();
    const other = waiting.map(({ channel }) => String(channel)).find((channel) => !channels.includes(channel));
    const row = other === undefined ? undefined : this.#run("SELECT * FROM delivery WHERE channel = ? AND state = 'waiting' LIMIT 1").get(other);
    return row === undefined ? undefined : deliveryOf(row);
  }

  /** Newest first. */
  list(limit: number, states: readonly DeliveryState[] = deliveryStates): readonly QueuedDelivery[] {
    return states
      .flatMap((state) => this.#run("SELECT * FROM delivery WHERE state = ? ORDER BY queued_at DESC LIMIT ?").all(state, limit).map(deliveryOf))
      .toSorted((a, b) => b.queuedAt.getTime() - a.queuedAt.getTime())
      .slice(0, limit);
  }

  counts(channel: string): { readonly waiting: number; readonly failed: number; readonly forgotten: number } {
    const forgotten = this.#run("SELECT deliveries FROM forgotten WHERE channel = ?").get(channel)?.["deliveries"];
    return { waiting: this.#count(channel, "waiting"), failed: this.#count(channel, "failed"), forgotten: Number(forgotten ?? 0) };
  }

  close(): void {
    this.#db.close();
  }

  #count(channel: string, state: QueuedDelivery["state"]): number {
    return Number(this.#run("SELECT deliveries FROM size WHERE channel = ? AND state = ?").get(channel, state)?.["deliveries"] ?? 0);
  }

  /** An alarm has the whole queue. */
  #lackOfRoom({ channel, urgency, source }: Delivery): Overflow["failure"] | undefined {
    const waiting = this.#count(channel, "waiting");
    if (urgency === "alarm") return waiting >= this.#bounds.waiting ? QUEUE_FULL : undefined;
    if (waiting >= this.#bounds.waiting - this.#bounds.alarmShare) return QUEUE_FULL;
    return source !== "" && this.#isShareFull(channel, source) ? SHARE_FULL : undefined;
  }

  #isShareFull(channel: string, source: string): boolean {
    const theirs = "SELECT 1 FROM delivery WHERE channel = ? AND source = ? AND state = 'waiting' AND source <> '' LIMIT ?";
    const { perSource } = this.#bounds;
    return Number(this.#run(`SELECT count(*) AS theirs FROM (${theirs})`).get(channel, source, perSource)?.["theirs"]) >= perSource;
  }

  #insert(delivery: Delivery, state: DeliveryState, attempts: number, now: Date, failure: string): void {
    const { id, channel, eventId, eventType, stream, revision, urgency, source } = delivery;
    const at = now.getTime();
    this.#run(
      `INSERT INTO delivery (id, channel, event_id, event_type, stream, revision, urgency, source, state, attempts, queued_at, due_at, failure)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET state = excluded.state, attempts = excluded.attempts, due_at = excluded.due_at, failure = excluded.failure`,
    ).run(id, channel, eventId, eventType, stream, revision, urgencies.indexOf(urgency), source, state, attempts, at, at, failure);
  }

  /** Alarms are the last to be forgotten. */
  #bury(delivery: Delivery, attempts: number, now: Date, failure: string): void {
    this.#insert(delivery, "failed", attempts, now, failure);
    const least = "SELECT max(urgency) FROM delivery WHERE channel = ? AND state = 'failed'";
    const oldest = `SELECT id FROM delivery WHERE channel = ? AND state = 'failed' AND urgency = (${least}) ORDER BY due_at LIMIT 1`;
    const { channel } = delivery;
    for (let surplus = this.#count(channel, "failed") - this.#bounds.failed; surplus > 0; surplus--) {
      this.#run(`DELETE FROM delivery WHERE id = (${oldest})`).run(channel, channel);
      this.#forget(channel);
    }
  }

  #forget(channel: string): void {
    this.#run("INSERT INTO forgotten VALUES (?, 1) ON CONFLICT DO UPDATE SET deliveries = deliveries + 1").run(channel);
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
