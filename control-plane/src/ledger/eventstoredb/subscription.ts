import { setTimeout as delay } from "node:timers/promises";
import { SallyportError } from "@sallyport/proto/errors";
import type { AllStreamResolvedEvent, EventStoreDBClient } from "@eventstore/db-client";
import type { LedgerFilter, SubscriptionMessage } from "../ledger.ts";
import type { ClientConnection } from "./client-connection.ts";
import { classify } from "./client-failure.ts";
import { itemsOf } from "./client-stream.ts";
import { fromClientEvent } from "./event-conversion.ts";
import { FIRST_PAUSE_MS, LONGEST_PAUSE_MS } from "./retrying.ts";

/** With the server's window of 32: a checkpoint after about 1,000 events without a match, as the embedded ledger gives. */
const CHECKPOINT_WINDOWS = 32;

export interface Subscription {
  /** Exclusive; nothing is before the first event. Resolved when the subscription begins. */
  readonly after: Promise<bigint | undefined>;
  readonly filter: LedgerFilter | undefined;
  readonly signal: AbortSignal;
}

/**
 * S1. `last` is the position of the last event or checkpoint that the consumer was given: a lost connection is taken up behind it, so that
 *     nothing is missing and nothing comes twice.
 * S2. It outlives every outage, and ends by its signal, by the ledger's end, or when the server refuses it for good.
 * S3. Checkpoints and the change of phase are told in their place among the events, not when the client happens to hear of them.
 */
export async function* subscribe(connection: ClientConnection, { after, filter, signal }: Subscription): AsyncGenerator<SubscriptionMessage, void, undefined> {
  if (signal.aborted) return;
  let last = await after;
  const aborted = (): boolean => signal.aborted; // it changes while a message is with the consumer
  for (let pause = FIRST_PAUSE_MS; !aborted(); pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    const { client, lost } = await connection.connected();
    try {
      for await (const message of messages(client, last, filter, AbortSignal.any([lost, signal]))) {
        if (aborted()) return;
        yield message;
        pause = FIRST_PAUSE_MS;
        if (message.kind === "event") last = message.event.position;
        if (message.kind === "checkpoint") last = message.position;
        if (aborted()) return;
      }
    } catch (error) {
      const failure = classify(error);
      if (failure.kind === "refused") throw failure.error;
    }
    if (aborted()) return;
    if (connection.closed) throw new SallyportError("ledger.unavailable", "The ledger is closed.");
    await delay(pause, undefined, { signal }).catch(() => undefined);
  }
}

/** What the client is told besides events, put among them. */
type Mark = Exclude<SubscriptionMessage, { readonly kind: "event" }>;

async function* messages(
  client: EventStoreDBClient,
  last: bigint | undefined,
  filter: LedgerFilter | undefined,
  lost: AbortSignal,
): AsyncGenerator<SubscriptionMessage, void, undefined> {
  const fromPosition = last === undefined ? "start" : { commit: last, prepare: last };
  const mark = (message: Mark): boolean => subscription.push(message);
  const subscription = client.subscribeToAll({
    fromPosition,
    filter: {
      ...namesOf(filter),
      checkpointInterval: CHECKPOINT_WINDOWS,
      checkpointReached: (_, { commit }) => void mark({ kind: "checkpoint", position: commit }),
    },
  });
  subscription.on("caughtUp", () => mark({ kind: "caughtUp" }));
  for await (const item of itemsOf<AllStreamResolvedEvent | Mark>(subscription, lost, undefined)) {
    if ("kind" in item) yield item;
    else if (item.event !== undefined) yield { kind: "event", event: fromClientEvent(item.event, item.event.position.commit) };
  }
}

/** Without a filter: what anybody wrote, but not what the server keeps for itself. */
function namesOf(
  filter: LedgerFilter | undefined,
): { readonly filterOn: "streamName" | "eventType" } & ({ readonly prefixes: string[] } | { readonly regex: string }) {
  if (filter === undefined) return { filterOn: "streamName", regex: "^[^$]" };
  return { filterOn: filter.by === "stream" ? "streamName" : "eventType", prefixes: [...filter.prefixes] };
}
