import { once } from "node:events";
import { Server } from "@grpc/grpc-js";
import {
  AGENT_CERTIFICATE_LIFETIME_MS,
  CertificateAuthority,
  type CertificateAuthorityOptions,
} from "@sallyport/control-plane/src/identity/certificate-authority.ts";
import { systemScheduler } from "@sallyport/control-plane/src/application/scheduler.ts";
import { ServerCertificate } from "@sallyport/control-plane/src/identity/server-certificate.ts";
import { enrolmentService } from "@sallyport/control-plane/src/tunnel/enrolment-service.ts";
import { startTunnelServer, type TunnelServer } from "@sallyport/control-plane/src/tunnel/server.ts";
import { Attestor } from "@sallyport/edge-agent/src/attestation/attestor.ts";
import { Backoff } from "@sallyport/edge-agent/src/link/backoff.ts";
import { checkedCertificate, newCertificateRequest } from "@sallyport/edge-agent/src/link/certificate-request.ts";
import type { AgentIdentity } from "@sallyport/edge-agent/src/link/identity-store.ts";
import { runAgent, type RunAgentOptions } from "@sallyport/edge-agent/src/link/run-agent.ts";
import type { SupervisorOutcome } from "@sallyport/edge-agent/src/link/supervisor.ts";
import { EnrolmentServiceService, type Open } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { Channel, ChannelHandlers, CloseReason, ControlBody } from "@sallyport/proto/tunnel/channel";
import { encodeJoinToken } from "@sallyport/proto/tunnel/join-token";
import { pino } from "pino";
import { atEnd, type Cleanup } from "../support/cleanup.ts";
import { tempDir } from "../support/temp-dir.ts";
import { MemoryAgents, MemoryForwarding, resources } from "./tunnel-agents.ts";

export const log = pino({ level: process.env["SALLYPORT_TEST_LOG"] ?? "silent" });
export const openOf = (sessionId: string): Open => ({ resource: "orders", sessionId, parameters: {}, obligations: undefined, credit: 0 });
export const opened: ControlBody = { $case: "opened", value: { greeting: Buffer.alloc(0), transport: "plaintext", credit: 0 } };

export interface ControlPlane {
  readonly ca: CertificateAuthority;
  readonly agents: MemoryAgents;
  readonly forwarding: MemoryForwarding;
  readonly tunnel: TunnelServer;
  readonly apiAddress: string;
  /** Starts again on the same port, with the same CA and agents. */
  restart(): Promise<TunnelServer>;
  joinToken(name: string, ttlSeconds?: number): Promise<string>;
  /** An agent with a certificate, without the way through enrolment. */
  identity(name: string, tunnelPort?: number, lifetimeMs?: number): Promise<AgentIdentity>;
}

export interface ControlPlaneOptions extends CertificateAuthorityOptions {
  readonly window?: number;
}

/** CA, tunnel and enrolment on loopback ports: the real servers over agents in memory. */
export async function startControlPlane(cleanup: Cleanup, options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const pki = `${tempDir(cleanup, "ca")}/ca`;
  const ca = await CertificateAuthority.open(pki, options);
  const agents = new MemoryAgents();
  const forwarding = new MemoryForwarding();
  const clock = options.clock ?? { now: () => new Date() };
  const certificate = await ServerCertificate.issue({ ca, names: ["localhost", "127.0.0.1"], clock, scheduler: systemScheduler, log });
  atEnd(cleanup, () => certificate.close());
  const start = (port: number): Promise<TunnelServer> =>
    startTunnelServer({
      host: "127.0.0.1",
      port,
      ca,
      credentials: certificate.grpcCredentials({ mutual: true }),
      agents,
      resources,
      forwarding,
      clock,
      nodeId: "n1",
      log,
      ...(options.window === undefined ? {} : { window: options.window }),
    });
  let tunnel = await start(0);
  atEnd(cleanup, () => tunnel.close());

  const api = new Server();
  api.addService(EnrolmentServiceService, enrolmentService({ agents, ca, tunnelAddress: () => `127.0.0.1:${tunnel.port}`, log }));
  const apiPort = await new Promise<number>((resolve, reject) => {
    api.bindAsync("127.0.0.1:0", certificate.grpcCredentials(), (error, port) => (error === null ? resolve(port) : reject(error)));
  });
  atEnd(cleanup, () => api.forceShutdown());

  return {
    ca,
    agents,
    forwarding,
    get tunnel() {
      return tunnel;
    },
    apiAddress: `127.0.0.1:${apiPort}`,
    restart: async () => {
      const { port } = tunnel;
      await tunnel.close();
      tunnel = await start(port);
      return tunnel;
    },
    joinToken: async (name, ttlSeconds = 60) => {
      const { secret } = await agents.issueJoinSecret(name, ttlSeconds);
      return encodeJoinToken({ address: `127.0.0.1:${apiPort}`, caFingerprint: ca.caFingerprint, agentName: name, secret });
    },
    identity: async (name, tunnelPort = tunnel.port, lifetimeMs = AGENT_CERTIFICATE_LIFETIME_MS) => {
      const signer = await CertificateAuthority.open(pki, { ...options, agentLifetimeMs: lifetimeMs });
      const agentId = agents.add(name);
      const request = await newCertificateRequest();
      const { der } = await signer.signAgent(request.der, agentId);
      const certPem = checkedCertificate(der, request, ca.caPem);
      const addresses = { apiAddress: "127.0.0.1:1", tunnelAddress: `127.0.0.1:${tunnelPort}` };
      return { agentId, agentName: name, ...addresses, caPem: ca.caPem, certPem, keyPem: request.keyPem, maskKey: "AA==" };
    },
  };
}

export interface RunningAgent {
  readonly identity: AgentIdentity;
  readonly ended: Promise<SupervisorOutcome>;
  /** What it waited, or would have, before each new attempt. */
  readonly waits: readonly number[];
  readonly drain: AbortController;
  readonly cut: AbortController;
  /** Resolves at the next Welcome. */
  welcome(): Promise<void>;
}

export interface AgentOptions extends Partial<RunAgentOptions> {
  readonly random?: () => number;
}

/** A real agent in this process. Its waits are noted and skipped. */
export function startAgent(cleanup: Cleanup, identity: AgentIdentity, { random, ...overrides }: AgentOptions = {}): RunningAgent {
  const drain = new AbortController();
  const cut = new AbortController();
  const waits: number[] = [];
  const welcomes = new EventTarget();
  const ended = runAgent({
    identity,
    stateDir: tempDir(cleanup, "agent"),
    agentVersion: "1.2.3",
    resources: [{ name: "orders", protocol: "postgres", labels: {} }],
    attestor: new Attestor(identity, log),
    openSession: () => ({ data: () => {}, control: () => {}, drained: () => {}, closed: () => {} }),
    drain: drain.signal,
    cut: cut.signal,
    drainTimeoutMs: 5_000,
    log,
    backoff: new Backoff(random),
    wait: (ms) => {
      waits.push(ms);
      return new Promise((resolve) => setTimeout(resolve, 5));
    },
    welcomed: () => welcomes.dispatchEvent(new Event("welcome")),
    ...overrides,
  });
  atEnd(cleanup, async () => {
    drain.abort();
    cut.abort();
    await ended;
  });
  return { identity, ended, waits, drain, cut, welcome: async () => void (await once(welcomes, "welcome")) };
}

/** Resolves when the agent takes sessions. */
export async function connected(plane: ControlPlane, agentId: string): Promise<void> {
  while (!plane.tunnel.links.isConnected(agentId)) await new Promise((resolve) => setImmediate(resolve));
}

/** One end of a session, for either side. */
export class Session implements ChannelHandlers {
  channel: Channel | undefined;
  received = 0;
  reading = true;
  readonly controls: string[] = [];
  onData: ((bytes: Buffer) => void) | undefined;
  readonly opened = Promise.withResolvers<void>();
  readonly closing = Promise.withResolvers<CloseReason>();
  #roomy = Promise.withResolvers<void>();
  #unread = 0;
  readonly #arrived: (() => void)[] = [];

  data(bytes: Buffer): void {
    this.received += bytes.length;
    this.onData?.(bytes);
    if (this.reading) this.channel?.consumed(bytes.length);
    else this.#unread += bytes.length;
    for (const arrived of this.#arrived.splice(0)) arrived();
  }

  control(body: ControlBody): void {
    this.controls.push(body.$case);
    if (body.$case === "opened") this.opened.resolve();
  }

  drained(): void {
    this.#roomy.resolve();
    this.#roomy = Promise.withResolvers();
  }

  closed(reason: CloseReason): void {
    this.closing.resolve(reason);
  }

  read(): void {
    this.reading = true;
    this.channel?.consumed(this.#unread);
    this.#unread = 0;
  }

  async got(bytes: number): Promise<void> {
    while (this.received < bytes) await new Promise<void>((resolve) => this.#arrived.push(resolve));
  }

  /** Honours back-pressure. */
  async sendAll(chunks: Iterable<Buffer>): Promise<void> {
    for (const chunk of chunks) if (this.channel?.send(chunk) === false) await this.#roomy.promise;
  }
}

/** An agent's targets: every session is opened at once, and kept by its session id. */
export function sessions(): { readonly all: Map<string, Session>; readonly openSession: (open: Open, channel: Channel) => ChannelHandlers } {
  const all = new Map<string, Session>();
  return {
    all,
    openSession: (open, channel) => {
      const session = new Session();
      session.channel = channel;
      all.set(open.sessionId, session);
      channel.post(opened);
      return session;
    },
  };
}

/** Opens a session through the control plane and waits for Opened. */
export async function openSession(plane: ControlPlane, agentId: string, sessionId: string): Promise<Session> {
  const session = new Session();
  session.channel = plane.tunnel.links.open(agentId, openOf(sessionId), session);
  await session.opened.promise;
  return session;
}
