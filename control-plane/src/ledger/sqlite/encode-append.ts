import { SallyportError } from "@sallyport/proto/errors";
import { type ExpectedRevision, MAX_APPEND_BYTES, type NewEvent } from "../ledger.ts";
import { whereNotJson } from "./json-value.ts";
import type { EncodedAppend, EncodedEvent } from "./writer-messages.ts";

/** Longer names are a mistake, and each one is stored twice per event. */
export const MAX_NAME_LENGTH = 512;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Everything that can be refused without the file is refused here, before it takes a place in the queue. */
export function encodeAppend(stream: string, events: readonly NewEvent[], expected: ExpectedRevision): EncodedAppend {
  requireName(stream, "stream name");
  if (events.length === 0) throw invalid("An append holds at least one event.");
  if (expected !== "none" && expected < 0n) throw invalid(`Not a revision: ${expected}.`);

  let bytes = 0;
  const encoded = events.map((event): EncodedEvent => {
    if (!UUID.test(event.id)) throw invalid("An event id must be a UUID.");
    requireName(event.type, "event type");
    const data = encodeJson(event.data, "data");
    const metadata = encodeJson(event.metadata, "metadata");
    bytes += Buffer.byteLength(data) + Buffer.byteLength(metadata);
    return { id: event.id.toLowerCase(), type: event.type, data, metadata };
  });
  if (bytes > MAX_APPEND_BYTES) {
    throw new SallyportError("ledger.too_large", `An append of ${bytes} bytes is over the bound of ${MAX_APPEND_BYTES}.`, { bytes: String(bytes) });
  }
  return { stream, expected: revisionNumber(expected), events: encoded, bytes };
}

/** A revision that no stream can reach stays one, so it conflicts like any other that is ahead of the stream. */
function revisionNumber(expected: ExpectedRevision): number {
  if (expected === "none") return -1;
  return expected > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(expected);
}

function encodeJson(value: unknown, name: string): string {
  const problem = typeof value === "object" && value !== null ? whereNotJson(value, name) : `${name} is not an object`;
  if (problem !== undefined) throw invalid(`An event must be JSON: ${problem}.`);
  return JSON.stringify(value);
}

/** NUL would end the text early for readers of the file that are written in C. */
function requireName(name: string, what: string): void {
  if (name.length === 0 || name.length > MAX_NAME_LENGTH) throw invalid(`A ${what} has 1 to ${MAX_NAME_LENGTH} characters.`);
  if (!name.isWellFormed() || name.includes("\0")) throw invalid(`A ${what} must be well-formed Unicode without NUL.`);
}

function invalid(message: string): SallyportError {
  return new SallyportError("input.invalid", message);
}
