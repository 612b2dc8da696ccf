import { SallyportError } from "@sallyport/proto/errors";
import {
  ConsumerStrategy,
  type GroupOptions,
  type GroupOptions_FilterOptions,
  type Settings,
} from "@sallyport/proto/gen/event_store/client/persistent_subscriptions";
import type { Empty, StreamIdentifier } from "@sallyport/proto/gen/event_store/client/shared";
import { streamName, TICKS_PER_MILLISECOND } from "../wire-values.ts";
import { ALL, type GroupConfig, type GroupSettings } from "./group-config.ts";
import type { GroupRequest } from "./groups.ts";

/** Clients that put the revision among the settings mean the end by the largest. */
const END_REVISION = 2n ** 64n - 1n;

/** What a client means that does not say: its own default. */
const UNSAID_TIMEOUT_MS = 30_000;

/** The same for the time between two checkpoints. */
const UNSAID_CHECKPOINT_MS = 2_000;

const STRATEGIES = { [ConsumerStrategy.DispatchToSingle]: "DispatchToSingle", [ConsumerStrategy.RoundRobin]: "RoundRobin" } as const;

/** A request to create or update a group, in our words; its values are checked where they are stored. */
export function groupRequest(options: GroupOptions | undefined): GroupRequest {
  if (options?.settings === undefined) throw invalid("A persistent subscription has settings.");
  const { groupName: group, streamOption } = options;
  const settings = settingsOf(options.settings);
  if (streamOption?.$case === "all") {
    const { allOption, filterOption } = streamOption.value;
    const startFrom = allOption?.$case === "position" ? String(allOption.value.commitPosition) : (allOption?.$case ?? "end");
    return { source: ALL, group, startFrom, settings, ...(filterOption?.$case === "filter" && { filter: filterOf(filterOption.value) }) };
  }
  const { streamIdentifier, revisionOption } = streamOption?.value ?? { streamIdentifier: options.streamIdentifier, revisionOption: undefined };
  const { revision } = options.settings;
  const startFrom =
    revisionOption === undefined ? startAt(revision) : revisionOption.$case === "revision" ? startAt(revisionOption.value) : revisionOption.$case;
  return { source: streamName(streamIdentifier), group, startFrom, settings };
}

export function sourceOf(
  option: { readonly $case: "streamIdentifier"; readonly value: StreamIdentifier } | { readonly $case: "all"; readonly value: Empty } | undefined,
): string {
  if (option === undefined) throw invalid("A persistent subscription is to a stream or to all.");
  return option.$case === "all" ? ALL : streamName(option.value);
}

function startAt(revision: bigint): GroupConfig["startFrom"] {
  if (revision === END_REVISION) return "end";
  return revision === 0n ? "start" : String(revision);
}

function filterOf({ filter }: GroupOptions_FilterOptions): NonNullable<GroupConfig["filter"]> {
  if (filter === undefined) throw invalid("A filter is by stream or by event type.");
  return { by: filter.$case === "streamIdentifier" ? "stream" : "type", prefixes: [...filter.value.prefix], regex: filter.value.regex };
}

function settingsOf(settings: Settings): GroupSettings {
  const { messageTimeout: timeout, checkpointAfter: after } = settings;
  return {
    resolveLinks: settings.resolveLinks,
    extraStatistics: settings.extraStatistics,
    messageTimeoutMs: timeout === undefined ? UNSAID_TIMEOUT_MS : timeout.$case === "messageTimeoutMs" ? timeout.value : millisOf(timeout.value),
    maxRetryCount: settings.maxRetryCount,
    checkpointAfterMs: after === undefined ? UNSAID_CHECKPOINT_MS : after.$case === "checkpointAfterMs" ? after.value : millisOf(after.value),
    minCheckpointCount: settings.minCheckpointCount,
    maxCheckpointCount: settings.maxCheckpointCount,
    maxSubscriberCount: settings.maxSubscriberCount,
    liveBufferSize: settings.liveBufferSize,
    readBatchSize: settings.readBatchSize,
    historyBufferSize: settings.historyBufferSize,
    strategy: strategyOf(settings),
  };
}

function strategyOf({ consumerStrategy: name, namedConsumerStrategy: number }: Settings): GroupSettings["strategy"] {
  const strategy = Object.entries(STRATEGIES).find(([key, known]) => (name === "" ? Number(key) === number : known === name))?.[1];
  if (strategy === undefined) throw invalid("Strategies of consumers are RoundRobin and DispatchToSingle; no other one is served.");
  return strategy;
}

const millisOf = (ticks: bigint): number => Number(ticks / TICKS_PER_MILLISECOND);

function invalid(message: string): SallyportError {
  return new SallyportError("input.invalid", message);
}
