import { SallyportError } from "@sallyport/proto/errors";

/** The peer closed, or the connection broke, where the protocol had more to say. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";
}

export class TimedOut extends Error {
  override readonly name = "TimedOut";
}

/** Longest part of a server's own message that is passed on. */
const MAX_QUOTED = 500;
const addresses = /\b\d{1,3}(?:\.\d{1,3}){3}\b|(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])/gi;

/** OpenSSL's names for a chain that does not end at an authority it was given. */
const unknownAuthority = new Set([
  "CERT_SIGNATURE_FAILURE",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

/**
 * What went wrong between agent and target, in words that may leave the private network: no address, no path, no credential.
 * The original stays in `cause`, for the agent's own log.
 */
export function targetFailure(error: unknown, resource: string): SallyportError {
  if (error instanceof SallyportError && !error.code.startsWith("wire.")) return error;
  const fail = (code: "target.unreachable" | "target.refused", message: string) => new SallyportError(code, message, { resource }, error);
  if (error instanceof SallyportError) return fail("target.refused", `Resource "${resource}" does not answer as a PostgreSQL server does: ${error.message}`);
  if (error instanceof TimedOut) return fail("target.unreachable", `Resource "${resource}" did not answer in time.`);
  const code = errorCode(error);
  if (error instanceof ConnectionLost) return fail("target.unreachable", `Resource "${resource}" closed the connection.`);
  if (code === undefined) return SallyportError.from(error);
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return fail("target.refused", `The certificate of resource "${resource}" is not for the configured host.`);
  if (unknownAuthority.has(code)) {
    return fail("target.refused", `The certificate of resource "${resource}" is not signed by an authority that the agent trusts (${code}).`);
  }
  // System errors are bare names (ECONNREFUSED); what TLS finds wrong has underscores.
  if (code.includes("_") && !code.startsWith("EAI_")) return fail("target.refused", `The TLS checks on resource "${resource}" failed: ${code}.`);
  return fail("target.unreachable", `Resource "${resource}" could not be reached: ${code}.`);
}

/** The server's refusal of a login: SQLSTATE and primary message, without addresses. */
export function serverRefusal(fields: ReadonlyMap<string, string>, resource: string, host: string): SallyportError {
  const sqlstate = fields.get("C") ?? "XX000";
  const wholeHost = new RegExp(`(?<![\\w.-])${host.replace(/\W/g, "\\$&")}(?![\\w.-])`, "g");
  const quoted = (fields.get("M") ?? "no message").slice(0, MAX_QUOTED).replace(wholeHost, "[host]").replace(addresses, "[address]");
  // Class 53 is "no room now" and 57P0x "starting or stopping": the same login may well succeed a little later.
  const passing = /^53|^57P0/.test(sqlstate);
  return new SallyportError(passing ? "target.unreachable" : "target.refused", `Resource "${resource}" refused the login: ${quoted} (${sqlstate}).`, {
    resource,
    sqlstate,
  });
}

function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
