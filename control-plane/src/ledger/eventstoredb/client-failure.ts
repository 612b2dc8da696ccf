import { SallyportError } from "@sallyport/proto/errors";

/** What a failed call of the client means for whoever made it. */
export type ClientFailure =
  /** Somebody else was first. */
  | { readonly kind: "conflict"; readonly actual: string }
  | { readonly kind: "tooLarge" }
  | { readonly kind: "streamNotFound" }
  /** Trying again gives the same: the answer is final until somebody changes the configuration. */
  | { readonly kind: "refused"; readonly error: SallyportError }
  /** The connection, the leader or the server went away; whether anything was stored is not known. */
  | { readonly kind: "transient"; readonly cause: unknown };

/** By the client's `type`, never by class: two copies of the package would have two of each. */
export function classify(error: unknown): ClientFailure {
  if (!(error instanceof Error)) return { kind: "transient", cause: error };
  const type = "type" in error ? error.type : undefined;
  switch (type) {
    case "wrong-expected-version":
      return { kind: "conflict", actual: "actualVersion" in error && typeof error.actualVersion === "bigint" ? String(error.actualVersion) : "none" };
    case "stream-deleted":
      return { kind: "conflict", actual: "deleted" };
    case "maximum-append-size-exceeded":
      return { kind: "tooLarge" };
    case "stream-not-found":
      return { kind: "streamNotFound" };
    case "access-denied":
      return { kind: "refused", error: new SallyportError("ledger.unavailable", "The ledger refuses our credentials, or what they allow.", {}, error) };
    default:
      return { kind: "transient", cause: error };
  }
}

/** The certificate's fault, in the words of TLS; a new attempt meets the same certificate. */
const CERTIFICATE = /certificate|self-signed|CERT_|altname|wrong version number/i;

/** What people are told when attempts have come to an end. The client's messages name addresses and TLS reasons, never credentials. */
export function unavailable(waitedMs: number, cause: unknown): SallyportError {
  const message = cause instanceof Error ? cause.message : "";
  if (CERTIFICATE.test(message)) return new SallyportError("ledger.unavailable", "The ledger's certificate is not trusted, or ours is not.", {}, cause);
  return new SallyportError("ledger.unavailable", `The ledger did not answer within ${waitedMs / 1_000} s.`, {}, cause);
}
