import type { ErrorCode } from "../errors.ts";
import type { Frame } from "../gen/sallyport/tunnel/v1/tunnel.ts";

type Body = NonNullable<Frame["body"]>;

/** Every frame but those that the multiplexer itself lives on. */
export type ControlBody = Exclude<Body, { $case: "data" | "credit" | "close" }>;

export interface CloseReason {
  /** Empty for an orderly end. */
  readonly code: ErrorCode | "";
  readonly message: string;
}

/** What the owner of a channel is told. Nothing comes after `closed`. */
export interface ChannelHandlers {
  /** The bytes are the receiver's to keep only until it returns, unless it copies them or passes them on as a whole. */
  data(bytes: Buffer): void;
  /** In order with `data`. */
  control(body: ControlBody): void;
  /** After `send` has returned false: room again. */
  drained(): void;
  /** The peer closed, or the link is gone; at most once, and never after the owner's own `close`. */
  closed(reason: CloseReason): void;
}

/**
 * One session's half of the multiplexed data stream.
 *
 * C1. Order is kept within a channel, over `send` and `post` together.
 * C2. `send` never loses bytes: false means "enough for now", not "refused".
 * C3. The peer sends no more data than `consumed` has given back, so a reader that stops holds one window at most.
 */
export interface Channel {
  readonly session: number;
  send(bytes: Buffer): boolean;
  post(body: ControlBody): void;
  consumed(bytes: number): void;
  /** What is queued goes first. */
  close(reason: CloseReason): void;
}
