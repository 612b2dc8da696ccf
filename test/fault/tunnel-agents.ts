import { randomUUID } from "node:crypto";
import type { AgentView, Agents, Forwarding, IssuedCertificate, RefusedResource, Resources } from "@sallyport/control-plane/src/application/ports.ts";
import type { ForwardingEvent } from "@sallyport/control-plane/src/domain/forwarding/forwarding.events.ts";
import { SallyportError } from "@sallyport/proto/errors";

interface Enrolled {
  readonly id: string;
  readonly name: string;
  revoked: boolean;
}

const notNeeded = (): never => {
  throw new Error("not part of the tunnel");
};

/** Agents and resources in memory, with the events that the real ones would have recorded. */
export class MemoryAgents implements Agents {
  readonly events: string[] = [];
  readonly certificates: IssuedCertificate[] = [];
  /** What the ledger would throw. */
  failure: SallyportError | undefined;
  /** Runs while a connection is being recorded. */
  whileConnecting: (() => void) | undefined;
  readonly #secrets = new Map<string, { readonly name: string; readonly expiresAt: number }>();
  readonly #agents = new Map<string, Enrolled>();
  readonly #waiting: { readonly event: string; readonly resolve: () => void }[] = [];

  issueJoinSecret(name: string, ttlSeconds: number): Promise<{ agentId: string; secret: string; expiresAt: Date }> {
    const secret = randomUUID();
    const expiresAt = Date.now() + ttlSeconds * 1_000;
    this.#secrets.set(secret, { name, expiresAt });
    return Promise.resolve({ agentId: "", secret, expiresAt: new Date(expiresAt) });
  }

  async enrol(name: string, secret: string): Promise<string> {
    this.#check();
    const issued = this.#secrets.get(secret);
    if (issued?.name !== name || issued.expiresAt <= Date.now()) throw new SallyportError("join.invalid", "The join token is unknown, used up or expired.");
    this.#secrets.delete(secret);
    const id = randomUUID();
    this.#agents.set(id, { id, name, revoked: false });
    await Promise.resolve();
    return id;
  }

  /** As `enrol`, without a token. */
  add(name: string): string {
    const id = randomUUID();
    this.#agents.set(id, { id, name, revoked: false });
    return id;
  }

  certificateIssued(_agentId: string, certificate: IssuedCertificate): Promise<void> {
    this.#check();
    this.certificates.push(certificate);
    this.#record("certificate");
    return Promise.resolve();
  }

  requireEnrolled(agentId: string): AgentView {
    const agent = this.#agents.get(agentId);
    if (agent === undefined) throw new SallyportError("agent.not_found", "No such agent.");
    if (agent.revoked) throw new SallyportError("agent.revoked", "The agent was revoked and must be enrolled anew.");
    return { id: agent.id, name: agent.name, enrolled: true, revoked: false, connected: false, version: "", certificateExpiresAt: undefined };
  }

  async connected(_agentId: string, link: { readonly version: string; readonly resources: readonly string[] }): Promise<void> {
    await Promise.resolve();
    this.#check();
    this.whileConnecting?.();
    this.#record(`connected ${link.version} ${link.resources.join(",")}`);
  }

  async disconnected(_agentId: string, cause: string): Promise<void> {
    await Promise.resolve();
    this.#record(`disconnected ${cause}`);
  }

  async revoke(agentId: string): Promise<void> {
    const agent = this.#agents.get(agentId);
    if (agent !== undefined) agent.revoked = true;
    await Promise.resolve();
  }

  list = notNeeded;

  /** Resolves when this event has been recorded; those before the call count too. */
  async seen(event: string): Promise<void> {
    if (this.events.some((known) => known.startsWith(event))) return;
    await new Promise<void>((resolve) => this.#waiting.push({ event, resolve }));
  }

  #record(event: string): void {
    this.events.push(event);
    for (const waiting of this.#waiting) if (event.startsWith(waiting.event)) waiting.resolve();
  }

  #check(): void {
    if (this.failure !== undefined) throw this.failure;
  }
}

export const resources: Resources = {
  offer: (_agentId, offered) => {
    const refused: RefusedResource[] = offered
      .filter(({ name }) => name === "taken")
      .map(({ name }) => ({ name, code: "resource.conflict", message: "Another agent serves it." }));
    return Promise.resolve(refused);
  },
  requireReadable: () => undefined,
  find: notNeeded,
  list: notNeeded,
};

/** Statements of agents, in memory, as the real use case would have recorded them. */
export class MemoryForwarding implements Forwarding {
  readonly statements: ForwardingEvent["data"][] = [];
  /** What the ledger would throw. */
  failure: SallyportError | undefined;
  readonly #waiting: { readonly count: number; readonly resolve: () => void }[] = [];

  attest(statement: ForwardingEvent["data"]): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.statements.push(statement);
    for (const { count, resolve } of this.#waiting) if (this.statements.length >= count) resolve();
    return Promise.resolve();
  }

  async got(count: number): Promise<void> {
    if (this.statements.length < count) await new Promise<void>((resolve) => this.#waiting.push({ count, resolve }));
  }
}
