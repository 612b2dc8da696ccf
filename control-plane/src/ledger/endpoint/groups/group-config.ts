import { SallyportError } from "@sallyport/proto/errors";
import { z } from "zod";
import { type NameFilter, nameFilter } from "../name-filter.ts";

/** The source of a group that is fed from the whole log; no stream can be called so. */
export const ALL = "$all";

/** Names go into those of streams. */
const MAX_NAME_LENGTH = 1_000;

/** Events that one consumer may have and not answer: more than anybody works on at once. */
export const MAX_CONSUMER_BUFFER = 1_000;

/** Of one group, also when it says that it has no bound. */
export const MAX_CONSUMERS = 100;

const count = z.number().int().min(0).max(0x7f_ff_ff_ff);
const place = z.string().regex(/^\d+$/);

const settings = z.object({
  resolveLinks: z.boolean(),
  extraStatistics: z.boolean(),
  /** 0 is never. */
  messageTimeoutMs: count,
  maxRetryCount: count,
  checkpointAfterMs: count,
  minCheckpointCount: count,
  maxCheckpointCount: count,
  /** 0 is as many as a group may have. */
  maxSubscriberCount: count,
  liveBufferSize: count,
  readBatchSize: count,
  historyBufferSize: count,
  strategy: z.enum(["RoundRobin", "DispatchToSingle"]),
});

const config = z.object({
  source: z.string().min(1).max(MAX_NAME_LENGTH),
  group: z.string().min(1).max(MAX_NAME_LENGTH),
  filter: z.object({ by: z.enum(["stream", "type"]), prefixes: z.array(z.string()), regex: z.string() }).optional(),
  /** As it was asked for. */
  startFrom: z.union([z.enum(["start", "end"]), place]),
  /** The place that this meant when it was asked for: an end that moved with each start of the server would lose events. */
  after: place.optional(),
  settings,
});

export type GroupSettings = Readonly<z.infer<typeof settings>>;

/** What a group is, as it is stored. A place is a revision of the stream, or a position of the log. */
export type GroupConfig = Readonly<z.infer<typeof config>>;

export const storedGroups = z.object({ groups: z.array(config) });

/** Of both names, as in those of the streams that hold a group's state: two groups of the same key would share it. */
export const groupKey = (source: string, group: string): string => `${source}::${group}`;

export function checkConfig(unchecked: GroupConfig): GroupConfig {
  const checked = config.safeParse(unchecked);
  if (!checked.success) throw new SallyportError("input.invalid", `The persistent subscription is malformed: ${z.prettifyError(checked.error)}`);
  filterOf(unchecked);
  return checked.data;
}

export const filterOf = ({ filter }: GroupConfig): NameFilter | undefined => filter && nameFilter(filter.by, filter.prefixes, filter.regex);
