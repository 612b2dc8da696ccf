import type { Open, Opened } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { Channel, ChannelHandlers, CloseReason, ControlBody } from "@sallyport/proto/tunnel/channel";
import { FrameDecoder } from "@sallyport/proto/wire/postgres/frames";

/** The control plane's end of one session, in memory: the same interface, order and credits as over the tunnel. */
export class MemoryChannel implements Channel {
  readonly session = 1;
  readonly posted: ControlBody[] = [];
  readonly #queue: Buffer[] = [];
  readonly #waiting = new Set<() => void>();
  #handlers: ChannelHandlers | undefined;
  #credit: number;
  #full = false;
  #window = 0;
  #outstanding = 0;
  queuedBytes = 0;
  deliveredBytes = 0;
  reason: CloseReason | undefined;
  /** Every chunk as it is delivered. */
  onData: (bytes: Buffer) => void = () => {};

  /** `credit`: bytes that it takes before `grant`; without it, no bound. */
  constructor(credit = Number.POSITIVE_INFINITY) {
    this.#credit = credit;
  }

  attach(handlers: ChannelHandlers): void {
    this.#handlers = handlers;
  }

  send(bytes: Buffer): boolean {
    if (this.reason !== undefined) throw new Error("sent on a closed channel");
    this.#queue.push(bytes);
    this.queuedBytes += bytes.length;
    this.#flush();
    this.#full = this.queuedBytes > 0;
    return !this.#full;
  }

  post(body: ControlBody): void {
    if (this.reason !== undefined) throw new Error("posted on a closed channel");
    this.posted.push(body);
    if (body.$case === "opened") this.#window = body.value.credit;
    this.#changed();
  }

  consumed(bytes: number): void {
    this.#outstanding -= bytes;
    if (this.#outstanding < 0) throw new Error("gave back more than it was given");
    this.#changed();
  }

  close(reason: CloseReason): void {
    if (this.reason !== undefined) throw new Error("closed twice");
    this.reason = reason;
    this.#changed();
  }

  grant(bytes: number): void {
    this.#credit += bytes;
    this.#flush();
    if (this.#full && this.queuedBytes === 0) {
      this.#full = false;
      this.#handlers?.drained();
    }
  }

  /** Bytes that may still be written before the agent gives credit. */
  get room(): number {
    return this.#window - this.#outstanding;
  }

  write(bytes: Buffer): void {
    if (bytes.length > this.room) throw new Error("wrote past the window");
    this.#outstanding += bytes.length;
    this.#handlers?.data(bytes);
  }

  /** As a control plane that breaks the rules. */
  writeUnchecked(bytes: Buffer): void {
    this.#handlers?.data(bytes);
  }

  control(body: ControlBody): void {
    this.#handlers?.control(body);
  }

  /** The control plane ends the session. */
  hangUp(reason: CloseReason = { code: "", message: "" }): void {
    this.reason = reason;
    this.#handlers?.closed(reason);
  }

  /** Resolves when `met` holds, looking at every change. */
  until(met: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!met()) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
    });
  }

  /** The login's end: opened, or closed with a reason. */
  async settled(): Promise<Opened | CloseReason> {
    const opened = () => this.posted.find((body) => body.$case === "opened")?.value;
    await this.until(() => opened() !== undefined || this.reason !== undefined);
    return this.reason ?? opened() ?? Promise.reject(new Error("neither"));
  }

  #flush(): void {
    for (let bytes = this.#queue[0]; bytes !== undefined && bytes.length <= this.#credit; bytes = this.#queue[0]) {
      this.#queue.shift();
      this.#credit -= bytes.length;
      this.queuedBytes -= bytes.length;
      this.deliveredBytes += bytes.length;
      this.onData(bytes);
    }
    this.#changed();
  }

  #changed(): void {
    for (const look of this.#waiting) look();
  }
}

export const openOf = (resource: string, more: Partial<Open> = {}): Open => ({
  resource,
  sessionId: "s1",
  parameters: {},
  obligations: undefined,
  credit: 1 << 20,
  ...more,
});

/** Messages that the client receives, as text: type letter, then payload. Collect before anything is sent. */
export function collectMessages(channel: MemoryChannel): string[] {
  const decoder = new FrameDecoder(1 << 20);
  const messages: string[] = [];
  channel.onData = (bytes) => messages.push(...decoder.push(bytes).map((frame) => String.fromCharCode(frame.type) + frame.payload.toString("latin1")));
  return messages;
}
