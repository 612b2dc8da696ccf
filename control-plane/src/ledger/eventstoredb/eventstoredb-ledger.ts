import { SallyportError } from "@sallyport/proto/errors";
import type {
  Appended,
  ExpectedRevision,
  Ledger,
  NewEvent,
  ReadAllOptions,
  ReadStreamOptions,
  RecordedEvent,
  SubscribeOptions,
  SubscriptionMessage,
} from "../ledger.ts";
import { encodeAppend } from "../sqlite/encode-append.ts";
import { requireFilter, toPosition } from "../sqlite/read-options.ts";
import { batchSender } from "./append-batch.ts";
import { ClientConnection } from "./client-connection.ts";
import { reasonOf, untrusted } from "./client-failure.ts";
import { parseConnectionString } from "./connection-string.ts";
import { Reading } from "./reading.ts";
import { StreamQueues } from "./stream-queues.ts";
import { subscribe } from "./subscription.ts";

/** Longer than an election of a cluster's leader usually takes; shorter than a person or a driver waits before giving up. */
export const APPEND_DEADLINE_MS = 5_000;

/** How long opening waits for a ledger that is just starting, as in a set-up where everything starts at once. */
export const OPEN_DEADLINE_MS = 30_000;

export interface EventStoreDbOptions {
  /** Within which an append is answered, and a read goes on. */
  readonly deadlineMs?: number;
  readonly openDeadlineMs?: number;
  /** Told while it is being opened: the attempts 1, 2, 4, 8 and so on that came to nothing, and why. */
  readonly attemptFailed?: (attempt: number, reason: string) => void;
}

/**
 * Connects to EventStoreDB, or to whatever speaks its protocol, and waits until it answers; not where a certificate is not trusted, which
 * waiting does not change. Fails with `config.invalid` or with `ledger.unavailable`; neither holds a secret of the connection string.
 */
export async function openEventStoreDbLedger(connectionString: string, options: EventStoreDbOptions = {}): Promise<Ledger> {
  const { deadlineMs = APPEND_DEADLINE_MS, openDeadlineMs = OPEN_DEADLINE_MS, attemptFailed } = options;
  const settings = parseConnectionString(connectionString);
  const connection = new ClientConnection(settings);
  let attempts = 0;
  const failed = (cause: unknown): void => {
    const error = untrusted(cause, settings.caFile);
    if (error !== undefined) throw error;
    if (Number.isInteger(Math.log2(++attempts))) attemptFailed?.(attempts, reasonOf(cause));
  };
  try {
    await new Reading(connection, openDeadlineMs, failed).head();
    return new EventStoreDbLedger(connection, deadlineMs);
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/**
 * The ledger in an EventStoreDB server or cluster, or behind the endpoint of an embedded one.
 * Phases: open → closing (appends refused, accepted ones are answered) → closed (reads and subscriptions fail too).
 */
class EventStoreDbLedger implements Ledger {
  readonly #connection: ClientConnection;
  readonly #deadlineMs: number;
  readonly #reading: Reading;
  readonly #queues: StreamQueues;
  /** Starts of subscriptions that are still being looked up: an append that follows such a call must come after its start. */
  readonly #starting = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  constructor(connection: ClientConnection, deadlineMs: number) {
    this.#connection = connection;
    this.#deadlineMs = deadlineMs;
    this.#reading = new Reading(connection, deadlineMs);
    this.#queues = new StreamQueues(batchSender(connection, deadlineMs, (stream, from, count) => this.#positions(stream, from, count)));
  }

  async append(stream: string, events: readonly NewEvent[], expected: ExpectedRevision): Promise<Appended> {
    const { bytes } = encodeAppend(stream, events, expected);
    if (this.#closing !== undefined) throw new SallyportError("ledger.unavailable", "The ledger is closed.");
    if (this.#starting.size > 0) await Promise.allSettled(this.#starting);
    return this.#queues.append({ stream, events, expected, bytes, deadline: performance.now() + this.#deadlineMs });
  }

  readStream(stream: string, options: ReadStreamOptions = {}): AsyncIterable<RecordedEvent> {
    return this.#reading.stream(stream, options);
  }

  readAll(options: ReadAllOptions = {}): AsyncIterable<RecordedEvent> {
    return this.#reading.all(options);
  }

  /** The start is taken now, not at the first message. A consumer that is still there when the ledger closes gets `ledger.unavailable`. */
  subscribeToAll({ after, filter, signal }: SubscribeOptions): AsyncIterable<SubscriptionMessage> {
    requireFilter(filter);
    return subscribe(this.#connection, { after: this.#start(after, signal), filter, signal });
  }

  close(): Promise<void> {
    this.#closing ??= this.#queues.drain().then(() => this.#connection.close());
    return this.#closing;
  }

  #start(after: SubscribeOptions["after"], signal: AbortSignal): Promise<bigint | undefined> {
    if (after !== "end") return Promise.resolve(after === undefined ? undefined : BigInt(toPosition(after)));
    if (signal.aborted) return Promise.resolve(undefined);
    const start = this.#reading.head();
    this.#starting.add(start);
    const known = (): void => void this.#starting.delete(start);
    start.then(known, known); // whoever iterates hears of a failure
    return start;
  }

  async #positions(stream: string, from: bigint, count: number): Promise<ReadonlyMap<bigint, bigint>> {
    const positions = new Map<bigint, bigint>();
    for await (const { revision, position } of this.#reading.stream(stream, { from, limit: count })) positions.set(revision, position);
    return positions;
  }
}
