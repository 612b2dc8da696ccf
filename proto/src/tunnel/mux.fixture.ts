import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import type { SallyportError } from "../errors.ts";
import type { Open } from "../gen/sallyport/tunnel/v1/tunnel.ts";
import type { Channel, ChannelHandlers, CloseReason, ControlBody } from "./channel.ts";
import { decodeFrames, encodeFrames, type InFrame, type OutBody } from "./data-codec.ts";
import { type BatchSink, Mux, type MuxOptions } from "./mux.ts";

export const openOf = (sessionId: string, credit = 0): Open => ({ resource: "orders", sessionId, parameters: {}, obligations: undefined, credit });
export const opened: ControlBody = { $case: "opened", value: { greeting: Buffer.alloc(0), transport: "plaintext", credit: 0 } };
export const report = (rows: number): ControlBody => ({
  $case: "report",
  value: { rows: BigInt(rows), bytes: 0n, masked: [], digest: Buffer.alloc(0), withheldRows: 0n },
});

/** What one end of a channel has seen, in order. */
export class Recorder implements ChannelHandlers {
  channel: Channel | undefined;
  reading = true;
  bytes: Buffer[] = [];
  log: string[] = [];
  drains = 0;
  reason: CloseReason | undefined;
  #unread = 0;

  data(bytes: Buffer): void {
    assert.equal(this.reason, undefined);
    this.bytes.push(Buffer.from(bytes));
    if (this.reading) this.channel?.consumed(bytes.length);
    else this.#unread += bytes.length;
  }

  control(body: ControlBody): void {
    assert.equal(this.reason, undefined);
    this.log.push(body.$case === "report" ? `report ${body.value.rows} at ${this.received}` : body.$case);
  }

  drained(): void {
    this.drains++;
  }

  closed(reason: CloseReason): void {
    assert.equal(this.reason, undefined, "closed twice");
    this.reason = reason;
  }

  read(): void {
    this.reading = true;
    this.channel?.consumed(this.#unread);
    this.#unread = 0;
  }

  get received(): number {
    return this.bytes.reduce((sum, part) => sum + part.length, 0);
  }
}

/** A wire in memory that can stall, and that keeps what crossed it. */
export class Wire implements BatchSink {
  stalled = false;
  batches: Buffer[] = [];
  readonly crossed: Buffer[] = [];
  readonly #flushes: (() => void)[] = [];

  writable(): boolean {
    return !this.stalled;
  }

  write(batch: Buffer, flushed: () => void): void {
    this.batches.push(batch);
    this.#flushes.push(flushed);
  }

  /** Hands over one batch, or nothing. */
  deliver(to: Mux): SallyportError | undefined {
    const batch = this.batches.shift();
    if (batch === undefined) return undefined;
    this.crossed.push(batch);
    this.#flushes.shift()?.();
    return to.receive(batch);
  }
}

/** Two ends in one process, and what a test does with them. */
interface Pair {
  readonly gateway: Mux;
  readonly agent: Mux;
  readonly down: Wire;
  readonly up: Wire;
  /** At the agent, by session. */
  readonly accepted: Map<string, Recorder>;
  readonly defects: unknown[];
  open(sessionId: string, handlers?: Recorder): Recorder;
  /** Hands over whatever either end has to say, until both are quiet. */
  settle(): Promise<void>;
  established(sessionId: string): Promise<{ near: Recorder; far: Recorder }>;
}

export function pair(options: Partial<MuxOptions> = {}): Pair {
  const down = new Wire();
  const up = new Wire();
  const accepted = new Map<string, Recorder>();
  const defects: unknown[] = [];
  const defect = (error: unknown): void => void defects.push(error);
  const gateway = new Mux({ role: "opener", sink: down, defect, ...options });
  const accept = (open: Open, channel: Channel): ChannelHandlers => {
    const recorder = new Recorder();
    recorder.channel = channel;
    accepted.set(open.sessionId, recorder);
    return recorder;
  };
  const agent = new Mux({ role: "acceptor", sink: up, accept, defect, ...options });
  let nextId = 1;
  const open = (sessionId: string, handlers = new Recorder()): Recorder => {
    handlers.channel = gateway.open(nextId++, openOf(sessionId), handlers);
    return handlers;
  };
  const settle = async (): Promise<void> => {
    for (let quiet = 0; quiet < 3; quiet++) {
      await turn();
      while (down.batches.length + up.batches.length > 0) {
        quiet = 0;
        assert.equal(down.deliver(agent), undefined);
        assert.equal(up.deliver(gateway), undefined);
        await turn();
      }
    }
  };
  const established = async (sessionId: string): Promise<{ near: Recorder; far: Recorder }> => {
    const near = open(sessionId);
    await settle();
    const far = accepted.get(sessionId);
    assert.ok(far?.channel);
    far.channel.post(opened);
    await settle();
    return { near, far };
  };
  return { gateway, agent, down, up, accepted, open, settle, established, defects };
}

export const frame = (session: number, body: OutBody): Buffer => encodeFrames([{ session, body }]);
export const dataOf = (bytes: Buffer): OutBody => ({ $case: "data", value: [bytes] });
export const kindsIn = (batches: readonly Buffer[]): string[] => batches.flatMap((batch) => decodeFrames(batch)).map((f: InFrame) => f.body.$case);
