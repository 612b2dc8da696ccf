import { type ErrorCode, isErrorCode, SallyportError } from "../errors.ts";
import type { Channel, ChannelHandlers, CloseReason, ControlBody } from "./channel.ts";
import { encodeBody, type InFrame, type OutFrame } from "./data-codec.ts";
import { ABORT_STALL_MS, CLOSE_STALL_MS, MAX_DATA_BYTES, MAX_QUEUED_BYTES, MAX_WINDOW_BYTES, SEND_HIGH_WATER_BYTES, SEND_LOW_WATER_BYTES } from "./limits.ts";
import { SendQueue } from "./send-queue.ts";

/** Which end of the link this is: the control plane opens sessions, the agent accepts them. */
export type Role = "opener" | "acceptor";

/** Which end sends which control frame; Open is the multiplexer's own. */
const senders: Readonly<Record<ControlBody["$case"], Role | undefined>> = {
  open: undefined,
  opened: "acceptor",
  obligations: "opener",
  report: "acceptor",
  describeCopy: "opener",
  resultLineage: "opener",
  previewed: "acceptor",
  trace: "opener",
  traced: "acceptor",
  cancel: "opener",
};

export interface ChannelOwner {
  readonly role: Role;
  readonly window: number;
  /** The channel has something to send. */
  ready(channel: MuxChannel): void;
  /** Both ends have closed: the id means nothing any more. */
  gone(channel: MuxChannel): void;
  /** A handler threw. */
  defect(error: unknown, session: number): void;
}

/**
 * One session's end of the link. Owns its send queue and both credit accounts.
 *
 * M1. The session is over on the link when each end has sent Close once and seen the other's: until then frames that
 *     crossed our Close are expected, and dropped; afterwards the id is unknown.
 * M2. Data goes out within the peer's credit only; control frames need none, and keep their place among the data.
 * M3. Credit is given back in halves of a window: a small read costs no frame of its own.
 * M4. Nothing reaches the handlers after the owner's `close`, after `closed`, or after a handler threw.
 * M5. A close behind data that the peer takes no credit for waits a bounded time, then the data is dropped.
 */
export class MuxChannel implements Channel {
  readonly session: number;
  readonly #owner: ChannelOwner;
  readonly #queue = new SendQueue();
  #handlers: ChannelHandlers | undefined;
  #receiveWindow: number;
  #receiveCredit: number;
  /** Delivered and not yet consumed, then consumed and not yet given back. */
  #held = 0;
  #owed = 0;
  #sendCredit = 0;
  #openedSeen = false;
  #full = false;
  #closing: CloseReason | undefined;
  #closeSent = false;
  #peerClosed = false;
  #stall: NodeJS.Timeout | undefined;

  /** `receiveWindow` is 0 on the accepting end: it opens its window with Opened. */
  constructor(owner: ChannelOwner, session: number, receiveWindow: number, sendCredit: number) {
    this.#owner = owner;
    this.session = session;
    this.#receiveWindow = receiveWindow;
    this.#receiveCredit = receiveWindow;
    this.#sendCredit = Math.min(sendCredit, MAX_WINDOW_BYTES);
  }

  attach(handlers: ChannelHandlers): void {
    if (this.#closing === undefined) this.#handlers = handlers;
  }

  /** The buffer belongs to the channel from here on. */
  send(bytes: Buffer): boolean {
    if (this.#closing !== undefined) return true;
    this.#bound();
    if (bytes.length > 0) this.#queue.push(bytes);
    if (this.#queue.ready(this.#sendCredit)) this.#owner.ready(this);
    if (this.#queue.bytes >= SEND_HIGH_WATER_BYTES) this.#full = true;
    return !this.#full;
  }

  post(body: ControlBody): void {
    if (senders[body.$case] !== this.#owner.role) throw new Error(`This end of the tunnel does not send ${body.$case}.`);
    if (this.#closing !== undefined) return;
    this.#bound();
    this.#queue.push(encodeBody(body.$case === "opened" ? this.#withCredit(body) : body));
    this.#owner.ready(this);
  }

  consumed(bytes: number): void {
    if (this.#closing !== undefined) return;
    if (bytes < 0 || bytes > this.#held) throw new Error(`Session ${this.session} consumed ${bytes} of ${this.#held} bytes.`);
    this.#held -= bytes;
    this.#owed += bytes;
    if (this.#owed * 2 >= this.#receiveWindow && this.#owed > 0) this.#owner.ready(this);
  }

  close(reason: CloseReason): void {
    if (this.#closing !== undefined) return;
    this.#closing = reason;
    this.#handlers = undefined;
    this.#queue.push(encodeBody({ $case: "close", value: { code: reason.code, message: reason.message } }));
    this.#owner.ready(this);
    this.#watchStall();
  }

  /** The first frame of a session, ahead of everything. */
  announce(open: Extract<InFrame["body"], { $case: "open" }>): void {
    this.#queue.push(encodeBody(open));
    this.#owner.ready(this);
  }

  get hasReady(): boolean {
    return this.#creditDue || this.#queue.ready(this.#sendCredit);
  }

  /** Puts at most `maxData` bytes of data, and the control frames among them, into `out`; answers what that takes. */
  take(maxData: number, out: OutFrame[]): number {
    let size = 0;
    if (this.#creditDue) {
      out.push({ session: this.session, body: { $case: "credit", value: this.#owed } });
      this.#receiveCredit += this.#owed;
      this.#owed = 0;
      size += FRAME_COST_BYTES;
    }
    const quantum = Math.min(maxData, MAX_DATA_BYTES);
    while (size < quantum && this.#queue.ready(this.#sendCredit)) {
      const body = this.#queue.take(Math.min(quantum - size, this.#sendCredit));
      if (body === undefined) break;
      const bytes = bodyLength(body);
      if (body.$case === "data") this.#sendCredit -= bytes;
      size += bytes + FRAME_COST_BYTES;
      out.push({ session: this.session, body });
    }
    this.#stall?.refresh();
    if (this.#closing !== undefined && this.#queue.empty && !this.#closeSent) this.#closeWasSent();
    return size;
  }

  /** After a turn: the owner hears of it when `send` had answered false and the queue has gone down. */
  tellDrained(): void {
    if (!this.#full || this.#queue.bytes > SEND_LOW_WATER_BYTES) return;
    this.#full = false;
    this.#deliver((handlers) => handlers.drained());
  }

  /** Answers what the peer did wrong, if anything. */
  receive(frame: InFrame["body"], messageLength: number): SallyportError | undefined {
    if (this.#peerClosed) return this.#violation("a frame after its close");
    switch (frame.$case) {
      case "data":
        return this.#receiveData(frame.value, messageLength);
      case "credit":
        return this.#grant(frame.value);
      case "close":
        this.#receiveClose(frame.value.code, frame.value.message);
        return undefined;
      case "opened":
        if (this.#owner.role === "acceptor" || this.#openedSeen) return this.#violation("an Opened that nothing asked for");
        this.#openedSeen = true;
        this.#deliver((handlers) => handlers.control(frame));
        return this.#grant(frame.value.credit);
      case "open":
        return this.#violation("a second Open");
      default:
        if (senders[frame.$case] === this.#owner.role) return this.#violation(`a ${frame.$case} in the wrong direction`);
        this.#deliver((handlers) => handlers.control(frame));
        return undefined;
    }
  }

  /** The link is gone, and with it everything that was queued. */
  abandon(reason: CloseReason): void {
    clearTimeout(this.#stall);
    this.#queue.clear();
    this.#closing ??= reason;
    this.#finish(reason);
  }

  get #creditDue(): boolean {
    return this.#closing === undefined && this.#owed > 0 && this.#owed * 2 >= this.#receiveWindow;
  }

  #bound(): void {
    if (this.#queue.bytes > MAX_QUEUED_BYTES) throw new Error(`Session ${this.session} goes on sending although its queue is full.`);
  }

  #withCredit(opened: Extract<ControlBody, { $case: "opened" }>): ControlBody {
    const credit = Math.min(opened.value.credit > 0 ? opened.value.credit : this.#owner.window, MAX_WINDOW_BYTES);
    if (this.#receiveWindow > 0) throw new Error(`Session ${this.session} was opened already.`);
    this.#receiveWindow = credit;
    this.#receiveCredit = credit;
    return { $case: "opened", value: { ...opened.value, credit } };
  }

  #receiveData(bytes: Buffer, messageLength: number): SallyportError | undefined {
    if (bytes.length > this.#receiveCredit) return this.#violation("more data than its credit");
    this.#receiveCredit -= bytes.length;
    if (bytes.length === 0) return undefined;
    this.#held += bytes.length;
    const kept = pinsTooMuch(bytes.length, messageLength) ? Buffer.from(bytes) : bytes;
    this.#deliver((handlers) => handlers.data(kept));
    return undefined;
  }

  #grant(credit: number): SallyportError | undefined {
    this.#sendCredit += credit;
    if (this.#sendCredit > MAX_WINDOW_BYTES) return this.#violation("more credit than a window holds");
    if (this.#queue.ready(this.#sendCredit)) this.#owner.ready(this);
    return undefined;
  }

  #receiveClose(code: string, message: string): void {
    this.#peerClosed = true;
    const owned = this.#handlers !== undefined;
    if (!this.#closeSent) {
      this.#queue.clear();
      this.#closing ??= { code: "", message: "" };
      this.#queue.push(encodeBody({ $case: "close", value: { code: "", message: "" } }));
      this.#owner.ready(this);
    }
    if (owned) this.#finish({ code: knownCode(code), message });
    if (this.#closeSent) this.#owner.gone(this);
  }

  #closeWasSent(): void {
    this.#closeSent = true;
    clearTimeout(this.#stall);
    this.#stall = undefined;
    if (this.#peerClosed) this.#owner.gone(this);
  }

  #watchStall(): void {
    const closing = this.#closing;
    if (closing === undefined || this.#closeSent) return;
    this.#stall = setTimeout(
      () => {
        this.#queue.clear();
        this.#queue.push(encodeBody({ $case: "close", value: { code: closing.code, message: closing.message } }));
        this.#owner.ready(this);
      },
      closing.code === "" ? CLOSE_STALL_MS : ABORT_STALL_MS,
    ).unref();
  }

  #deliver(tell: (handlers: ChannelHandlers) => void): void {
    const handlers = this.#handlers;
    if (handlers === undefined) return;
    try {
      tell(handlers);
    } catch (error) {
      this.#owner.defect(error, this.session);
      const reason: CloseReason = { code: "internal", message: "A defect ended this session." };
      const stillOwned = this.#handlers !== undefined;
      this.close(reason);
      if (stillOwned) this.#tellClosed(handlers, reason);
    }
  }

  #finish(reason: CloseReason): void {
    const handlers = this.#handlers;
    this.#handlers = undefined;
    if (handlers !== undefined) this.#tellClosed(handlers, reason);
  }

  #tellClosed(handlers: ChannelHandlers, reason: CloseReason): void {
    try {
      handlers.closed(reason);
    } catch (error) {
      this.#owner.defect(error, this.session);
    }
  }

  #violation(what: string): SallyportError {
    return new SallyportError("tunnel.violation", `The peer sent ${what}.`, { session: String(this.session) });
  }
}

/** Header of a frame, at most; counted so that a batch of empty frames ends too. */
const FRAME_COST_BYTES = 16;

/** A slice keeps its whole message in memory; a small one out of a large message is copied out of it. */
const pinsTooMuch = (bytes: number, messageLength: number): boolean => messageLength > 8_192 && bytes * 8 < messageLength;

const bodyLength = (body: OutFrame["body"]): number => {
  if (body.$case === "data") return body.value.reduce((sum, part) => sum + part.length, 0);
  return body.$case === "encoded" ? body.value.length : 0;
};

/** A code that this version does not know is still a failure. */
const knownCode = (code: string): ErrorCode | "" => (code === "" || isErrorCode(code) ? code : "internal");
