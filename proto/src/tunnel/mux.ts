import { SallyportError } from "../errors.ts";
import type { Open } from "../gen/sallyport/tunnel/v1/tunnel.ts";
import type { Channel, ChannelHandlers, CloseReason } from "./channel.ts";
import { decodeFrames, encodeFrames, type InFrame, type OutFrame } from "./data-codec.ts";
import { DEFAULT_WINDOW_BYTES, MAX_BATCH_BYTES, MAX_SESSIONS_PER_LINK, MAX_UNFLUSHED_BYTES, MAX_WINDOW_BYTES } from "./limits.ts";
import { MuxChannel, type Role } from "./mux-channel.ts";

/** A turn smaller than this is not worth a frame: the batch is full. */
const MIN_TURN_BYTES = 4 * 1024;

/** Where batches go: a gRPC stream in production. */
export interface BatchSink {
  /** Asked anew before each batch; an answer that is kept deadlocks when it goes stale. */
  writable(): boolean;
  /** `flushed` is called when the batch has left this process. */
  write(batch: Buffer, flushed: () => void): void;
}

export interface MuxOptions {
  readonly role: Role;
  readonly sink: BatchSink;
  /** What a session's reader may have to hold. */
  readonly window?: number;
  readonly maxSessions?: number;
  /** The accepting end only: a session was opened. */
  readonly accept?: (open: Open, channel: Channel) => ChannelHandlers;
  /** A handler threw: its session is closed, the others go on. */
  readonly defect: (error: unknown, session: number) => void;
  /** The last session has gone. */
  readonly emptied?: () => void;
}

/**
 * Many sessions over one ordered stream of batches; the same code on both ends. Owns the channels and the turn.
 *
 * X1. Everything queued in one turn of the event loop goes out together, in batches of at most MAX_BATCH_BYTES and a frame.
 * X2. Sessions take turns of at most MAX_DATA_BYTES, so that a huge one delays a small one by one batch.
 * X3. A session that waits for credit, or whose owner does not read, takes no turn and holds nobody up.
 * X4. A frame for an id that is not open on this very link is a violation, whoever else may own the id (I7).
 * X5. After `end`, or a violation, nothing is delivered and nothing is sent.
 */
export class Mux {
  readonly #options: MuxOptions;
  readonly #window: number;
  readonly #maxSessions: number;
  readonly #channels = new Map<number, MuxChannel>();
  /** In the order of their turns. */
  readonly #ready = new Set<MuxChannel>();
  #unflushed = 0;
  #scheduled: NodeJS.Immediate | undefined;
  #ended = false;

  constructor(options: MuxOptions) {
    this.#options = options;
    this.#window = Math.min(options.window ?? DEFAULT_WINDOW_BYTES, MAX_WINDOW_BYTES);
    this.#maxSessions = options.maxSessions ?? MAX_SESSIONS_PER_LINK;
  }

  /** Those included that are closed here and not yet at the peer. */
  get sessions(): number {
    return this.#channels.size;
  }

  /** Fails with `session.limit`. The id must be new to the process. */
  open(session: number, open: Open, handlers: ChannelHandlers): Channel {
    if (this.#options.role !== "opener" || this.#ended || this.#channels.has(session)) throw new Error(`Session ${session} cannot be opened here.`);
    if (this.#channels.size >= this.#maxSessions) throw new SallyportError("session.limit", "The agent carries as many sessions as it may.");
    const credit = Math.min(open.credit > 0 ? open.credit : this.#window, MAX_WINDOW_BYTES);
    const channel = this.#add(session, credit, 0);
    channel.attach(handlers);
    channel.announce({ $case: "open", value: { ...open, credit } });
    return channel;
  }

  /** Answers what the peer did wrong, if anything; the link must then be closed. */
  receive(message: Buffer): SallyportError | undefined {
    let frames: readonly InFrame[];
    try {
      frames = decodeFrames(message);
    } catch (error) {
      return new SallyportError("tunnel.violation", "The peer sent a data message that does not parse.", {}, error);
    }
    for (const frame of frames) {
      if (this.#ended) return undefined;
      const violation = this.#receiveFrame(frame, message.length);
      if (violation !== undefined) return violation;
    }
    return undefined;
  }

  /** The sink is writable again. */
  resume(): void {
    if (this.#ready.size > 0) this.#schedule();
  }

  /** The link is gone: every session that is still owned is told. */
  end(reason: CloseReason): void {
    if (this.#ended) return;
    this.#ended = true;
    clearImmediate(this.#scheduled);
    const channels = [...this.#channels.values()];
    this.#channels.clear();
    this.#ready.clear();
    for (const channel of channels) channel.abandon(reason);
  }

  #receiveFrame({ session, body }: InFrame, messageLength: number): SallyportError | undefined {
    const channel = this.#channels.get(session);
    if (channel !== undefined) return channel.receive(body, messageLength);
    const { role, accept } = this.#options;
    if (body.$case !== "open" || role !== "acceptor" || accept === undefined || session === 0) {
      return new SallyportError("tunnel.violation", "The peer touched a session that is not open on this link.", {
        session: String(session),
        kind: body.$case,
      });
    }
    if (this.#channels.size >= 2 * this.#maxSessions) {
      return new SallyportError("tunnel.violation", "The peer opens sessions past the limit and confirms none.", { session: String(session) });
    }
    this.#accept(session, body.value, accept);
    return undefined;
  }

  #accept(session: number, open: Open, accept: (open: Open, channel: Channel) => ChannelHandlers): void {
    const over = this.#channels.size >= this.#maxSessions;
    const channel = this.#add(session, 0, open.credit);
    if (over) {
      channel.close({ code: "session.limit", message: "The agent carries as many sessions as it may." });
      return;
    }
    try {
      channel.attach(accept(open, channel));
    } catch (error) {
      this.#options.defect(error, session);
      channel.close({ code: "internal", message: "A defect ended this session." });
    }
  }

  #add(session: number, receiveWindow: number, sendCredit: number): MuxChannel {
    const channel = new MuxChannel(
      {
        role: this.#options.role,
        window: this.#window,
        ready: (ready) => this.#enqueue(ready),
        gone: (gone) => this.#remove(gone),
        defect: this.#options.defect,
      },
      session,
      receiveWindow,
      sendCredit,
    );
    this.#channels.set(session, channel);
    return channel;
  }

  #enqueue(channel: MuxChannel): void {
    if (this.#ended || this.#channels.get(channel.session) !== channel) return;
    this.#ready.add(channel);
    this.#schedule();
  }

  #remove(channel: MuxChannel): void {
    this.#ready.delete(channel);
    if (this.#channels.get(channel.session) !== channel) return;
    this.#channels.delete(channel.session);
    if (this.#channels.size === 0) this.#options.emptied?.();
  }

  #schedule(): void {
    this.#scheduled ??= setImmediate(() => {
      this.#scheduled = undefined;
      this.#flush();
    });
  }

  #flush(): void {
    const { sink } = this.#options;
    while (!this.#ended && this.#ready.size > 0 && this.#unflushed < MAX_UNFLUSHED_BYTES && sink.writable()) {
      const frames: OutFrame[] = [];
      const served = this.#takeTurns(frames);
      if (frames.length > 0) {
        const batch = encodeFrames(frames);
        this.#unflushed += batch.length;
        sink.write(batch, () => {
          this.#unflushed -= batch.length;
          this.resume();
        });
      }
      for (const channel of served) channel.tellDrained();
    }
  }

  #takeTurns(frames: OutFrame[]): readonly MuxChannel[] {
    const served: MuxChannel[] = [];
    let size = 0;
    // A Set is walked in order of insertion, and what is added on the way comes at the end: it is the ring.
    for (const channel of this.#ready) {
      this.#ready.delete(channel);
      size += channel.take(MAX_BATCH_BYTES - size, frames);
      served.push(channel);
      if (channel.hasReady) this.#ready.add(channel);
      if (size >= MAX_BATCH_BYTES - MIN_TURN_BYTES) break;
    }
    return served;
  }
}
