import { createHash, createVerify, X509Certificate } from "node:crypto";

/**
 * What an agent says that it forwarded to a target for one session, up to a moment. Compared with the ledger by whoever trusts
 * neither alone: a command that reached a target and is in no event shows as a difference of the counts.
 */
export interface ForwardingStatement {
  readonly agentId: string;
  readonly sessionId: string;
  /** From 1, without gaps of meaning: each one covers all that the ones before it did. */
  readonly sequence: number;
  /** Messages that make the target execute something. */
  readonly commands: number;
  /** Of the client, as they were forwarded. */
  readonly bytes: number;
  /** Hex SHA-256 over all of those bytes, in order. */
  readonly digest: string;
  /** The session is over: nothing comes after it. */
  readonly final: boolean;
  /** UTC, ISO 8601 with milliseconds, by the agent's clock. */
  readonly at: string;
}

/** The bytes that are signed: one line each, so that nothing can be read in two ways. */
export function signedBytes({ agentId, sessionId, sequence, commands, bytes, digest, final, at }: ForwardingStatement): Buffer {
  const lines = ["sallyport-forwarded/v1", agentId, sessionId, String(sequence), String(commands), String(bytes), digest, final ? "final" : "running", at];
  return Buffer.from(`${lines.join("\n")}\n`, "utf8");
}

/** `certificate`: DER. Says nothing about whose the certificate is. */
export function isSignedBy(certificate: Buffer, statement: ForwardingStatement, signature: Buffer): boolean {
  try {
    return createVerify("sha256").update(signedBytes(statement)).verify(new X509Certificate(certificate).publicKey, signature);
  } catch {
    return false; // no certificate, or a key of a kind that signs nothing
  }
}

/** Hex SHA-256 of the DER form, as the ledger's AgentCertificateIssued names a certificate. */
export const certificateFingerprint = (certificate: Buffer): string => createHash("sha256").update(certificate).digest("hex");
