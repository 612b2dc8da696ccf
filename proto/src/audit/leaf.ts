import { utf8 } from "./bytes.ts";
import { canonicalJson } from "./canonical-json.ts";

/** What of a recorded event is proven. Where and when the store put it is not part of what happened. */
export interface LoggedEvent {
  readonly stream: string;
  readonly revision: bigint | number | string;
  readonly id: string;
  readonly type: string;
  readonly metadata: object;
  readonly data: object;
}

/** Streams of the store itself are not part of the log. */
export const isLogged = (stream: string): boolean => !stream.startsWith("$");

/**
 * The bytes of an event's leaf: canonical JSON of exactly these six members. The revision is a decimal string, since it has 64 bits
 * and JSON's numbers, as RFC 8785 reads them, have 53.
 */
export const leafText = ({ stream, revision, id, type, metadata, data }: LoggedEvent): string =>
  canonicalJson({ data, id, metadata, revision: String(revision), stream, type });

export const leafBytes = (event: LoggedEvent): Uint8Array => utf8(leafText(event));
