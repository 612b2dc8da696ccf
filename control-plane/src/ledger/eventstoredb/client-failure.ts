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

/** Of what the client and TLS say, which name addresses and never credentials. */
const MAX_REASON_CHARACTERS = 300;

/** What was in the way, without what gRPC puts around it. */
export function reasonOf(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  const [, inner = message] = /Last error: (?:Error: )?([^]*?)(?:\. Resolution note:[^]*)?$/.exec(message) ?? [];
  if (/wrong version number/i.test(inner)) return "it does not speak TLS there";
  return inner
    .replace(/^\d+ UNAVAILABLE: /, "")
    .replace(/; if the root CA is installed locally[^]*$/, "")
    .replace(/ \(\d{4}-[\dT:.-]+Z\)$/, "")
    .slice(0, MAX_REASON_CHARACTERS);
}

/** What to tell of a certificate that is not trusted, ours or theirs; undefined of anything else. `caFile`: what theirs is held against. */
export function untrusted(cause: unknown, caFile?: string): SallyportError | undefined {
  const message = cause instanceof Error ? cause.message : "";
  if (!CERTIFICATE.test(message)) return undefined;
  const against = caFile === undefined ? "" : ` tlsCAFile is ${caFile}.`;
  return new SallyportError("ledger.unavailable", `The ledger's certificate is not trusted, or ours is not: ${reasonOf(cause)}.${against}`, {}, cause);
}

/** What people are told when attempts have come to an end; `cause` is undefined when nothing came back at all. */
export function unavailable(waitedMs: number, cause: unknown): SallyportError {
  const waited = `${waitedMs / 1_000} s`;
  if (cause === undefined || cause instanceof Unanswered)
    return new SallyportError("ledger.unavailable", `The ledger did not answer within ${waited}.`, {}, cause);
  return untrusted(cause) ?? new SallyportError("ledger.unavailable", `The ledger could not be reached within ${waited}: ${reasonOf(cause)}.`, {}, cause);
}

/** An attempt that nothing came of. */
export class Unanswered extends Error {
  override readonly name = "Unanswered";

  constructor() {
    super("The ledger stopped answering.");
  }
}
