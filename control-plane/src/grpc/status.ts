import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { errorCodes, SallyportError } from "@sallyport/proto/errors";
import { ERROR_CODE_METADATA } from "@sallyport/proto/tunnel/limits";

/** Of a message, percent-encoded as trailers hold it: with more than 64 KiB in them HTTP/2 breaks the call off, and the client is told nothing. */
export const MAX_DETAILS_BYTES = 32_768;

/** Our error as a gRPC status: the code in the trailers, the message in the details, the cause nowhere. */
export function serviceErrorOf(error: unknown): ServiceError {
  const ours = SallyportError.from(error);
  // Through its name: the table holds gRPC's numbers, not the members of its enum.
  const code = status[status[errorCodes[ours.code].grpc] as keyof typeof status];
  const metadata = new Metadata();
  metadata.set(ERROR_CODE_METADATA, ours.code);
  return Object.assign(new Error(ours.message), { code, details: statusDetails(ours.message), metadata });
}

/**
 * A message as a status can carry it. The library encodes it when it is sent, where nobody catches anything: half a character, left by
 * whoever cut a text of somebody else, would end the process.
 */
export function statusDetails(message: string): string {
  let shown = message.toWellFormed();
  let bytes = encodeURI(shown).length;
  if (bytes <= MAX_DETAILS_BYTES) return shown;
  while (bytes > MAX_DETAILS_BYTES) {
    shown = `${shown.slice(0, Math.floor((shown.length * MAX_DETAILS_BYTES) / bytes) - 1).toWellFormed()}…`;
    bytes = encodeURI(shown).length;
  }
  return shown;
}
