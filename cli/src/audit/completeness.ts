import { certificateFingerprint, isSignedBy } from "@sallyport/proto/tunnel/forwarding-statement";

/** As much of a recorded event as this needs. */
export interface AuditedEvent {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** When the control plane gave the command, ISO 8601. */
  readonly at: string;
}

export type Discrepancy =
  /** The agent forwarded more commands than the ledger has. */
  | "forwarded_unrecorded"
  /** The ledger has results of commands that the agent never forwarded. */
  | "recorded_unforwarded"
  /** Not signed by a certificate that was given to the session's agent. */
  | "statement_forged"
  /** Commands ran, and the agent never made its last statement. */
  | "statement_missing";

export interface Gap {
  readonly sessionId: string;
  readonly what: Discrepancy;
  /** Commands that the agent stated; -1 without a statement. */
  readonly stated: number;
  /** The fewest and the most that the ledger allows for: what was authorised and never answered may have been forwarded or not. */
  readonly recorded: readonly [fewest: number, most: number];
  /** The outage in the ledger that explains it; undefined when nothing does. */
  readonly outage: string | undefined;
}

export interface CompletenessReport {
  /** Sessions whose last statement agrees with the ledger. */
  readonly complete: number;
  /** Not ended, or ended so lately that the last statement may be on its way. */
  readonly pending: number;
  readonly gaps: readonly Gap[];
  /** Beyond MAX_GAPS, counted only. */
  readonly moreGaps: number;
}

/** As many as somebody looks at one by one. */
export const MAX_GAPS = 1_000;
/** Three intervals of an agent's statements. */
export const STATEMENT_GRACE_MS = 30_000;

interface Statement {
  readonly sequence: number;
  readonly commands: number;
  readonly final: boolean;
  readonly genuine: boolean;
}

interface Session {
  readonly agentId: string;
  /** Held, by command: whether its forwarding is counted by the agent. */
  readonly held: Map<number, boolean>;
  readonly underWay: Set<number>;
  ran: number;
  maybe: number;
  statement: Statement | undefined;
  outage: string | undefined;
  endedAt: string | undefined;
}

/** Ends that keep an agent, or the control plane, from hearing or saying the last statement. */
const outages = new Set(["agent_lost", "control_plane_lost", "ledger_lost"]);
/** A link that ended so took statements with it. */
const lostLinks = new Set(["lost", "protocol_violation", "control_plane_lost", "revoked"]);

/**
 * Holds the ledger against what the agents signed that they forwarded. Fed with every event in log order.
 * Its memory grows with the sessions that are open or incomplete, not with the events.
 */
export class Completeness {
  readonly #sessions = new Map<string, Session>();
  /** Agent by certificate fingerprint. */
  readonly #certificates = new Map<string, string>();
  /** Half of their record was removed after what is in the bundle. */
  readonly #unknowable = new Set<string>();
  #complete = 0;
  #last = "";

  /** What a bundle shows beside its events, before the first of them. */
  shown({ type, data }: AuditedEvent): void {
    if (type === "StreamsRemoved") for (const sessionId of removedSessions(data)) this.#unknowable.add(sessionId);
  }

  add({ type, data, at }: AuditedEvent, stream: string): void {
    this.#last = at;
    if (type === "AgentCertificateIssued") this.#certificates.set(String(data["fingerprint"]), String(data["agentId"]));
    else if (type === "AgentDisconnected") this.#disconnected(data);
    else if (type === "ForwardingAttested") this.#attested(data);
    else if (type === "StreamsRemoved") this.#removed(data);
    else if (type === "SessionOpened") this.#opened(String(data["sessionId"]), String(data["agentId"]));
    else if (stream.startsWith(SESSION_PREFIX)) this.#inSession(type, data, at, stream.slice(SESSION_PREFIX.length));
  }

  report(): CompletenessReport {
    const gaps: Gap[] = [];
    let [complete, pending, moreGaps] = [this.#complete, 0, 0];
    for (const [sessionId, session] of this.#sessions) {
      const verdict = this.#judge(session);
      if (verdict === "complete") complete++;
      else if (verdict === "pending") pending++;
      else if (gaps.length === MAX_GAPS) moreGaps++;
      else gaps.push({ sessionId, what: verdict, stated: session.statement?.commands ?? -1, recorded: bounds(session), outage: session.outage });
    }
    return { complete, pending, gaps, moreGaps };
  }

  #opened(sessionId: string, agentId: string): void {
    if (!this.#unknowable.has(sessionId)) this.#sessions.set(sessionId, newSession(agentId));
  }

  #inSession(type: string, data: AuditedEvent["data"], at: string, sessionId: string): void {
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return;
    const id = Number(data["commandId"]);
    // A Bind that is never executed is judged as a command, but the agent counts executions.
    const counted = data["via"] !== "bind";
    switch (type) {
      case "CommandAuthorized":
        if (counted) session.underWay.add(id);
        break;
      case "CommandHeld":
        session.held.set(id, counted);
        break;
      case "CommandReleased":
        if (session.held.get(id) === true) session.underWay.add(id);
        session.held.delete(id);
        break;
      case "CommandDenied":
        session.underWay.delete(id);
        session.held.delete(id);
        break;
      case "CommandCompleted":
        if (!session.underWay.delete(id)) break;
        if (data["outcome"] === "succeeded" || data["outcome"] === "failed") session.ran++;
        else session.maybe++;
        break;
      case "SessionEnded":
        session.endedAt = at;
        if (outages.has(String(data["cause"]))) session.outage ??= `the session ended: ${String(data["cause"])}`;
        break;
    }
    this.#forgetComplete(sessionId, session);
  }

  #disconnected({ agentId, cause }: AuditedEvent["data"]): void {
    if (!lostLinks.has(String(cause))) return;
    for (const session of this.#sessions.values()) if (session.agentId === agentId) session.outage ??= `the agent's link ended: ${String(cause)}`;
  }

  /** Of a session one half of whose record was removed on purpose, nothing can be said. */
  #removed(data: AuditedEvent["data"]): void {
    for (const sessionId of removedSessions(data)) this.#sessions.delete(sessionId);
  }

  #attested(data: AuditedEvent["data"]): void {
    const sessionId = String(data["sessionId"]);
    const session = this.#sessions.get(sessionId);
    const sequence = Number(data["sequence"]);
    if (session === undefined || sequence <= (session.statement?.sequence ?? 0)) return;
    const agentId = String(data["agentId"]);
    const statement = {
      agentId,
      sessionId,
      sequence,
      commands: Number(data["commands"]),
      bytes: Number(data["bytes"]),
      digest: String(data["digest"]),
      final: data["final"] === true,
      at: String(data["statedAt"]),
    };
    const certificate = Buffer.from(String(data["certificate"]), "base64");
    const genuine =
      agentId === session.agentId &&
      this.#certificates.get(certificateFingerprint(certificate)) === agentId &&
      isSignedBy(certificate, statement, Buffer.from(String(data["signature"]), "base64"));
    session.statement = { sequence, commands: statement.commands, final: statement.final, genuine: genuine && session.statement?.genuine !== false };
    this.#forgetComplete(sessionId, session);
  }

  /** Nothing more can be said about it. */
  #forgetComplete(sessionId: string, session: Session): void {
    if (session.endedAt === undefined || session.statement?.final !== true || this.#judge(session) !== "complete") return;
    this.#complete++;
    this.#sessions.delete(sessionId);
  }

  #judge(session: Session): Discrepancy | "complete" | "pending" {
    const { statement, endedAt } = session;
    const [fewest, most] = bounds(session);
    if (statement?.genuine === false) return "statement_forged";
    if (statement !== undefined && statement.commands > most) return "forwarded_unrecorded";
    if (statement?.final === true) return statement.commands < fewest ? "recorded_unforwarded" : "complete";
    if (endedAt === undefined) return "pending";
    if (fewest === 0) return "complete";
    return Date.parse(this.#last) - Date.parse(endedAt) < STATEMENT_GRACE_MS ? "pending" : "statement_missing";
  }
}

const removedSessions = ({ streams }: AuditedEvent["data"]): string[] =>
  (streams as readonly { readonly stream: string }[]).flatMap(({ stream }) => /^(?:session|forwarding)-(.+)$/u.exec(stream)?.[1] ?? []);

const SESSION_PREFIX = "session-";

const bounds = ({ ran, maybe, underWay }: Session): readonly [number, number] => [ran, ran + maybe + underWay.size];

const newSession = (agentId: string): Session => ({
  agentId,
  held: new Map(),
  underWay: new Set(),
  ran: 0,
  maybe: 0,
  statement: undefined,
  outage: undefined,
  endedAt: undefined,
});
