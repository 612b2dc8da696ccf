import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, isIPv6, type Server, type Socket } from "node:net";
import type { SecureContext } from "node:tls";
import { SallyportError } from "@sallyport/proto/errors";
import { authentication, encodeAuthentication, encodeNegotiateProtocolVersion } from "@sallyport/proto/wire/postgres/backend";
import { encodeRefusal } from "@sallyport/proto/wire/postgres/refusal";
import type { Logger } from "pino";
import type { Approvals } from "../../application/approval-ports.ts";
import type { AgentLinks, Clock, CommandContext, Identities, Resources } from "../../application/ports.ts";
import type { Grants } from "../../application/grant-ports.ts";
import type { Policies } from "../../application/policy-ports.ts";
import type { SessionEndCause } from "../../domain/session/session.events.ts";
import type { StatementAnalyser } from "./facts/analysis.ts";
import { readToken } from "./authenticate.ts";
import { CancelRegistry } from "./cancel-registry.ts";
import type { SessionWriter } from "./command-authorizer.ts";
import { ColumnCatalogue } from "./column-catalogue.ts";
import { LargeMessageBudget } from "./large-message-budget.ts";
import type { PostgresLimits } from "./limits.ts";
import { negotiate, type Negotiated } from "./negotiate.ts";
import { nextStep } from "./next-step.ts";
import { openSession } from "./open-session.ts";
import type { RecordingWriter } from "./recording/recording-writer.ts";
import type { PostgresSession } from "./session.ts";
import { NamesFromTarget } from "./names-from-target.ts";

export interface GatewayDeps {
  readonly nodeId: string;
  readonly identities: Identities;
  readonly resources: Resources;
  readonly policies: Policies;
  readonly approvals: Approvals;
  readonly grants: Pick<Grants, "current" | "use" | "requireOpen" | "onEnd" | "requestable">;
  readonly links: AgentLinks;
  readonly analyser: StatementAnalyser;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: PostgresLimits;
  /** Asked for each connection, so that a renewed certificate serves at once. */
  readonly secureContext: () => SecureContext;
  readonly overlapReads: boolean;
  /** Throws `ledger.unavailable` while nothing can be recorded. */
  readonly guard: () => void;
  /** The writers of a session's stream and of its recording. */
  readonly openRecord: (sessionId: string, context: CommandContext) => { readonly session: SessionWriter; readonly recording: RecordingWriter };
  /** Lets an administrator end the session; answers how to take it off the list. */
  readonly register: (
    session: { readonly sessionId: string; readonly identityId: string; readonly tokenId: string; readonly resource: string },
    end: (cause: SessionEndCause, message: string) => void,
    /** Called when what its opening was decided on changed. */
    reconsider: () => void,
  ) => () => void;
}

/** How often clients are looked at that take nothing of their results. */
const STALL_CHECK_MILLIS = 1_000;

/** How long a shutdown waits for the ends of sessions to be recorded; the next start ends those that were not. */
const SHUTDOWN_MILLIS = 5_000;

/** The PostgreSQL listener: accepts, negotiates, signs in, and opens sessions. */
export class PostgresGateway {
  readonly deps: GatewayDeps;
  readonly limits: PostgresLimits;
  readonly analyser: StatementAnalyser;
  readonly budget: LargeMessageBudget;
  readonly cancels = new CancelRegistry();
  /** One for each resource that somebody opened. */
  readonly #columns = new Map<string, ColumnCatalogue>();
  readonly #userSchemas = new Map<string, NamesFromTarget>();
  readonly #rowFunctions = new Map<string, NamesFromTarget>();
  readonly #server: Server;
  /** Connections that have not signed in yet, in order of arrival. */
  readonly #unauthenticated = new Set<Socket>();
  readonly #sessions = new Set<PostgresSession>();
  #opening = 0;
  /** Connections that have signed in, until they are closed. */
  readonly #signedIn = new Map<string, number>();
  /** Ends of sessions that are being recorded. */
  readonly #ending = new Set<Promise<void>>();
  readonly #stallCheck: NodeJS.Timeout;

  constructor(deps: GatewayDeps) {
    this.deps = deps;
    this.limits = deps.limits;
    this.analyser = deps.analyser;
    this.budget = new LargeMessageBudget(deps.limits.largeMessageBytes);
    this.#server = createServer({ allowHalfOpen: false, noDelay: true, keepAlive: true }, (socket) => void this.#accept(socket));
    this.#stallCheck = setInterval(() => this.#cutStalled(), STALL_CHECK_MILLIS).unref();
  }

  async listen(host: string, port: number): Promise<number> {
    try {
      this.#server.listen(port, host);
      await once(this.#server, "listening");
    } catch (error) {
      throw new SallyportError(
        "config.invalid",
        `The PostgreSQL gateway cannot listen on ${host}:${port}: ${error instanceof Error ? error.message : ""} (SALLYPORT_HOST, SALLYPORT_PG_PORT).`,
        {},
        error,
      );
    }
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : port;
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  /** Stops accepting, ends every session and waits until each is recorded, or gone. */
  async close(): Promise<void> {
    clearInterval(this.#stallCheck);
    this.#server.close();
    for (const socket of this.#unauthenticated) socket.destroy();
    for (const session of this.#sessions) session.end("shutdown", "The gateway is shutting down.");
    await Promise.race([Promise.all(this.#ending), new Promise((resolve) => setTimeout(resolve, SHUTDOWN_MILLIS).unref())]);
  }

  /** What the columns of its relations are made of, for all sessions of the resource. */
  columnsOf(resource: string): ColumnCatalogue {
    const columns = this.#columns.get(resource) ?? new ColumnCatalogue();
    this.#columns.set(resource, columns);
    return columns;
  }

  /** What `$user` in a search path may mean, for all sessions of the resource. */
  userSchemasOf(resource: string): NamesFromTarget {
    return listOf(this.#userSchemas, resource);
  }

  /** What `alias.name` may call, for all sessions of the resource. */
  rowFunctionsOf(resource: string): NamesFromTarget {
    return listOf(this.#rowFunctions, resource);
  }

  add(session: PostgresSession): void {
    this.#sessions.add(session);
  }

  /** `recorded` resolves when the record of the session is complete. */
  remove(session: PostgresSession, recorded: Promise<void>): void {
    this.#sessions.delete(session);
    const ending = recorded.finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  async #accept(raw: Socket): Promise<void> {
    raw.on("error", () => raw.destroy());
    this.#admit(raw);
    const deadline = setTimeout(() => {
      if (this.#unauthenticated.has(raw)) raw.destroy();
    }, this.limits.authenticationMillis);
    const settled = (): void => void this.#unauthenticated.delete(raw);
    raw.once("close", () => {
      clearTimeout(deadline);
      settled();
    });
    let client: Socket = raw;
    try {
      const negotiated = await negotiate(raw, this.deps.secureContext, (socket) => {
        client = socket;
        client.on("error", () => raw.destroy());
      });
      await this.#negotiated(raw, negotiated, settled);
    } catch (error) {
      // Still unauthenticated, and under its deadline, until the socket is closed.
      this.#refuse(client, SallyportError.from(error));
    }
  }

  /** Beyond the bound the oldest one goes: a flood must not keep out those who do sign in. */
  #admit(raw: Socket): void {
    this.#unauthenticated.add(raw);
    if (this.#unauthenticated.size <= this.limits.unauthenticatedConnections) return;
    const [oldest] = this.#unauthenticated;
    if (oldest === undefined) return;
    this.#unauthenticated.delete(oldest);
    oldest.destroy();
  }

  async #negotiated(raw: Socket, negotiated: Negotiated, settled: () => void): Promise<void> {
    switch (negotiated.kind) {
      case "gone":
        raw.destroy();
        return;
      case "cancel":
        this.cancels.cancel(negotiated.request.processId, negotiated.request.key);
        raw.end();
        return;
      case "startup": {
        const { socket, startup, encrypted, transport } = negotiated;
        if (startup.major !== 3)
          throw new SallyportError("feature.unsupported", `PostgreSQL protocol ${startup.major}.${startup.minor} is not spoken here; 3.0 is.`);
        if (!encrypted) throw new SallyportError("tls.required", "This gateway speaks TLS only: connect with sslmode=require or stronger.");
        const options = [...startup.parameters.keys()].filter((name) => name.startsWith("_pq_."));
        if (startup.minor > 0 || options.length > 0) socket.write(encodeNegotiateProtocolVersion(0, options));
        const user = startup.parameters.get("user") ?? "";
        const token = await readToken(socket);
        if (token === undefined) {
          socket.destroy();
          return;
        }
        const { remoteAddress = "", remotePort = 0 } = raw;
        const address = `${isIPv6(remoteAddress) ? `[${remoteAddress}]` : remoteAddress}:${remotePort}`;
        const signedIn = await this.deps.identities.authenticate(token, address, user);
        if (this.#sessions.size + this.#opening >= this.limits.sessions)
          throw new SallyportError("session.limit", `All ${this.limits.sessions} sessions of this gateway are in use.`);
        this.#countIn(signedIn.principal.id, raw);
        this.#opening++;
        try {
          settled();
          socket.write(encodeAuthentication(authentication.ok));
          await openSession({ gateway: this, socket, parameters: startup.parameters, signedIn, address, transport, sessionId: randomUUID() });
        } catch (error) {
          this.#unauthenticated.add(raw);
          throw error;
        } finally {
          this.#opening--;
        }
      }
    }
  }

  /** Before all sessions are in use those of one identity are: its own, and not everybody's. */
  #countIn(identity: string, raw: Socket): void {
    const already = this.#signedIn.get(identity) ?? 0;
    if (already >= this.limits.sessionsPerIdentity)
      throw new SallyportError("session.limit", `${identity} has ${already} sessions, as many as one identity may have; close one first.`);
    if (raw.destroyed) return;
    this.#signedIn.set(identity, already + 1);
    raw.once("close", () => {
      const left = (this.#signedIn.get(identity) ?? 1) - 1;
      if (left === 0) this.#signedIn.delete(identity);
      else this.#signedIn.set(identity, left);
    });
  }

  #refuse(socket: Socket, error: SallyportError): void {
    if (error.code === "internal") this.deps.log.error({ err: error }, "connection failed");
    if (socket.writable) socket.end(encodeRefusal(error, "FATAL", nextStep(error)));
    else socket.destroy();
  }

  #cutStalled(): void {
    const before = Date.now() - this.limits.clientStallMillis;
    for (const session of this.#sessions) {
      if (session.stalledSince(before)) session.end("client_timeout", "The client took nothing of its result for too long.");
    }
  }
}

function listOf(lists: Map<string, NamesFromTarget>, resource: string): NamesFromTarget {
  const list = lists.get(resource) ?? new NamesFromTarget();
  lists.set(resource, list);
  return list;
}
