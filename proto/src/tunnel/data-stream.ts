import type { SallyportError } from "../errors.ts";
import { TunnelServiceService } from "../gen/sallyport/tunnel/v1/tunnel.ts";
import type { BatchSink, Mux } from "./mux.ts";

const raw = (bytes: Buffer): Buffer => bytes;

/**
 * TunnelService as both ends use it. The data stream hands bytes through: the multiplexer encodes and decodes them, so
 * that a message that does not parse ends the link as a violation instead of a gRPC status that nobody can tell apart.
 */
export const tunnelService = {
  ...TunnelServiceService,
  data: { ...TunnelServiceService.data, requestSerialize: raw, requestDeserialize: raw, responseSerialize: raw, responseDeserialize: raw },
} as const;

/** What both ends' gRPC streams have in common. */
export interface DataStream {
  readonly writable: boolean;
  readonly writableNeedDrain: boolean;
  write(batch: Buffer, flushed: () => void): boolean;
  pause(): unknown;
  on(event: "data", listener: (message: Buffer) => void): unknown;
  on(event: "drain", listener: () => void): unknown;
  off(event: "data", listener: (message: Buffer) => void): unknown;
}

export const sinkOf = (stream: DataStream): BatchSink => ({
  writable: () => !stream.writableNeedDrain && stream.writable,
  write: (batch, flushed) => {
    stream.write(batch, flushed);
  },
});

/** Feeds the multiplexer from a gRPC data stream, until its first violation. */
export function feed(stream: DataStream, mux: Mux, violated: (error: SallyportError) => void): void {
  const receive = (message: Buffer): void => {
    const violation = mux.receive(message);
    if (violation === undefined) return;
    stream.off("data", receive);
    stream.pause();
    violated(violation);
  };
  stream.on("data", receive);
  stream.on("drain", () => mux.resume());
}
