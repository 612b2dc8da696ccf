import { readFileSync } from "node:fs";
import { createSecureContext, type SecureContext } from "node:tls";
import { SallyportError } from "@sallyport/proto/errors";
import { decodeFields } from "@sallyport/proto/wire/postgres/backend";
import { pino } from "pino";
import type { Identities, ResourceView } from "../../control-plane/src/application/ports.ts";
import { type Decision, type DecisionRequest, noObligations, type Principal } from "../../control-plane/src/domain/decision.ts";
import type { SessionEndCause } from "../../control-plane/src/domain/session/session.events.ts";
import { createStatementAnalyser } from "../../control-plane/src/gateway/postgres/facts/analyser.ts";
import type { StatementAnalyser } from "../../control-plane/src/gateway/postgres/facts/analysis.ts";
import { type GatewayDeps, PostgresGateway } from "../../control-plane/src/gateway/postgres/gateway.ts";
import type { PostgresLimits } from "../../control-plane/src/gateway/postgres/limits.ts";
import { ForwardingTally } from "@sallyport/edge-agent/src/attestation/forwarding-tally.ts";
import { HeldBytes } from "../../edge-agent/src/targets/held-bytes.ts";
import { PostgresTarget } from "../../edge-agent/src/targets/postgres/postgres-target.ts";
import { testCertificate } from "../support/certificate.ts";
import type { Cleanup } from "../support/cleanup.ts";
import { type Flavour, startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { tempDir } from "../support/temp-dir.ts";
import { WireClient, type WireMessage } from "../support/wire-client.ts";
import { MemoryApprovals, RecordProbe, Watched } from "./gateway-session-ports.ts";
import { Heard, openChannel, type OpenTarget, ScriptedTarget } from "./gateway-session-target.ts";
import { resourceOf, timeouts } from "./postgres-target-server.ts";

/** What all gateways of a suite share. */
export interface Ground {
  readonly analyser: StatementAnalyser;
  readonly ca: string;
  readonly secureContext: SecureContext;
}

export async function prepareGround(cleanup: Cleanup): Promise<Ground> {
  const analyser = createStatementAnalyser();
  cleanup.after(() => analyser.close());
  const { caFile, certFile, keyFile } = await testCertificate(tempDir(cleanup, "gateway-session"));
  await analyser.ready();
  return { analyser, ca: readFileSync(caFile, "utf8"), secureContext: createSecureContext({ cert: readFileSync(certFile), key: readFileSync(keyFile) }) };
}

/** A server on which the role `app` logs in without a password, reached through the real agent's code. */
export async function startRealTarget(cleanup: Cleanup, flavour?: Flavour): Promise<{ readonly server: TestPostgres; readonly open: OpenTarget }> {
  const server = await startTestPostgres(cleanup, { auth: "trust", ...(flavour === undefined ? {} : { flavour }) });
  const resource = resourceOf(server, { database: "app", user: "app" });
  const target = new PostgresTarget(resource, { log: pino({ level: "silent" }), timeouts, maskKey: Buffer.alloc(32), heldBytes: new HeldBytes(Infinity) });
  return { server, open: (open, channel) => target.open(open, channel, new ForwardingTally(() => {})) };
}

/** A policy is what it says to facts; `allow` of everything unless given. */
export type Rule = (request: DecisionRequest) => Decision["effect"] | Partial<Decision>;

export interface BedOptions {
  /** The real one; a scripted one without it. */
  readonly target?: OpenTarget;
  /** Settings in the scripted target's greeting. */
  readonly greeting?: Readonly<Record<string, string>>;
  /** The scripted target's agent says that it tells what columns are made of. */
  readonly traces?: boolean;
  readonly rule?: Rule;
  readonly overlapReads?: boolean;
  readonly limits?: Partial<PostgresLimits>;
  /** Nobody has one unless given. */
  readonly grants?: Partial<GatewayDeps["grants"]>;
  /** Of the policy's masks; nobody asks what is done with them unless given. */
  readonly maskedTables?: readonly string[];
  /** Rules name relations with their schemas; not unless given. */
  readonly namesSchemas?: boolean;
  /** Of `open`; `allow` unless given. */
  readonly mayOpen?: Rule;
}

const limits: PostgresLimits = {
  authenticationMillis: 10_000,
  unauthenticatedConnections: 10,
  sessions: 10,
  sessionsPerIdentity: 10,
  messageBytes: 1 << 26,
  largeMessageBytes: 1 << 28,
  openMillis: 60_000,
  holdMillis: 60_000,
  transactionHoldMillis: 60_000,
  clientStallMillis: 60_000,
  outputChunkBytes: 262_144,
};

const RESOURCE = "orders";
const ana: Principal = { id: "ana", kind: "human", groups: [] };

/** One session as the test sees it from all sides. */
export interface Bench {
  readonly client: WireClient;
  readonly record: RecordProbe;
  readonly heard: Heard;
  /** What the target of a scripted session says. */
  readonly target: ScriptedTarget;
}

/** The gateway as it runs, between clients in TLS on a loopback port and targets on channels in memory. */
export class GatewayBed {
  readonly gateway: PostgresGateway;
  readonly approvals = new MemoryApprovals();
  /** Of each session, in the order in which they were asked for. */
  readonly records: RecordProbe[] = [];
  readonly heard: Heard[] = [];
  readonly scripted: ScriptedTarget[] = [];
  rule: Rule;
  policyVersion = "p1";
  disabled = false;
  port = 0;
  /** Sessions that can be ended from outside, and how. */
  readonly running = new Map<string, (cause: SessionEndCause, message: string) => void>();
  /** Tells when a target is asked for. */
  readonly targets = new Watched();
  /** Prepares the record of each new session. */
  onRecord: (record: RecordProbe) => void = () => undefined;
  readonly #ground: Ground;
  readonly #cleanup: Cleanup;
  readonly #mayOpen: Rule;

  private constructor(cleanup: Cleanup, ground: Ground, options: BedOptions) {
    this.#cleanup = cleanup;
    this.#ground = ground;
    this.#mayOpen = options.mayOpen ?? (() => "allow");
    this.rule = options.rule ?? (() => "allow");
    const resource: ResourceView = { name: RESOURCE, protocol: "postgres", labels: {}, agentId: "agent" };
    const scripted: OpenTarget = (_open, channel) => {
      this.scripted.push(new ScriptedTarget(channel, options.greeting, options.traces));
      return { data: () => undefined, control: () => undefined, drained: () => undefined, closed: () => undefined };
    };
    this.gateway = new PostgresGateway({
      nodeId: "node",
      identities: this.#identities(),
      resources: { find: () => resource, requireReadable: () => undefined, list: () => [resource], offer: unused },
      policies: {
        current: () => ({
          version: this.policyVersion,
          speaksOf: new Set(),
          maskedTables: options.maskedTables,
          namesSchemas: options.namesSchemas ?? false,
          decide: (request) => this.#decide(request),
        }),
        published: () => undefined,
        check: unused,
        publish: unused,
      },
      approvals: this.approvals,
      grants: {
        current: () => undefined,
        use: unused,
        requireOpen: unused,
        onEnd: unused,
        requestable: () => ({ effect: "deny", policyVersion: this.policyVersion, rules: [], reason: "", obligations: noObligations, quorum: 0 }),
        ...options.grants,
      },
      links: {
        isConnected: () => true,
        supports: () => false,
        dismiss: () => undefined,
        open: (_agent, open, handlers) => {
          const heard = new Heard();
          this.heard.push(heard);
          this.targets.changed();
          return openChannel(options.target ?? scripted, open, handlers, heard);
        },
      },
      analyser: ground.analyser,
      clock: { now: () => new Date() },
      log: pino({ level: "silent" }),
      limits: { ...limits, ...options.limits },
      secureContext: () => ground.secureContext,
      overlapReads: options.overlapReads ?? true,
      guard: () => undefined,
      openRecord: () => {
        const record = new RecordProbe();
        this.records.push(record);
        this.onRecord(record);
        return { session: record, recording: record.recording };
      },
      register: ({ sessionId }, end) => {
        this.running.set(sessionId, end);
        return () => void this.running.delete(sessionId);
      },
    });
  }

  static async start(cleanup: Cleanup, ground: Ground, options: BedOptions = {}): Promise<GatewayBed> {
    const bed = new GatewayBed(cleanup, ground, options);
    bed.port = await bed.gateway.listen("127.0.0.1", 0);
    cleanup.after(() => bed.gateway.close());
    return bed;
  }

  /** A client that is signed in, and its session. One at a time. */
  async open(parameters: Readonly<Record<string, string>> = {}): Promise<Bench> {
    const index = this.records.length;
    const client = await WireClient.open(this.#cleanup, {
      host: "127.0.0.1",
      port: this.port,
      ca: this.#ground.ca,
      parameters: { user: "ana", database: RESOURCE, ...parameters },
      password: "token",
    });
    const record = this.records[index];
    const heard = this.heard[index];
    if (record === undefined || heard === undefined) throw new Error("no session was opened");
    return { client, record, heard, target: this.scripted[index] as ScriptedTarget };
  }

  /** A client in TLS that has said nothing yet. */
  connect(): Promise<WireClient> {
    return WireClient.connect(this.#cleanup, { host: "127.0.0.1", port: this.port, ca: this.#ground.ca });
  }

  endAll(cause: SessionEndCause, message = "Ended."): void {
    for (const end of this.running.values()) end(cause, message);
  }

  #decide(request: DecisionRequest): Decision {
    const said = request.action === "run" ? this.rule(request) : this.#mayOpen(request);
    const decision = typeof said === "string" ? { effect: said } : said;
    return {
      effect: "allow",
      policyVersion: this.policyVersion,
      rules: ["rule"],
      reason: "",
      obligations: noObligations,
      quorum: decision.effect === "needs_approval" ? 1 : 0,
      ...decision,
    };
  }

  #identities(): Identities {
    return {
      authenticate: async (token) => {
        if (token !== "token") throw new SallyportError("auth.failed", "No.");
        return { principal: ana, tokenId: "t1", expiresAt: new Date(Date.now() + 3_600_000) };
      },
      find: () => ({ ...ana, disabled: this.disabled }),
      list: () => [],
      put: unused,
      issueToken: unused,
      tokensOf: unused,
      ownerOfToken: unused,
      revokeToken: unused,
      disable: unused,
    };
  }
}

function unused(): never {
  throw new Error("no session asks for this");
}

/** A session that hangs fails its test instead of the run. What takes a second took twenty on a machine with much else to do. */
export const HANG_MS = 60_000;

/** Each message's type, an error's with its SQLSTATE, ReadyForQuery's with its status: `1 2 D C:INSERT E:22012 Z:I`. */
export function transcript(messages: readonly WireMessage[]): string {
  return messages
    .map(({ type, bytes }) => {
      if (type === "E" || type === "N") return `${type}:${decodeFields(bytes.subarray(5)).get("C") ?? ""}`;
      if (type === "Z") return `Z:${bytes.toString("latin1", 5)}`;
      if (type === "C") return `C:${bytes.toString("latin1", 5, bytes.length - 1)}`;
      return type;
    })
    .join(" ");
}

/** Sends this and answers what comes up to the so-manyth ReadyForQuery. */
export async function ask(client: WireClient, bytes: Buffer, readies = 1): Promise<string> {
  const from = client.messages.length;
  client.write(bytes);
  await client.until((messages) => messages.slice(from).filter(({ type }) => type === "Z").length >= readies);
  return transcript(client.messages.slice(from));
}

/** First column of every row. */
export const firstCells = (messages: readonly WireMessage[]): string[] =>
  messages.filter(({ type }) => type === "D").map(({ bytes }) => bytes.toString("latin1", 11, 11 + bytes.readInt32BE(7)));
