import { SallyportError } from "@sallyport/proto/errors";
import {
  ReadReq_Options_ReadDirection as ReadDirection,
  type ReadReq,
  type ReadReq_Options_FilterOptions,
} from "@sallyport/proto/gen/event_store/client/streams";
import type { Direction } from "../ledger.ts";
import { type NameFilter, nameFilter } from "./name-filter.ts";
import { streamName, type UuidForm } from "./wire-values.ts";

export type Start = bigint | "start" | "end";

/** A request to read, checked. A read starts at `from`, that one included; a subscription after it. */
export type ReadPlan = { readonly uuids: UuidForm } & (
  | { readonly kind: "readStream"; readonly stream: string; readonly from: Start; readonly direction: Direction; readonly limit: number }
  | { readonly kind: "readAll"; readonly from: Start; readonly direction: Direction; readonly limit: number; readonly filter: NameFilter | undefined }
  | { readonly kind: "followStream"; readonly stream: string; readonly after: Start }
  | { readonly kind: "followAll"; readonly after: Start; readonly filter: NameFilter | undefined; readonly checkpointEvery: number }
);

/** What a server takes when the client does not say. */
const DEFAULT_WINDOW = 32;

/** Clients that mean "as far as there is" send the largest number that they have. */
const LARGEST = BigInt(Number.MAX_SAFE_INTEGER);

export function planRead({ options }: ReadReq): ReadPlan {
  if (options?.streamOption === undefined || options.countOption === undefined) throw invalid("A read names a stream or all, and a count or a subscription.");
  const uuids = options.uuidOption?.content?.$case === "string" ? "string" : "structured";
  const direction = options.readDirection === ReadDirection.Backwards ? "backwards" : "forwards";
  const follows = options.countOption.$case === "subscription";
  if (follows && direction === "backwards") throw invalid("A subscription reads forwards.");
  const limit = options.countOption.$case === "count" ? Number(smaller(options.countOption.value, LARGEST)) : 0;
  if (!follows && limit === 0) throw invalid("A read takes at least one event.");

  if (options.streamOption.$case === "stream") {
    const { streamIdentifier, revisionOption } = options.streamOption.value;
    const stream = streamName(streamIdentifier);
    if (stream === "") throw invalid("A stream has a name.");
    const from = revisionOption?.$case === "revision" ? revisionOption.value : (revisionOption?.$case ?? "start");
    return follows ? { kind: "followStream", stream, after: from, uuids } : { kind: "readStream", stream, from, direction, limit, uuids };
  }
  const { allOption } = options.streamOption.value;
  const from = allOption?.$case === "position" ? allOption.value.commitPosition : (allOption?.$case ?? "start");
  const wanted = options.filterOption?.$case === "filter" ? options.filterOption.value : undefined;
  const filter = wanted && filterOf(wanted);
  if (!follows) return { kind: "readAll", from, direction, limit, filter, uuids };
  return { kind: "followAll", after: from, filter, checkpointEvery: checkpointInterval(wanted), uuids };
}

function filterOf({ filter }: ReadReq_Options_FilterOptions): NameFilter {
  if (filter === undefined) throw invalid("A filter is by stream or by event type.");
  return nameFilter(filter.$case === "streamIdentifier" ? "stream" : "type", filter.value.prefix, filter.value.regex);
}

/** In events that were looked at. */
function checkpointInterval(filter: ReadReq_Options_FilterOptions | undefined): number {
  const window = filter?.window?.$case === "max" ? Math.max(1, filter.window.value) : DEFAULT_WINDOW;
  return window * Math.max(1, filter?.checkpointIntervalMultiplier ?? 1);
}

const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);

function invalid(message: string): SallyportError {
  return new SallyportError("input.invalid", message);
}
