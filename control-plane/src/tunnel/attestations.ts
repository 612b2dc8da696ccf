import { SallyportError } from "@sallyport/proto/errors";
import type { Attestation, Attested } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { isSignedBy } from "@sallyport/proto/tunnel/forwarding-statement";
import type { Forwarding } from "../application/ports.ts";
import type { CertificateAuthority } from "../identity/certificate-authority.ts";

export interface AttestationDeps {
  readonly forwarding: Forwarding;
  readonly ca: Pick<CertificateAuthority, "certifies">;
}

/** SHA-256. */
const DIGEST_BYTES = 32;
const SESSION_ID = /^[0-9a-f-]{36}$/;

/** Durable when it resolves. Fails with `tunnel.violation` when it is not this agent's, or not as it was signed. */
export async function recordAttestation({ forwarding, ca }: AttestationDeps, agentId: string, attestation: Attestation): Promise<Attested> {
  const { sessionId, sequence, final, at, certificate, signature } = attestation;
  if (!SESSION_ID.test(sessionId) || at === undefined || attestation.digest.length !== DIGEST_BYTES || sequence === 0) throw violation("is malformed");
  const statement = {
    agentId,
    sessionId,
    sequence,
    commands: Number(attestation.commands),
    bytes: Number(attestation.bytes),
    digest: attestation.digest.toString("hex"),
    final,
  };
  const statedAt = at.toISOString();
  if (!ca.certifies(certificate, agentId)) throw violation("comes with a certificate of somebody else");
  if (!isSignedBy(certificate, { ...statement, at: statedAt }, signature)) throw violation("is not what was signed");
  await forwarding.attest({ ...statement, statedAt, certificate: certificate.toString("base64"), signature: signature.toString("base64") });
  return { sessionId, sequence };
}

const violation = (what: string): SallyportError => new SallyportError("tunnel.violation", `An agent's statement ${what}.`);
