import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import {
  AccessDenied,
  BadRequest,
  MaximumAppendSizeExceeded,
  StreamDeleted,
  Unknown,
  WrongExpectedVersion,
} from "@sallyport/proto/gen/event_store/client/shared";
import type { Status } from "@sallyport/proto/gen/event_store/client/status";
import { SallyportError } from "@sallyport/proto/errors";
import { statusDetails } from "../../grpc/status.ts";
import { MAX_APPEND_BYTES } from "../ledger.ts";
import { streamIdentifier } from "./wire-values.ts";

/** What a writer says about where the stream is. */
export type Expected = bigint | "noStream" | "any" | "streamExists";

/** Every way to say no. The protocol says it differently from call to call: in the answer, in a packed status, or in trailers. */
export type Refusal =
  | { readonly kind: "wrongExpectedVersion"; readonly stream: string; readonly expected: Expected; readonly current: bigint | undefined }
  | { readonly kind: "streamDeleted"; readonly stream: string }
  | { readonly kind: "accessDenied"; readonly message: string }
  | { readonly kind: "unauthenticated"; readonly message: string }
  | { readonly kind: "tooLarge" }
  | { readonly kind: "invalid"; readonly message: string }
  | { readonly kind: "unavailable"; readonly message: string }
  | { readonly kind: "group"; readonly problem: GroupProblem; readonly source: string; readonly group: string }
  | { readonly kind: "internal" };

/** What can be wrong with a persistent subscription: each has its status, its words, and the name that clients know it by. */
const GROUP_PROBLEMS = {
  absent: [status.NOT_FOUND, "There is no such persistent subscription.", "persistent-subscription-does-not-exist"],
  exists: [status.ALREADY_EXISTS, "This persistent subscription exists already.", "persistent-subscription-exists"],
  full: [status.FAILED_PRECONDITION, "This persistent subscription has as many consumers as it may have.", "maximum-subscribers-reached"],
  dropped: [status.CANCELLED, "The persistent subscription was changed or deleted, or this consumer stopped it.", "persistent-subscription-dropped"],
} as const;

export type GroupProblem = keyof typeof GROUP_PROBLEMS;

export class RefusalError extends Error {
  override readonly name = "RefusalError";
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.kind);
    this.refusal = refusal;
  }
}

export function refusalOf(error: unknown): Refusal {
  if (error instanceof RefusalError) return error.refusal;
  const { code, message } = SallyportError.from(error);
  switch (code) {
    case "input.invalid":
      return { kind: "invalid", message };
    case "ledger.too_large":
      return { kind: "tooLarge" };
    case "ledger.unavailable":
      return { kind: "unavailable", message };
    case "auth.failed":
    case "auth.expired":
      return { kind: "unauthenticated", message };
    case "auth.forbidden":
      return { kind: "accessDenied", message };
    default:
      return { kind: "internal" };
  }
}

/** As a failed call: status, text, and the trailers by which clients tell one from the other. */
export function serviceError(refusal: Refusal): ServiceError {
  switch (refusal.kind) {
    case "wrongExpectedVersion": {
      const { stream, expected, current } = refusal;
      const trailers = { "exception": "wrong-expected-version", "stream-name": stream, "expected-version": expectedNumber(expected) };
      const actual = current === undefined ? {} : { "actual-version": String(current) };
      return failure(status.FAILED_PRECONDITION, `The stream is at ${current ?? "no revision"}, expected was ${expected}.`, { ...trailers, ...actual });
    }
    case "streamDeleted":
      return failure(status.FAILED_PRECONDITION, "The stream was deleted for good.", { "exception": "stream-deleted", "stream-name": refusal.stream });
    case "accessDenied":
      return failure(status.PERMISSION_DENIED, refusal.message, { exception: "access-denied" });
    case "unauthenticated":
      return failure(status.UNAUTHENTICATED, refusal.message, {});
    case "tooLarge":
      return failure(status.INVALID_ARGUMENT, "The append is too large.", {
        "exception": "maximum-append-size-exceeded",
        "maximum-append-size": String(MAX_APPEND_BYTES),
      });
    case "invalid":
      return failure(status.INVALID_ARGUMENT, refusal.message, {});
    case "group": {
      const [code, text, exception] = GROUP_PROBLEMS[refusal.problem];
      return failure(code, text, { exception, "stream-name": refusal.source, "group-name": refusal.group });
    }
    case "unavailable":
      return failure(status.UNAVAILABLE, refusal.message, {});
    case "internal":
      return failure(status.INTERNAL, "Internal error; the log of the server has the cause.", {});
  }
}

/** As an answer within BatchAppend. Clients read the packed type before anything else, so there always is one. */
export function packedStatus(refusal: Refusal): Status {
  const { code, details: message } = serviceError(refusal);
  const packed = (type: string, value: Uint8Array): Status => ({
    code,
    message,
    details: { typeUrl: `type.googleapis.com/event_store.client.${type}`, value: Buffer.from(value) },
  });
  switch (refusal.kind) {
    case "wrongExpectedVersion":
      return packed("WrongExpectedVersion", WrongExpectedVersion.encode(wrongExpectedVersion(refusal)).finish());
    case "streamDeleted":
      return packed("StreamDeleted", StreamDeleted.encode({ streamIdentifier: streamIdentifier(refusal.stream) }).finish());
    case "accessDenied":
    case "unauthenticated":
      return packed("AccessDenied", AccessDenied.encode({}).finish());
    case "tooLarge":
      return packed("MaximumAppendSizeExceeded", MaximumAppendSizeExceeded.encode({ maxAppendSize: MAX_APPEND_BYTES }).finish());
    case "invalid":
      return packed("BadRequest", BadRequest.encode({ message }).finish());
    case "unavailable":
    case "group":
    case "internal":
      return packed("Unknown", Unknown.encode({}).finish());
  }
}

function wrongExpectedVersion({ expected, current }: Extract<Refusal, { readonly kind: "wrongExpectedVersion" }>): WrongExpectedVersion {
  return {
    currentStreamRevisionOption: current === undefined ? { $case: "currentNoStream", value: {} } : { $case: "currentStreamRevision", value: current },
    expectedStreamPositionOption: expectedOption(expected),
  };
}

function expectedOption(expected: Expected): WrongExpectedVersion["expectedStreamPositionOption"] {
  if (typeof expected === "bigint") return { $case: "expectedStreamPosition", value: expected };
  if (expected === "any") return { $case: "expectedAny", value: {} };
  return expected === "noStream" ? { $case: "expectedNoStream", value: {} } : { $case: "expectedStreamExists", value: {} };
}

/** The numbers that stand for words in trailers. */
function expectedNumber(expected: Expected): string {
  if (typeof expected === "bigint") return String(expected);
  return { noStream: "-1", any: "-2", streamExists: "-4" }[expected];
}

function failure(code: status, details: string, trailers: Readonly<Record<string, string>>): ServiceError {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(trailers)) metadata.set(key, ascii(value));
  return Object.assign(new Error(details), { code, details: statusDetails(details), metadata });
}

/** Trailers hold printable ASCII only; a name that is not comes percent-encoded. */
const ascii = (value: string): string => (/^[ -~]*$/.test(value) ? value : encodeURIComponent(value));
