import { isErrorCode, SallyportError } from "@sallyport/proto/errors";
import { ERROR_CODE_METADATA } from "@sallyport/proto/tunnel/limits";
import { Metadata } from "@grpc/grpc-js";

/** What the control plane decided, if that is what this error is; undefined for a failure to reach it. */
export function refusalIn(error: unknown): SallyportError | undefined {
  if (error instanceof SallyportError) return error;
  if (!(error instanceof Error) || !("metadata" in error) || !(error.metadata instanceof Metadata)) return undefined;
  const code = String(error.metadata.get(ERROR_CODE_METADATA)[0] ?? "");
  if (!isErrorCode(code)) return undefined;
  return new SallyportError(code, "details" in error && typeof error.details === "string" ? error.details : error.message, {}, error);
}
