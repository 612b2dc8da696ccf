import type { ServerHttp2Session } from "node:http2";
import type { ServerDuplexStream } from "@grpc/grpc-js";
import { type ErrorCode, SallyportError } from "@sallyport/proto/errors";
import type { Attestation, Attested, ControlRequest, ControlResponse, Dismiss, Hello, Open, Welcome } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { Channel, ChannelHandlers, CloseReason } from "@sallyport/proto/tunnel/channel";
import { feed, sinkOf } from "@sallyport/proto/tunnel/data-stream";
import { HANDSHAKE_TIMEOUT_MS } from "@sallyport/proto/tunnel/limits";
import { Mux } from "@sallyport/proto/tunnel/mux";
import type { Logger } from "pino";
import type { AgentFeature, DisconnectCause } from "../application/ports.ts";
import type { AgentPeer } from "./agent-peer.ts";

export type ControlCall = ServerDuplexStream<ControlRequest, ControlResponse>;
export type DataCall = ServerDuplexStream<Buffer, Buffer>;

/** Dismiss and the streams' ends get this long to arrive; then the connection is cut, whatever the agent does. */
export const DISMISS_LINGER_MS = 1_000;
/** The longest that a timer of Node can be set to; an expiry further away is looked at again then. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface AgentLinkOptions {
  readonly peer: AgentPeer;
  readonly control: ControlCall;
  readonly connection: ServerHttp2Session | undefined;
  readonly window: number | undefined;
  readonly now: () => Date;
  readonly log: Logger;
  readonly hello: (link: AgentLink, hello: Hello) => void;
  readonly attestation: (link: AgentLink, attestation: Attestation) => void;
  readonly ended: (link: AgentLink, cause: DisconnectCause) => void;
}

type Phase =
  | { readonly kind: "greeting"; readonly timer: NodeJS.Timeout }
  /** Hello was received, and is being recorded. */
  | { readonly kind: "admitting"; readonly timer: NodeJS.Timeout }
  /** Welcome was sent; the data stream is awaited. */
  | { readonly kind: "welcomed"; readonly timer: NodeJS.Timeout }
  | { readonly kind: "live"; readonly mux: Mux; readonly data: DataCall }
  | { readonly kind: "ended"; readonly cause: DisconnectCause };

export interface EndOptions {
  readonly cause: DisconnectCause;
  /** What every session of the link is told. */
  readonly code: ErrorCode;
  readonly message: string;
  /** Sent to the agent first, when there is something to say. */
  readonly dismiss?: Dismiss;
}

/**
 * One agent's link: its control stream, then its data stream, on one connection.
 *
 * L1. The agent is who its certificate says. The data stream must come over the control stream's own connection.
 * L2. Greeting, admission and data stream together take at most HANDSHAKE_TIMEOUT_MS.
 * L3. `ended` is called once, with the first cause; every session is told before, and the connection is gone within
 *     DISMISS_LINGER_MS after.
 * L4. The link ends when the certificate that it runs on expires, unless the agent has renewed.
 * L5. Nothing is opened on an agent that lacks one of SESSION_FEATURES: it would ignore what policy asks, or die of frames that it cannot read.
 */
export class AgentLink {
  readonly peer: AgentPeer;
  readonly #options: AgentLinkOptions;
  #phase: Phase;
  #draining = false;
  #features: readonly string[] = [];
  #expiry: NodeJS.Timeout | undefined;

  constructor(options: AgentLinkOptions) {
    this.#options = options;
    this.peer = options.peer;
    const timer = setTimeout(() => this.#lost("The agent did not finish its greeting in time."), HANDSHAKE_TIMEOUT_MS).unref();
    this.#phase = { kind: "greeting", timer };
    const { control } = options;
    control.on("data", (request: ControlRequest) => this.#receive(request));
    control.on("end", () => this.#left());
    control.on("cancelled", () => this.#lost("The agent's connection was lost."));
    control.on("error", () => this.#lost("The agent's connection was lost."));
    this.extend(options.peer.certificateExpiresAt);
  }

  get ended(): boolean {
    return this.#phase.kind === "ended";
  }

  /** Open for new sessions. */
  get available(): boolean {
    return this.#phase.kind === "live" && !this.#draining;
  }

  supports(feature: string): boolean {
    return this.available && this.#features.includes(feature);
  }

  welcome(welcome: Welcome): void {
    if (this.#phase.kind !== "admitting") return;
    this.#phase = { kind: "welcomed", timer: this.#phase.timer };
    this.#options.control.write({ body: { $case: "welcome", value: welcome } });
  }

  /** An attestation is durable. One that is not told so is made again. */
  attested(attested: Attested): void {
    const { control } = this.#options;
    if (!this.ended && !control.writableNeedDrain) control.write({ body: { $case: "attested", value: attested } });
  }

  /** Fails with `tunnel.violation` when this is not the data stream that is awaited. */
  attach(data: DataCall, peer: AgentPeer): void {
    if (this.#phase.kind !== "welcomed" || peer.address !== this.peer.address || peer.certificateFingerprint !== this.peer.certificateFingerprint) {
      throw new SallyportError("tunnel.violation", "A data stream needs a control stream of its own on the same connection.");
    }
    clearTimeout(this.#phase.timer);
    const { window, log } = this.#options;
    const mux = new Mux({
      role: "opener",
      sink: sinkOf(data),
      ...(window === undefined ? {} : { window }),
      defect: (error, session) => log.error({ err: error, session }, "a defect ended a session"),
    });
    this.#phase = { kind: "live", mux, data };
    feed(data, mux, (violation) => this.#violated(violation));
    data.on("end", () => this.#left());
    data.on("cancelled", () => this.#lost("The agent's connection was lost."));
    data.on("error", () => this.#lost("The agent's connection was lost."));
  }

  /** Fails with `agent.offline`, `agent.version` or `session.limit`. */
  open(session: number, open: Open, handlers: ChannelHandlers): Channel {
    if (this.#phase.kind !== "live" || this.#draining) {
      throw new SallyportError("agent.offline", this.#draining ? "The agent is shutting down and takes no new session." : "The agent is not connected.");
    }
    const lacking = SESSION_FEATURES.filter((feature) => !this.#features.includes(feature));
    if (lacking.length > 0) throw tooOld(lacking);
    return this.#phase.mux.open(session, open, handlers);
  }

  /** The agent holds a newer certificate: the link may live as long as that one. */
  extend(until: Date): void {
    clearTimeout(this.#expiry);
    if (this.ended) return;
    const left = until.getTime() - this.#options.now().getTime();
    this.#expiry = setTimeout(() => (left > MAX_TIMER_MS ? this.extend(until) : this.#expired()), Math.min(Math.max(left, 0), MAX_TIMER_MS)).unref();
  }

  end({ cause, code, message, dismiss }: EndOptions): void {
    const phase = this.#phase;
    if (phase.kind === "ended") return;
    this.#phase = { kind: "ended", cause };
    clearTimeout(this.#expiry);
    if ("timer" in phase) clearTimeout(phase.timer);
    const reason: CloseReason = { code, message };
    if (phase.kind === "live") {
      phase.mux.end(reason);
      phase.data.end();
    }
    const { control, connection, ended } = this.#options;
    if (dismiss !== undefined && control.writable) control.write({ body: { $case: "dismiss", value: dismiss } });
    control.end();
    setTimeout(() => connection?.destroy(), DISMISS_LINGER_MS).unref();
    ended(this, cause);
  }

  #receive({ body }: ControlRequest): void {
    const phase = this.#phase;
    if (phase.kind === "ended") return;
    if (body?.$case === "hello" && phase.kind === "greeting") {
      this.#phase = { kind: "admitting", timer: phase.timer };
      this.#features = body.value.features;
      this.#options.hello(this, body.value);
    } else if (body?.$case === "draining" && phase.kind !== "greeting") {
      this.#draining = true;
    } else if (body?.$case === "attestation" && phase.kind !== "greeting") {
      this.#options.attestation(this, body.value);
    } else if (body?.$case === "ping" && phase.kind !== "greeting") {
      // An agent that pings faster than it reads gets no more answers than fit.
      if (!this.#options.control.writableNeedDrain) this.#options.control.write({ body: { $case: "pong", value: { nonce: body.value.nonce } } });
    } else {
      this.#violated(new SallyportError("tunnel.violation", "The agent sent a control message that is not due.", { kind: body?.$case ?? "unknown" }));
    }
  }

  #violated(violation: SallyportError): void {
    this.#options.log.warn({ err: violation, details: violation.details }, "agent broke the tunnel protocol");
    this.end({
      cause: "protocol_violation",
      code: "agent.offline",
      message: "The agent broke the tunnel protocol and was cut off.",
      dismiss: { code: "tunnel.violation", message: violation.message, retryable: true },
    });
  }

  #left(): void {
    this.end({ cause: this.#draining ? "drained" : "closed", code: "agent.offline", message: "The agent has left." });
  }

  #lost(message: string): void {
    this.end({ cause: "lost", code: "agent.offline", message });
  }

  #expired(): void {
    this.end({
      cause: "closed",
      code: "agent.offline",
      message: "The agent's certificate has expired.",
      dismiss: { code: "auth.expired", message: "The certificate of this link has expired.", retryable: true },
    });
  }
}

/** Limits that policy sets are kept (`limits`), and columns that are made of masked ones are masked (`lineage`). */
const SESSION_FEATURES: readonly AgentFeature[] = ["limits", "lineage"];

function tooOld(lacking: readonly AgentFeature[]): SallyportError {
  const features = lacking.join(", ");
  return new SallyportError(
    "agent.version",
    "The agent that serves the resource is of an older release and cannot do what policy may ask of it. Update the agent.",
    {
      lacks: features,
    },
  );
}
