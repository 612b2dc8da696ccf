import { SallyportError } from "@sallyport/proto/errors";
import type { Logger } from "pino";
import { type Foreign, whyForeign } from "../domain/foreign.ts";
import { isRemovable, type ExpectedRevision, type Ledger, type ReadableLedger, type RecordedEvent } from "../ledger/ledger.ts";

/** Told of what is set aside, each time that it is met. */
export type SetAside = (event: RecordedEvent, foreign: Foreign) => void;

/**
 * The log without what third parties wrote into it (domain/foreign.ts): the one place where that is decided, for everything that
 * reads events in order to know something.
 *
 * O1. What is set aside is passed over like any gap between positions; a subscription says with a checkpoint that it has.
 * O2. A limit counts what is handed out.
 */
export function ownLog(ledger: ReadableLedger, setAside: SetAside): ReadableLedger {
  const isOurs = filter(setAside);
  return {
    readAll: (options = {}) =>
      limited(
        options,
        (rest) => ledger.readAll({ ...options, ...rest }),
        ({ position }) => position,
        isOurs,
      ),
    async *subscribeToAll(options) {
      for await (const message of ledger.subscribeToAll(options)) {
        if (message.kind !== "event" || isOurs(message.event)) yield message;
        else yield { kind: "checkpoint", position: message.event.position };
      }
    },
    ...(ledger.readLog === undefined ? {} : { readLog: (from) => ledger.readLog?.(from) ?? nothing() }),
    close: () => ledger.close(),
  };
}

/**
 * The same of a ledger that is written to.
 *
 * O3. What others wrote into a stream is no change of it: an append that expects the last event of ours is made behind theirs. Event ids
 *     and places stay the same when it is tried again.
 */
export function ownRecord(ledger: Ledger, setAside: SetAside): Ledger {
  const isOurs = filter(setAside);
  return {
    ...(isRemovable(ledger) ? { remove: ledger.remove.bind(ledger), purge: ledger.purge.bind(ledger), tombstones: ledger.tombstones.bind(ledger) } : {}),
    ...ownLog(ledger, setAside),
    readStream: (stream, options = {}) =>
      limited(
        options,
        (rest) => ledger.readStream(stream, { ...options, ...rest }),
        ({ revision }) => revision,
        isOurs,
      ),
    async append(stream, events, expected) {
      let behind = expected;
      for (let attempt = 1; ; attempt++) {
        try {
          return await ledger.append(stream, events, behind);
        } catch (error) {
          if (!(error instanceof SallyportError) || error.code !== "stream.conflict" || attempt === MAX_ATTEMPTS) throw error;
          const last = await lastForeign(ledger, stream, behind, isOurs);
          if (last === behind) throw error;
          behind = last;
        }
      }
    },
  };
}

/** Somebody who writes into our stream faster than this keeps whoever waits for it from it; the caller's own bound is next. */
const MAX_ATTEMPTS = 10;

/** The end of what others wrote directly behind a revision; the revision itself when that is nothing. */
async function lastForeign(ledger: Ledger, stream: string, after: ExpectedRevision, isOurs: (event: RecordedEvent) => boolean): Promise<ExpectedRevision> {
  let last = after;
  for await (const event of ledger.readStream(stream, { from: after === "none" ? 0n : after + 1n })) {
    if (isOurs(event)) break;
    last = event.revision;
  }
  return last;
}

interface Paged {
  readonly from?: bigint;
  readonly limit?: number;
}

/** Reads on behind the last event until as many of ours were handed out as were asked for. */
async function* limited(
  { from, limit }: Paged,
  read: (rest: Paged) => AsyncIterable<RecordedEvent>,
  placeOf: (event: RecordedEvent) => bigint,
  isOurs: (event: RecordedEvent) => boolean,
): AsyncGenerator<RecordedEvent> {
  let left = limit ?? Infinity;
  let start = from;
  let seen: bigint | undefined;
  while (left > 0) {
    // The place of the last one seen is read again, because a start is inclusive and positions are not computed with.
    const asked = left + (seen === undefined ? 0 : 1);
    let met = 0;
    for await (const event of read({ ...(start === undefined ? {} : { from: start }), ...(asked === Infinity ? {} : { limit: asked }) })) {
      met += 1;
      if (placeOf(event) === seen) continue;
      seen = placeOf(event);
      if (!isOurs(event)) continue;
      left -= 1;
      yield event;
    }
    if (met < asked) return;
    start = seen;
  }
}

const filter =
  (setAside: SetAside) =>
  (event: RecordedEvent): boolean => {
    const foreign = whyForeign(event);
    if (foreign !== undefined && foreign.code !== "foreign.stream") setAside(event, foreign);
    return foreign === undefined;
  };

async function* nothing(): AsyncGenerator<never> {}

/** Each is named once: many readers meet the same ones, again and again. A name is some 200 bytes of log; the rest is counted. */
export const MAX_NAMED_FOREIGN_EVENTS = 1_000;
/** Somebody else chose it. */
const MAX_TYPE_CHARACTERS = 100;

/** Says in the log what is set aside, and where. */
export function logSetAside(log: Logger): SetAside {
  const named = new Set<bigint>();
  return ({ stream, revision, position, type }, { code, why }) => {
    if (named.has(position) || named.size > MAX_NAMED_FOREIGN_EVENTS) return;
    named.add(position);
    if (named.size > MAX_NAMED_FOREIGN_EVENTS) {
      log.warn({ named: MAX_NAMED_FOREIGN_EVENTS }, "more events of others are in the record than are named here");
      return;
    }
    const place = { stream: stream.slice(0, MAX_TYPE_CHARACTERS), revision: String(revision), position: String(position) };
    log.warn({ code, ...place, type: type.slice(0, MAX_TYPE_CHARACTERS), why }, "an event that is not ours is set aside");
  };
}
