import { SallyportError } from "@sallyport/proto/errors";
import type { Agents, Clock } from "../application/ports.ts";
import type { CertificateAuthority } from "../identity/certificate-authority.ts";
import type { AgentPeer } from "./agent-peer.ts";

/** Each certificate is an event: an agent that asks in a loop must not fill the ledger. Agents renew twice a day. */
export const RENEWAL_MIN_INTERVAL_MS = 10_000;

export interface RenewalDeps {
  readonly agents: Agents;
  readonly ca: CertificateAuthority;
  readonly clock: Clock;
}

/** A new certificate for whoever the old one names, whatever key the request is for. */
export class CertificateRenewal {
  readonly #deps: RenewalDeps;
  /** Bounded by the number of enrolled agents. */
  readonly #last = new Map<string, number>();

  constructor(deps: RenewalDeps) {
    this.#deps = deps;
  }

  /** Fails with `agent.revoked`, `agent.not_found`, `input.invalid`, `session.limit`, or what the ledger says. */
  async renew(peer: AgentPeer, csrDer: Buffer): Promise<{ readonly der: Buffer; readonly notAfter: Date }> {
    const { agents, ca, clock } = this.#deps;
    agents.requireEnrolled(peer.agentId);
    const now = clock.now().getTime();
    if (now - (this.#last.get(peer.agentId) ?? -Infinity) < RENEWAL_MIN_INTERVAL_MS) {
      throw new SallyportError("session.limit", "This agent has renewed its certificate just now.");
    }
    this.#last.set(peer.agentId, now);
    const signed = await ca.signAgent(csrDer, peer.agentId);
    await agents.certificateIssued(peer.agentId, signed);
    return signed;
  }
}
