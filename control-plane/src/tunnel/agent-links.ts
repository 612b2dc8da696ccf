import { SallyportError } from "@sallyport/proto/errors";
import type { Attestation, Hello, Open } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { Channel, ChannelHandlers } from "@sallyport/proto/tunnel/channel";
import { TUNNEL_VERSION } from "@sallyport/proto/tunnel/limits";
import type { Logger } from "pino";
import type { AgentFeature, AgentLinks, Agents, Clock, DisconnectCause, Forwarding, RefusedResource, Resources } from "../application/ports.ts";
import type { CertificateAuthority } from "../identity/certificate-authority.ts";
import { AgentLink, type ControlCall, type DataCall } from "./agent-link.ts";
import type { AgentPeer } from "./agent-peer.ts";
import { recordAttestation } from "./attestations.ts";
import type { Connections } from "./http2-internals.ts";

export interface AgentLinksDeps {
  readonly agents: Agents;
  readonly resources: Resources;
  readonly forwarding: Forwarding;
  readonly ca: Pick<CertificateAuthority, "certifies">;
  readonly clock: Clock;
  readonly nodeId: string;
  readonly log: Logger;
  /** Bytes that the gateway accepts per session before it has given credit back. */
  readonly window?: number;
}

/** Statements being recorded at once, of all agents: a flood of them must not become a queue. */
export const MAX_ATTESTING = 256;

const UINT32_MAX = 0xffff_ffff;

/**
 * Every agent's link on this node.
 *
 * A1. An agent has one link: a second one replaces the first.
 * A2. Connected is recorded before Welcome, and Disconnected after it and once, in order: what an agent does is recorded
 *     in turns. An agent that cannot be recorded is turned away, and may come back.
 * A3. A revoked agent is not admitted, not even when the revocation crosses its greeting.
 * A4. Session ids are unique over all links, so that an id that one agent knows names nothing on another's link.
 */
export class NodeAgentLinks implements AgentLinks {
  readonly #deps: AgentLinksDeps;
  readonly #links = new Map<string, AgentLink>();
  /** Recorded as connected and not yet as disconnected. */
  readonly #recorded = new Set<AgentLink>();
  readonly #turns = new Map<string, Promise<void>>();
  /** Admitted or not, so that a shutdown finds all of them. */
  readonly #all = new Set<AgentLink>();
  #attesting = 0;
  #nextSession = 1;
  #closed = false;

  constructor(deps: AgentLinksDeps) {
    this.#deps = deps;
  }

  isConnected(agentId: string): boolean {
    return this.#links.get(agentId)?.available ?? false;
  }

  supports(agentId: string, feature: AgentFeature): boolean {
    return this.#links.get(agentId)?.supports(feature) ?? false;
  }

  open(agentId: string, open: Open, handlers: ChannelHandlers): Channel {
    const link = this.#links.get(agentId);
    if (link === undefined) throw new SallyportError("agent.offline", "The agent is not connected.");
    const session = this.#nextSession;
    this.#nextSession = session === UINT32_MAX ? 1 : session + 1;
    return link.open(session, open, handlers);
  }

  dismiss(agentId: string, cause: DisconnectCause, code: "agent.revoked" | "session.ended", message: string): void {
    this.#links.get(agentId)?.end({ cause, code, message, dismiss: { code, message, retryable: code !== "agent.revoked" } });
  }

  /** A control stream of an agent whose certificate was verified. */
  accept(peer: AgentPeer, control: ControlCall, connections: Connections): void {
    if (this.#closed) return void control.end(); // its handshake was under way when the shutdown began
    const link = new AgentLink({
      peer,
      control,
      connection: connections.find(peer.address),
      window: this.#deps.window,
      now: () => this.#deps.clock.now(),
      log: this.#deps.log.child({ agentId: peer.agentId }),
      hello: (greeting, hello) => void this.#inTurn(peer.agentId, () => this.#admit(greeting, hello)),
      attestation: (from, attestation) => this.#attest(from, attestation),
      ended: (ended, cause) => this.#ended(ended, cause),
    });
    this.#all.add(link);
  }

  /** Fails with `tunnel.violation`. */
  attach(peer: AgentPeer, data: DataCall): void {
    const link = this.#links.get(peer.agentId);
    if (link === undefined) throw new SallyportError("tunnel.violation", "A data stream needs a control stream first.");
    link.attach(data, peer);
    this.#deps.log.info({ agentId: peer.agentId, address: peer.address }, "agent connected");
  }

  /** The agent at this end of this connection has a new certificate. */
  renewed(peer: AgentPeer, notAfter: Date): void {
    const link = this.#links.get(peer.agentId);
    if (link?.peer.address === peer.address) link.extend(notAfter);
  }

  /** Ends every link and waits until that is recorded. The agents come back, to this node or another. */
  async shutdown(): Promise<void> {
    this.#closed = true;
    const message = "The control plane is shutting down.";
    for (const link of this.#all) link.end({ cause: "shutdown", code: "session.ended", message, dismiss: { code: "session.ended", message, retryable: true } });
    await Promise.all(this.#turns.values());
  }

  async #admit(link: AgentLink, hello: Hello): Promise<void> {
    const { agentId } = link.peer;
    try {
      if (hello.tunnelVersion !== TUNNEL_VERSION) {
        throw new SallyportError("agent.version", `The control plane speaks version ${TUNNEL_VERSION} of the tunnel, the agent ${hello.tunnelVersion}.`);
      }
      const refused = await this.#record(link, hello);
      if (link.ended) return; // and #ended has recorded that, or will in its turn
      const { nodeId, clock } = this.#deps;
      this.#links.set(agentId, link);
      link.welcome({ nodeId, tunnelVersion: TUNNEL_VERSION, refused: [...refused], at: clock.now() });
    } catch (error) {
      this.#turnAway(link, error);
    }
  }

  async #record(link: AgentLink, hello: Hello): Promise<readonly RefusedResource[]> {
    const { agents, resources } = this.#deps;
    const { agentId, address, certificateFingerprint } = link.peer;
    agents.requireEnrolled(agentId);
    await this.#replace(agentId);
    const refused = await resources.offer(agentId, hello.resources);
    const served = hello.resources.map(({ name }) => name).filter((name) => !refused.some((other) => other.name === name));
    await agents.connected(agentId, { version: hello.agentVersion, address, certificateFingerprint, resources: served });
    this.#recorded.add(link);
    agents.requireEnrolled(agentId);
    return refused;
  }

  async #replace(agentId: string): Promise<void> {
    const previous = this.#links.get(agentId);
    if (previous === undefined) return;
    const message = "Another link of this agent took over.";
    previous.end({ cause: "replaced", code: "agent.offline", message, dismiss: { code: "session.ended", message, retryable: true } });
    await this.#recordEnd(previous, "replaced");
  }

  #turnAway(link: AgentLink, error: unknown): void {
    const { code, message, retryable } = SallyportError.from(error);
    this.#deps.log.warn({ err: error, agentId: link.peer.agentId }, "agent was not admitted");
    const cause = code === "agent.revoked" ? "revoked" : "closed";
    // A defect of ours is no reason for an agent to give up for good.
    link.end({ cause, code: "agent.offline", message, dismiss: { code, message, retryable: retryable || code === "internal" } });
  }

  /** What is not recorded now, for whatever reason, the agent says again. */
  #attest(link: AgentLink, attestation: Attestation): void {
    if (this.#attesting >= MAX_ATTESTING) return;
    this.#attesting++;
    recordAttestation(this.#deps, link.peer.agentId, attestation)
      .then(
        (attested) => link.attested(attested),
        (error: unknown) => this.#deps.log.warn({ err: error, agentId: link.peer.agentId }, "an agent's statement was not recorded"),
      )
      .finally(() => this.#attesting--);
  }

  #ended(link: AgentLink, cause: DisconnectCause): void {
    const { agentId } = link.peer;
    this.#all.delete(link);
    if (this.#links.get(agentId) === link) this.#links.delete(agentId);
    this.#deps.log.info({ agentId, cause }, "agent link ended");
    void this.#inTurn(agentId, () => this.#recordEnd(link, cause));
  }

  async #recordEnd(link: AgentLink, cause: DisconnectCause): Promise<void> {
    if (!this.#recorded.delete(link)) return;
    try {
      await this.#deps.agents.disconnected(link.peer.agentId, cause);
    } catch (error) {
      // The next start of the control plane records it as lost.
      this.#deps.log.error({ err: error, agentId: link.peer.agentId, cause }, "an agent's disconnect could not be recorded");
    }
  }

  #inTurn(agentId: string, run: () => Promise<void>): Promise<void> {
    const turn = (this.#turns.get(agentId) ?? Promise.resolve()).then(run);
    this.#turns.set(agentId, turn);
    return turn.finally(() => {
      if (this.#turns.get(agentId) === turn) this.#turns.delete(agentId);
    });
  }
}
