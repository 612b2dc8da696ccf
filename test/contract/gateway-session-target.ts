import type { Open } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { Channel, ChannelHandlers, CloseReason, ControlBody } from "@sallyport/proto/tunnel/channel";
import { encodeParameterStatus, encodeReadyForQuery } from "@sallyport/proto/wire/postgres/backend";
import { type Frame, FrameDecoder } from "@sallyport/proto/wire/postgres/frames";
import { Watched } from "./gateway-session-ports.ts";

/** Like the tunnel's: enough for one session not to stall, little enough for a test to fill. */
const WINDOW_BYTES = 1_048_576;

/** One end of a channel in memory: in order, asynchronous, with a window, and silent after its end. */
class End implements Channel {
  readonly session = 1;
  handlers: ChannelHandlers | undefined;
  peer: End | undefined;
  closed = false;
  /** By the other side. */
  gone = false;
  #outstanding = 0;

  send(bytes: Buffer): boolean {
    this.#outstanding += bytes.length;
    this.#deliver((handlers) => handlers.data(bytes));
    return this.#outstanding < WINDOW_BYTES;
  }

  post(body: ControlBody): void {
    this.#deliver((handlers) => handlers.control(body));
  }

  consumed(bytes: number): void {
    this.peer?.given(bytes);
  }

  close(reason: CloseReason): void {
    this.#deliver((handlers) => {
      if (this.peer !== undefined) this.peer.gone = true;
      handlers.closed(reason);
    });
    this.closed = true;
  }

  given(bytes: number): void {
    const full = this.#outstanding >= WINDOW_BYTES;
    this.#outstanding -= bytes;
    if (full && this.#outstanding < WINDOW_BYTES) setImmediate(() => this.closed || this.gone || this.handlers?.drained());
  }

  #deliver(tell: (handlers: ChannelHandlers) => void): void {
    if (this.closed) throw new Error("said something on a closed channel");
    const { peer } = this;
    setImmediate(() => {
      if (peer?.handlers !== undefined && !peer.closed && !peer.gone) tell(peer.handlers);
    });
  }
}

/** What one session has said to its target. */
export class Heard extends Watched {
  readonly frames: Frame[] = [];
  readonly posted: ControlBody[] = [];
  closed = false;
  readonly #decoder = new FrameDecoder(1 << 27);

  take(bytes: Buffer): void {
    this.frames.push(...this.#decoder.push(bytes).map(({ type, raw, payload }) => ({ type, raw: Buffer.from(raw), payload: Buffer.from(payload) })));
    this.changed();
  }

  /** The types of all messages, in order. */
  get types(): string {
    return this.frames.map(({ type }) => String.fromCharCode(type)).join("");
  }

  get text(): string {
    return this.frames.map(({ payload }) => payload.toString("latin1")).join("\n");
  }
}

export type OpenTarget = (open: Open, agent: Channel) => ChannelHandlers;

/** A channel to what `target` opens; `heard` is everything that goes to it. */
export function openChannel(target: OpenTarget, open: Open, handlers: ChannelHandlers, heard: Heard): Channel {
  const gateway = new End();
  const agent = new End();
  gateway.peer = agent;
  agent.peer = gateway;
  gateway.handlers = handlers;
  const served = target(open, agent);
  agent.handlers = {
    data: (bytes) => {
      heard.take(bytes);
      served.data(bytes);
    },
    control: (body) => {
      heard.posted.push(body);
      heard.changed();
      served.control(body);
    },
    drained: () => served.drained(),
    closed: (reason) => {
      heard.closed = true;
      heard.changed();
      served.closed(reason);
    },
  };
  return gateway;
}

/** A target whose every word is the test's. With it come the reports that an agent would add. */
export class ScriptedTarget {
  readonly #channel: Channel;
  readonly #decoder = new FrameDecoder(1 << 27);

  constructor(channel: Channel, parameters: Readonly<Record<string, string>> = {}, traces = false) {
    this.#channel = channel;
    const settings = { client_encoding: "UTF8", standard_conforming_strings: "on", ...parameters };
    const greeting = [...Object.entries(settings).map(([name, value]) => encodeParameterStatus(name, value)), encodeReadyForQuery("I")];
    channel.post({ $case: "opened", value: { greeting: Buffer.concat(greeting), transport: "plaintext", credit: WINDOW_BYTES, traces } });
  }

  say(...messages: readonly Buffer[]): void {
    const bytes = Buffer.concat(messages);
    this.#channel.send(bytes);
    for (const { type } of this.#decoder.push(bytes)) {
      if (!"CIsE".includes(String.fromCharCode(type))) continue;
      this.#channel.post({ $case: "report", value: { rows: 0n, withheldRows: 0n, bytes: 0n, digest: Buffer.alloc(0), masked: [] } });
    }
  }

  /** As the agent's link would, when it breaks. */
  breakOff(reason: CloseReason): void {
    this.#channel.close(reason);
  }
}
