import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { errorCodes, SallyportError } from "@sallyport/proto/errors";
import { ERROR_CODE_METADATA } from "@sallyport/proto/tunnel/limits";

/** Our error as a gRPC status: the code in the trailers, the message in the details, the cause nowhere. */
export function serviceErrorOf(error: unknown): ServiceError {
  const ours = SallyportError.from(error);
  // Through its name: the table holds gRPC's numbers, not the members of its enum.
  const code = status[status[errorCodes[ours.code].grpc] as keyof typeof status];
  const metadata = new Metadata();
  metadata.set(ERROR_CODE_METADATA, ours.code);
  return Object.assign(new Error(ours.message), { code, details: ours.message, metadata });
}
