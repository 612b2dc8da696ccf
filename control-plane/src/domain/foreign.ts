import { SallyportError } from "@sallyport/proto/errors";
import { isEventType, schemaVersionOf, type StoredEvent, upcast, validate } from "./catalogue.ts";
import { categoryOfType } from "./event-categories.ts";
import { categoryOfStream, isRecordStream } from "./record-streams.ts";

/** Why an event that stands in the record is not part of it; `code` for programs, `why` for people. */
export interface Foreign {
  readonly code: "foreign.stream" | "foreign.metadata" | "foreign.category" | "foreign.data";
  readonly why: string;
}

const actorKinds: ReadonlySet<unknown> = new Set(["human", "machine", "agent", "system"]);
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
/** Problems with a shape quote the names of its members, which somebody else chose. */
const MAX_WHY_CHARACTERS = 300;

/**
 * Whoever may write to the ledger's server may write into our streams. What is there and cannot have been written by any release of
 * this product is set aside wherever events are read, as if it were not there; nobody decides on it.
 *
 * What a later release wrote (a type or a version that this one does not know, with metadata of ours) is not foreign: to pass over it
 * could pass over a revocation, so reading it fails (`upcast`).
 */
export function whyForeign(event: StoredEvent): Foreign | undefined {
  const { stream, type, metadata } = event;
  if (!isRecordStream(stream)) return { code: "foreign.stream", why: "The stream is not one of the record." };
  if (!isOurMetadata(metadata)) return { code: "foreign.metadata", why: "It does not say who caused it, when, and in which version." };
  if (!isEventType(type)) return undefined;
  if (categoryOfType[type] !== categoryOfStream(stream))
    return { code: "foreign.category", why: `${type} does not belong in a stream of the category ${categoryOfStream(stream)}.` };
  if (metadata.schemaVersion > schemaVersionOf(type)) return undefined;
  try {
    validate(upcast(event));
    return undefined;
  } catch (error) {
    // An upcaster lifts what its version wrote, and stumbles over anything else.
    const why = error instanceof SallyportError ? error.message.slice(0, MAX_WHY_CHARACTERS) : `${type} does not have the fields of its version.`;
    return { code: "foreign.data", why };
  }
}

/** Every release wrote these, so that what has other metadata is somebody else's. */
export function isOurMetadata(metadata: unknown): boolean {
  if (!isObject(metadata)) return false;
  const { actor, schemaVersion, at, $correlationId } = metadata;
  if (!isObject(actor) || !actorKinds.has(actor["kind"]) || typeof actor["id"] !== "string") return false;
  if (actor["onBehalfOf"] !== undefined && typeof actor["onBehalfOf"] !== "string") return false;
  if (!Number.isSafeInteger(schemaVersion) || (schemaVersion as number) < 1) return false;
  return typeof $correlationId === "string" && typeof at === "string" && INSTANT.test(at) && !Number.isNaN(Date.parse(at));
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null && !Array.isArray(value);
