import type { PeerCertificate } from "node:tls";
import { agentIdOf, fingerprintOf } from "../identity/certificate-authority.ts";

/** Who is at the other end of a connection, by its verified certificate and by nothing that it says. */
export interface AgentPeer {
  readonly agentId: string;
  /** address:port; the same for every stream of one connection. */
  readonly address: string;
  readonly certificateFingerprint: string;
  readonly certificateExpiresAt: Date;
}

interface Call {
  getPeer(): string;
  getAuthContext(): { readonly sslPeerCertificate?: PeerCertificate };
}

/** Undefined when the certificate is not an agent's. gRPC hands out no certificate that TLS has not verified. */
export function agentPeerOf(call: Call): AgentPeer | undefined {
  const certificate = call.getAuthContext().sslPeerCertificate;
  const agentId = agentIdOf(certificate?.subjectaltname);
  if (certificate === undefined || agentId === undefined) return undefined;
  return {
    agentId,
    address: call.getPeer(),
    certificateFingerprint: fingerprintOf(certificate.raw),
    certificateExpiresAt: new Date(certificate.valid_to),
  };
}
