import { finished } from "node:stream/promises";
import type { ClientDuplexStream } from "@grpc/grpc-js";
import { isErrorCode, SallyportError } from "@sallyport/proto/errors";
import type { ControlRequest, ControlResponse, Dismiss, Open, Resource, Welcome } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { Channel, ChannelHandlers } from "@sallyport/proto/tunnel/channel";
import { feed, sinkOf } from "@sallyport/proto/tunnel/data-stream";
import { HANDSHAKE_TIMEOUT_MS, TUNNEL_VERSION } from "@sallyport/proto/tunnel/limits";
import { Mux } from "@sallyport/proto/tunnel/mux";
import type { Logger } from "pino";
import type { TunnelClient } from "./dial.ts";
import type { Attestor } from "../attestation/attestor.ts";
import type { LinkOutcome } from "./outcome.ts";

/** What earlier agents of the same tunnel version cannot do. */
const FEATURES = ["preview", "preview_plan", "preview_assigned", "limits", "lineage"] as const;

/** How long the ends of our streams may take to be confirmed before the connection is dropped. */
export const LEAVE_TIMEOUT_MS = 1_000;

export interface LinkOptions {
  readonly client: TunnelClient;
  readonly agentVersion: string;
  readonly resources: readonly Resource[];
  /** A session was opened: connect, and post Opened, or close the channel. */
  readonly openSession: (open: Open, channel: Channel) => ChannelHandlers;
  readonly attestor: Attestor;
  /** Bytes that a target's session accepts from the gateway before it has given credit back. */
  readonly window?: number;
  readonly drain: AbortSignal;
  readonly cut: AbortSignal;
  readonly drainTimeoutMs: number;
  readonly log: Logger;
  readonly welcomed?: (welcome: Welcome) => void;
}

type Phase =
  | { readonly kind: "greeting"; readonly timer: NodeJS.Timeout }
  | { readonly kind: "live"; readonly mux: Mux; readonly data: ClientDuplexStream<Buffer, Buffer>; readonly since: number }
  | { readonly kind: "ended" };

/**
 * One link to the control plane: control stream, Hello, Welcome, data stream, sessions. Owns both streams and the client.
 *
 * K1. It resolves once, with a value, whatever the other end does; by then every session has been told and nothing is open.
 * K2. Draining is announced once; the link ends when the last session has, when the bound is reached, or when it is cut.
 * K3. Only a Dismiss that says so is fatal: everything else may be a fault of the network and is worth another attempt.
 */
export function runLink(options: LinkOptions): Promise<LinkOutcome> {
  return new Promise((resolve) => new Link(options, resolve).start());
}

class Link {
  readonly #options: LinkOptions;
  readonly #resolve: (outcome: LinkOutcome) => void;
  readonly #control: ClientDuplexStream<ControlRequest, ControlResponse>;
  readonly #onDrain = (): void => this.#drain();
  readonly #onCut = (): void => this.#end({ kind: "drained" }, "The agent was told to stop at once.");
  #phase: Phase;
  #drainTimer: NodeJS.Timeout | undefined;
  #unlink: () => void = () => {};

  constructor(options: LinkOptions, resolve: (outcome: LinkOutcome) => void) {
    this.#options = options;
    this.#resolve = resolve;
    this.#control = options.client.control();
    this.#phase = { kind: "greeting", timer: setTimeout(() => this.#failed("The control plane did not answer in time."), HANDSHAKE_TIMEOUT_MS) };
  }

  start(): void {
    const { drain, cut, agentVersion, resources } = this.#options;
    drain.addEventListener("abort", this.#onDrain);
    cut.addEventListener("abort", this.#onCut);
    this.#control.on("data", (response: ControlResponse) => this.#receive(response));
    this.#control.on("end", () => this.#failed("The control plane ended the link."));
    this.#control.on("error", (error) => this.#failed(error.message));
    this.#control.write({
      body: { $case: "hello", value: { agentVersion, tunnelVersion: TUNNEL_VERSION, resources: [...resources], features: [...FEATURES] } },
    });
    if (cut.aborted) this.#onCut();
    else if (drain.aborted) this.#drain();
  }

  #receive({ body }: ControlResponse): void {
    if (body?.$case === "welcome" && this.#phase.kind === "greeting") this.#welcomed(body.value, this.#phase.timer);
    else if (body?.$case === "attested") this.#options.attestor.heard(body.value);
    else if (body?.$case === "dismiss") this.#dismissed(body.value);
    else if (body?.$case !== "pong") this.#failed("The control plane sent a control message that is not due.");
  }

  #welcomed(welcome: Welcome, timer: NodeJS.Timeout): void {
    clearTimeout(timer);
    const { client, window, openSession, attestor, log, welcomed } = this.#options;
    for (const { name, code, message } of welcome.refused) log.error({ resource: name, code, reason: message }, "the control plane refuses a resource");
    const data = client.data();
    const mux = new Mux({
      role: "acceptor",
      sink: sinkOf(data),
      accept: openSession,
      defect: (error, session) => log.error({ err: error, session }, "a defect ended a session"),
      emptied: () => this.#leaveIfDrained(),
      ...(window === undefined ? {} : { window }),
    });
    this.#phase = { kind: "live", mux, data, since: performance.now() };
    feed(data, mux, (violation) => {
      log.error({ err: violation, details: violation.details }, "the control plane broke the tunnel protocol");
      this.#failed(violation.message);
    });
    data.on("end", () => this.#failed("The control plane ended the data stream."));
    data.on("error", (error) => this.#failed(error.message));
    this.#unlink = attestor.linked((attestation) => {
      // To a control plane that does not read they must not pile up here: they are made again, and wait in the attestor's own bound.
      if (!this.#control.writableNeedDrain) this.#control.write({ body: { $case: "attestation", value: attestation } });
    });
    log.info({ nodeId: welcome.nodeId }, "linked to the control plane");
    welcomed?.(welcome);
  }

  #dismissed({ code, message, retryable }: Dismiss): void {
    if (retryable) this.#failed(message);
    else this.#end({ kind: "fatal", error: new SallyportError(isErrorCode(code) ? code : "internal", message) }, message);
  }

  #drain(): void {
    const phase = this.#phase;
    if (phase.kind !== "live") return this.#end({ kind: "drained" }, "The agent is shutting down.");
    const { log, drainTimeoutMs } = this.#options;
    log.info({ sessions: phase.mux.sessions }, "draining");
    this.#control.write({ body: { $case: "draining", value: { reason: "shutdown" } } });
    this.#drainTimer = setTimeout(() => {
      log.warn({ sessions: phase.mux.sessions }, "sessions outlived the drain and are cut");
      this.#end({ kind: "drained" }, "The agent is shutting down.");
    }, drainTimeoutMs);
    this.#leaveIfDrained();
  }

  #leaveIfDrained(): void {
    if (this.#drainTimer !== undefined && this.#phase.kind === "live" && this.#phase.mux.sessions === 0)
      this.#end({ kind: "drained" }, "The agent is shutting down.");
  }

  #failed(reason: string): void {
    if (this.#options.drain.aborted) return this.#end({ kind: "drained" }, reason);
    const heldMs = this.#phase.kind === "live" ? performance.now() - this.#phase.since : 0;
    this.#end({ kind: "retryable", reason, heldMs }, reason);
  }

  #end(outcome: LinkOutcome, message: string): void {
    const phase = this.#phase;
    if (phase.kind === "ended") return;
    this.#phase = { kind: "ended" };
    if (phase.kind === "greeting") clearTimeout(phase.timer);
    clearTimeout(this.#drainTimer);
    this.#options.drain.removeEventListener("abort", this.#onDrain);
    this.#options.cut.removeEventListener("abort", this.#onCut);
    const streams: ClientDuplexStream<never, unknown>[] = [this.#control];
    if (phase.kind === "live") {
      phase.mux.end({ code: "session.ended", message });
      this.#unlink(); // after the sessions, whose last statements go with this link
      streams.push(phase.data);
    }
    void leave(streams).then(() => {
      this.#options.client.close();
      this.#resolve(outcome);
    });
  }
}

/** Ends the streams in order, so that what was written arrives, and gives up on a peer that does not answer. */
async function leave(streams: readonly ClientDuplexStream<never, unknown>[]): Promise<void> {
  const bound = AbortSignal.timeout(LEAVE_TIMEOUT_MS);
  await Promise.all(
    streams.map(async (stream) => {
      stream.on("error", () => {}); // its status is no news any more
      stream.resume();
      stream.end();
      await finished(stream, { signal: bound }).catch(() => stream.cancel());
    }),
  );
}
