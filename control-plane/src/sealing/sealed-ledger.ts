import {
  isRemovable,
  type Ledger,
  type LedgerFilter,
  type ReadableLedger,
  type RecordedEvent,
  type RemovableLedger,
  type SubscriptionMessage,
} from "../ledger/ledger.ts";
import type { EventSealer } from "./event-sealer.ts";

/** Streams whose stored names differ from what they are called. */
const IDENTITY = "identity-";

/** The same log with personal data readable, as long as its keys are there. */
export function openedLog(ledger: ReadableLedger, sealer: EventSealer): ReadableLedger {
  return {
    async *readAll(options = {}) {
      const { limit = Number.POSITIVE_INFINITY, filter, ...rest } = options;
      const { stored, matches } = storedFilter(filter);
      // What the filter lets through too much is dropped here, so the limit is counted here.
      const counted = matches === undefined && limit !== Number.POSITIVE_INFINITY ? { limit } : {};
      let left = limit;
      for await (const event of ledger.readAll({ ...rest, ...counted, ...stored })) {
        const opened = sealer.open(event);
        if (matches?.(opened) === false) continue;
        if (left-- <= 0) return;
        yield opened;
      }
    },
    async *subscribeToAll({ filter, ...rest }) {
      const { stored, matches } = storedFilter(filter);
      for await (const message of ledger.subscribeToAll({ ...rest, ...stored })) {
        const opened: SubscriptionMessage = message.kind === "event" ? { kind: "event", event: sealer.open(message.event) } : message;
        if (opened.kind !== "event" || matches?.(opened.event) !== false) yield opened;
      }
    },
    close: () => ledger.close(),
  };
}

/** The ledger as the product works with it: personal data is sealed on its way in and opened on its way out. */
export function sealedLedger(ledger: Ledger, sealer: EventSealer): Ledger {
  return {
    ...openedLog(ledger, sealer),
    ...(isRemovable(ledger) ? removal(ledger, sealer) : {}),
    append(stream, events, expected) {
      const stored = sealer.sealStream(stream, expected === "none");
      return ledger.append(
        stored,
        events.map((event) => sealer.seal(stored, event)),
        expected,
      );
    },
    async *readStream(stream, options) {
      for await (const event of ledger.readStream(sealer.storedStream(stream), options)) yield sealer.open(event);
    },
  };
}

/** A tombstone names no identity: those streams are kept. */
const removal = (ledger: RemovableLedger, sealer: EventSealer): Omit<RemovableLedger, keyof Ledger> => ({
  remove: (tombstones) => ledger.remove(tombstones),
  purge: () => ledger.purge(),
  tombstones: (stream) => ledger.tombstones(sealer.storedStream(stream)),
  async *readLog(from) {
    for await (const entry of ledger.readLog(from)) yield entry.kind === "event" ? { kind: "event", event: sealer.open(entry.event) } : entry;
  },
});

/** A prefix that names a person matches no stored name: every identity is read then, and the opened names are compared. */
function storedFilter(filter: LedgerFilter | undefined): {
  readonly stored: { readonly filter?: LedgerFilter };
  readonly matches: ((event: RecordedEvent) => boolean) | undefined;
} {
  if (filter === undefined) return { stored: {}, matches: undefined };
  if (filter.by !== "stream" || !filter.prefixes.some(namesIdentity)) return { stored: { filter }, matches: undefined };
  const prefixes = [...new Set(filter.prefixes.map((prefix) => (namesIdentity(prefix) ? IDENTITY : prefix)))];
  return { stored: { filter: { by: "stream", prefixes } }, matches: ({ stream }) => filter.prefixes.some((prefix) => stream.startsWith(prefix)) };
}

const namesIdentity = (prefix: string): boolean => prefix.startsWith(IDENTITY) && prefix !== IDENTITY;
