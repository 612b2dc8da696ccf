import type { SubscriptionInfo } from "@sallyport/proto/gen/event_store/client/persistent_subscriptions";
import type { Ledger } from "../../ledger.ts";
import { ALL } from "./group-config.ts";
import type { Group } from "./group.ts";
import { lastPlace } from "./group-source.ts";

/** A group as its operator sees it. Nothing is buffered here, so buffers are empty; no further statistics are kept. */
export async function groupInfo(ledger: Ledger, group: Group): Promise<SubscriptionInfo> {
  const state = await group.state();
  const { source, group: groupName, startFrom, settings } = group.config;
  const place = (value: bigint | string): string => (source === ALL ? `C:${value}/P:${value}` : String(value));
  const known = await lastPlace(ledger, source);
  return {
    eventSource: source,
    groupName,
    status: "Live",
    connections: state.consumers.map(({ link, sent, inFlight }) => ({
      from: link.from,
      username: link.user,
      averageItemsPerSecond: Math.round(sent / state.seconds),
      totalItems: BigInt(sent),
      countSinceLastMeasurement: 0n,
      observedMeasurements: [],
      availableSlots: link.slots - inFlight.size,
      inFlightMessages: inFlight.size,
      connectionName: link.connection,
    })),
    averagePerSecond: Math.round(state.sent / state.seconds),
    totalItems: BigInt(state.sent),
    countSinceLastMeasurement: 0n,
    lastCheckpointedEventPosition: state.checkpoint === undefined ? "" : place(state.checkpoint),
    lastKnownEventPosition: known === undefined ? "" : place(known),
    resolveLinkTos: settings.resolveLinks,
    startFrom: place(startFrom === "start" ? "0" : startFrom === "end" ? "-1" : startFrom),
    messageTimeoutMilliseconds: settings.messageTimeoutMs,
    extraStatistics: settings.extraStatistics,
    maxRetryCount: settings.maxRetryCount,
    liveBufferSize: settings.liveBufferSize,
    bufferSize: settings.historyBufferSize,
    readBatchSize: settings.readBatchSize,
    checkPointAfterMilliseconds: settings.checkpointAfterMs,
    minCheckPointCount: settings.minCheckpointCount,
    maxCheckPointCount: settings.maxCheckpointCount,
    readBufferCount: 0,
    liveBufferCount: 0n,
    retryBufferCount: state.retrying,
    totalInFlightMessages: state.consumers.reduce((sum, { inFlight }) => sum + inFlight.size, 0),
    outstandingMessagesCount: state.unfinished,
    namedConsumerStrategy: settings.strategy,
    maxSubscriberCount: settings.maxSubscriberCount,
    parkedMessageCount: state.parked,
  };
}
