/**
 * The ledger port. Two adapters implement it (embedded SQLite, EventStoreDB), so its semantics are those that both can keep:
 *
 * L1. An append names the revision it expects. A retry with the same event ids at the same place succeeds with the
 *     original position; anything else there is `stream.conflict`.
 * L2. A resolved append is durable: it survives `kill -9` and power loss.
 * L3. Positions are opaque, strictly increasing, with gaps. Never computed with, never compared across ledgers.
 * L4. A subscription yields every matching event after its start exactly once, in position order, first from the store and
 *     then live, and says where the change of phase is.
 * L5. The order of positions is the order of acknowledgement within a stream.
 */

/** Who caused an event, and on whose behalf. */
export interface Actor {
  readonly kind: "human" | "machine" | "agent" | "system";
  readonly id: string;
  readonly onBehalfOf?: string;
}

export interface EventMetadata {
  readonly $correlationId: string;
  readonly $causationId?: string;
  readonly actor: Actor;
  readonly schemaVersion: number;
  /** UTC, ISO 8601 with milliseconds; from the command, never read inside the domain. */
  readonly at: string;
}

/** `data` is JSON: no `undefined`, no `bigint`, well-formed strings only. */
export interface NewEvent {
  /** UUID; deterministic, so that a retry is idempotent. */
  readonly id: string;
  readonly type: string;
  readonly data: object;
  readonly metadata: EventMetadata;
}

export interface RecordedEvent extends NewEvent {
  readonly stream: string;
  readonly revision: bigint;
  readonly position: bigint;
  /** When the ledger stored it; not when it happened. */
  readonly recordedAt: Date;
}

/** The stream's last revision as the caller knows it; `"none"` when it must not exist yet. */
export type ExpectedRevision = bigint | "none";

export interface Appended {
  /** Revision of the last event appended. */
  readonly revision: bigint;
  /** Position of the last event appended. */
  readonly position: bigint;
}

export type Direction = "forwards" | "backwards";

/** On the stream name or on the event type, never both: EventStoreDB can do no more on the server. */
export type LedgerFilter = { readonly by: "stream" | "type"; readonly prefixes: readonly string[] };

export interface ReadStreamOptions {
  readonly direction?: Direction;
  /** Inclusive; absent is the first (forwards) or the last (backwards) event. */
  readonly from?: bigint;
  readonly limit?: number;
}

export interface ReadAllOptions {
  readonly direction?: Direction;
  /** Inclusive position; absent is the first (forwards) or the last (backwards) event. */
  readonly from?: bigint;
  readonly limit?: number;
  readonly filter?: LedgerFilter;
}

export interface SubscribeOptions {
  /** Exclusive; absent is from the first event; `"end"` only what comes after now. */
  readonly after?: bigint | "end";
  readonly filter?: LedgerFilter;
  readonly signal: AbortSignal;
}

export type SubscriptionMessage =
  | { readonly kind: "event"; readonly event: RecordedEvent }
  /** Everything that was there is delivered; from here on events are live. May come again after a reconnect. */
  | { readonly kind: "caughtUp" }
  /** Everything up to here was looked at; safe to store as the place to resume after. */
  | { readonly kind: "checkpoint"; readonly position: bigint };

export interface Ledger {
  /**
   * Appends all or nothing. `events` holds at least one.
   * Fails with `stream.conflict`, `ledger.too_large`, or `ledger.unavailable` (nothing is acknowledged; it may be retried).
   */
  append(stream: string, events: readonly NewEvent[], expected: ExpectedRevision): Promise<Appended>;
  /** An unknown stream yields nothing. */
  readStream(stream: string, options?: ReadStreamOptions): AsyncIterable<RecordedEvent>;
  readAll(options?: ReadAllOptions): AsyncIterable<RecordedEvent>;
  /** Ends without error when `signal` aborts. A slow consumer holds no memory beyond one page. */
  subscribeToAll(options: SubscribeOptions): AsyncIterable<SubscriptionMessage>;
  /** Stops accepting, makes durable what was accepted, lets go of the file or connection. */
  close(): Promise<void>;
}

/** What is left of an event that retention removed: its place, and the hash that proves it (proto/src/audit/leaf.ts). */
export interface Tombstone {
  readonly stream: string;
  readonly revision: bigint;
  readonly position: bigint;
  readonly leaf: Uint8Array;
}

export type LogEntry = { readonly kind: "event"; readonly event: RecordedEvent } | { readonly kind: "removed"; readonly tombstone: Tombstone };

/**
 * A ledger that events can be removed from. Reads and subscriptions pass over what is gone, as over any gap between positions; a
 * stream keeps its head, so that appending to it with `"none"` conflicts.
 */
export interface RemovableLedger extends Ledger {
  /**
   * Takes the contents of these events away for good, all or nothing, and leaves a tombstone for each. What is gone already is passed
   * over. Fails with `ledger.corrupt`, and removes nothing, when an event is not the one that its leaf is of.
   */
  remove(tombstones: readonly Tombstone[]): Promise<void>;
  /** Clears the store's own copies of what was removed, as far as no reader stands in the way. */
  purge(): Promise<void>;
  /** The log with its tombstones, in the order of positions; `from` is inclusive. */
  readLog(from?: bigint): AsyncIterable<LogEntry>;
  /** Of one stream, in the order of revisions. */
  tombstones(stream: string): AsyncIterable<Tombstone>;
}

/** One removal holds the writer for a few milliseconds: no more events than this, */
export const MAX_REMOVED_EVENTS = 128;
/** nor more bytes of them, except for one that is larger by itself. */
export const MAX_REMOVED_BYTES = 1 << 20;

/** The log alone: all that is needed to make something of it. */
export type ReadableLedger = Pick<Ledger, "readAll" | "subscribeToAll" | "close"> & Partial<Pick<RemovableLedger, "readLog">>;

export const isRemovable = (ledger: Ledger): ledger is RemovableLedger => "remove" in ledger;

/** The log with the tombstones of ledgers that keep some. */
export async function* readLog(ledger: ReadableLedger, from?: bigint): AsyncGenerator<LogEntry, void, undefined> {
  if (ledger.readLog !== undefined) {
    yield* ledger.readLog(from);
    return;
  }
  for await (const event of ledger.readAll(from === undefined ? {} : { from })) yield { kind: "event", event };
}

/** An append is at most this many bytes of JSON, all its events and metadata together (EventStoreDB's default). */
export const MAX_APPEND_BYTES = 1_048_576;
