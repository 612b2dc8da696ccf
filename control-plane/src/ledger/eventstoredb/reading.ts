import { setTimeout as delay } from "node:timers/promises";
import type { AllStreamResolvedEvent, EventStoreDBClient, ResolvedEvent } from "@eventstore/db-client";
import type { Direction, LedgerFilter, ReadAllOptions, ReadStreamOptions, RecordedEvent } from "../ledger.ts";
import { requireFilter, requireLimit, toPosition } from "../sqlite/read-options.ts";
import type { ClientConnection } from "./client-connection.ts";
import { classify, unavailable } from "./client-failure.ts";
import { itemsOf } from "./client-stream.ts";
import { fromClientEvent } from "./event-conversion.ts";
import { subscribe } from "./subscription.ts";
import { FIRST_PAUSE_MS, LONGEST_PAUSE_MS } from "./retrying.ts";

/**
 * Reads that survive a lost connection: they go on behind the last event that they gave, so nothing is missing and nothing comes twice.
 * Without progress for `patienceMs` they fail with `ledger.unavailable`: a part is never passed off as the whole.
 */
export class Reading {
  readonly #connection: ClientConnection;
  readonly #patienceMs: number;
  readonly #failed: (cause: unknown) => void;

  /** `failed` hears of each attempt that came to nothing; what it throws is final. */
  constructor(connection: ClientConnection, patienceMs: number, failed: (cause: unknown) => void = () => undefined) {
    this.#connection = connection;
    this.#patienceMs = patienceMs;
    this.#failed = failed;
  }

  async *stream(stream: string, { direction = "forwards", from, limit }: ReadStreamOptions): AsyncGenerator<RecordedEvent, void, undefined> {
    let left = requireLimit(limit);
    let next = from === undefined ? undefined : BigInt(toPosition(from));
    const read = (client: EventStoreDBClient) =>
      client.readStream(stream, { direction, fromRevision: next ?? edge(direction), ...(left === Infinity ? {} : { maxCount: left }) });
    if (left === 0) return;
    for await (const { event, commitPosition } of this.#persisting<ResolvedEvent>(read)) {
      if (event === undefined) continue;
      yield fromClientEvent(event, event.position?.commit ?? commitPosition ?? 0n);
      if (--left === 0) return;
      next = direction === "forwards" ? event.revision + 1n : event.revision - 1n;
      if (next < 0n) return;
    }
  }

  async *all({ direction = "forwards", from, limit, filter }: ReadAllOptions): AsyncGenerator<RecordedEvent, void, undefined> {
    let left = requireLimit(limit);
    requireFilter(filter);
    const start = from === undefined ? undefined : BigInt(toPosition(from));
    if (left === 0) return;
    const found = filter === undefined || direction === "backwards" ? this.#sifted(direction, start, passing(filter)) : this.#filtered(start, filter);
    for await (const event of found) {
      yield event;
      if (--left === 0) return;
    }
  }

  /** Everything comes over the network and most may be thrown away: the client's reads have no filters. */
  async *#sifted(direction: Direction, from: bigint | undefined, passes: (event: RecordedEvent) => boolean): AsyncGenerator<RecordedEvent, void, undefined> {
    for await (const event of this.#log(direction, from)) if (passes(event)) yield event;
  }

  /** By a subscription, which the server filters, up to what was the end when the read began. A subscription starts behind its position. */
  async *#filtered(from: bigint | undefined, filter: LedgerFilter): AsyncGenerator<RecordedEvent, void, undefined> {
    const end = await this.head();
    if (end === undefined) return;
    let after: bigint | undefined;
    if (from !== undefined) {
      for await (const event of this.#log("forwards", from, 1)) {
        if (passing(filter)(event)) yield event;
        after = event.position;
      }
      if (after === undefined) return;
    }
    if (after !== undefined && after >= end) return;
    const stop = new AbortController();
    const messages = subscribe(this.#connection, { after: Promise.resolve(after), filter, signal: stop.signal });
    for await (const message of untilStalled(messages, stop, this.#patienceMs)) {
      if (message.kind === "caughtUp" || (message.kind === "checkpoint" && message.position >= end)) return;
      if (message.kind !== "event") continue;
      if (message.event.position > end) return;
      yield message.event;
      if (message.event.position === end) return;
    }
    throw unavailable(this.#patienceMs, undefined);
  }

  /** Position of the last event of all, the server's own included; nothing when there is none. */
  async head(): Promise<bigint | undefined> {
    let head: bigint | undefined;
    for await (const { position } of this.#log("backwards", undefined, 1)) head ??= position;
    return head;
  }

  async *#log(direction: Direction, from: bigint | undefined, maxCount?: number): AsyncGenerator<RecordedEvent, void, undefined> {
    let last: bigint | undefined;
    if (direction === "backwards" && from !== undefined) {
      // Of a server a backwards read begins before the position, of the endpoint at it.
      for await (const event of this.#log("forwards", from, 1)) if (event.position === from) yield event;
      last = from;
    }
    const read = (client: EventStoreDBClient) => {
      const at = last ?? from;
      const fromPosition = at === undefined ? edge(direction) : { commit: at, prepare: at };
      return client.readAll({ direction, fromPosition, ...(maxCount === undefined ? {} : { maxCount }) });
    };
    for await (const { event, commitPosition } of this.#persisting<AllStreamResolvedEvent>(read)) {
      if (event === undefined) continue;
      const position = event.position.commit;
      if (position === last) continue; // a read starts with the event that it goes on behind
      last = position;
      yield fromClientEvent(event, commitPosition ?? position);
    }
  }

  async *#persisting<Item>(read: (client: EventStoreDBClient) => Parameters<typeof itemsOf<Item>>[0]): AsyncGenerator<Item, void, undefined> {
    let progress = performance.now();
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      const connected = await this.#connection.connected();
      let cause: unknown;
      try {
        for await (const item of itemsOf<Item>(read(connected.client), connected.lost, this.#patienceMs / 2)) {
          yield item;
          progress = performance.now();
          pause = FIRST_PAUSE_MS;
        }
        return;
      } catch (error) {
        const failure = classify(error);
        if (failure.kind === "streamNotFound") return;
        if (failure.kind === "refused") throw failure.error;
        cause = error;
        this.#failed(error);
      }
      const waited = performance.now() - progress;
      if (waited >= this.#patienceMs) throw unavailable(this.#patienceMs, cause);
      if (waited >= this.#patienceMs / 2) await this.#connection.renew(connected);
      await delay(pause);
    }
  }
}

const edge = (direction: Direction): "start" | "end" => (direction === "forwards" ? "start" : "end");

/** Ends, by its signal, when there was nothing for `ms` although it was waited for. */
async function* untilStalled<Item>(items: AsyncIterable<Item>, stop: AbortController, ms: number): AsyncGenerator<Item, void, undefined> {
  let waiting = true;
  const stalled = setInterval(() => {
    if (waiting) stop.abort();
  }, ms);
  try {
    for await (const item of items) {
      waiting = false;
      yield item;
      waiting = true;
      stalled.refresh();
    }
  } finally {
    clearInterval(stalled);
    stop.abort();
  }
}

/** Without a filter: what anybody wrote, but not what the server keeps for itself. */
function passing(filter: LedgerFilter | undefined): (event: RecordedEvent) => boolean {
  if (filter === undefined) return ({ stream }) => !stream.startsWith("$");
  const { prefixes } = filter;
  return filter.by === "stream"
    ? ({ stream }) => prefixes.some((prefix) => stream.startsWith(prefix))
    : ({ type }) => prefixes.some((prefix) => type.startsWith(prefix));
}
