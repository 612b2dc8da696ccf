import { once } from "node:events";
import { createServer, connect, type Server, type Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { atEnd, type Cleanup } from "./cleanup.ts";

/** Enough for 100 MB/s over a round trip of 160 ms; past it the sender is no longer read. */
export const MAX_IN_FLIGHT_BYTES = 16 * 1024 * 1024;

export interface TcpProxyOptions {
  readonly target: { readonly host: string; readonly port: number };
  /** One way; a round trip takes twice as long. */
  readonly delayMs?: number;
}

/** A link that can be slow, silent or cut, on a loopback port. Bytes are never lost, but for those under way when it is cut. */
export class TcpProxy {
  readonly host = "127.0.0.1";
  readonly #server: Server;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #pipes = new Set<Pipe>();
  #delayMs: number;
  #paused = false;
  #accepted = 0;

  private constructor(options: TcpProxyOptions) {
    this.#target = options.target;
    this.#delayMs = options.delayMs ?? 0;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client));
  }

  static async start(cleanup: Cleanup, options: TcpProxyOptions): Promise<TcpProxy> {
    const proxy = new TcpProxy(options);
    proxy.#server.listen(0, proxy.host);
    await once(proxy.#server, "listening");
    atEnd(cleanup, () => proxy.close());
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("The proxy is closed.");
    return address.port;
  }

  /** Connections since the start, ended ones included. */
  get accepted(): number {
    return this.#accepted;
  }

  get open(): number {
    return this.#pipes.size / 2;
  }

  /** For what arrives from now on. Order is kept. */
  setDelay(milliseconds: number): void {
    this.#delayMs = milliseconds;
  }

  /** Silence: connections stay and are still accepted, no byte moves. What both ends see is a peer that does not answer. */
  pause(): void {
    this.#paused = true;
    for (const pipe of this.#pipes) pipe.pause();
  }

  resume(): void {
    this.#paused = false;
    for (const pipe of this.#pipes) pipe.resume();
  }

  /** Resets every connection; new ones are still accepted. */
  cut(): void {
    for (const pipe of this.#pipes) pipe.reset();
  }

  /** Resets every connection and accepts no more: connecting is refused. */
  async close(): Promise<void> {
    this.cut();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, "close");
  }

  #accept(client: Socket): void {
    this.#accepted++;
    const target = connect({ ...this.#target, allowHalfOpen: true, noDelay: true });
    const delay = (): number => this.#delayMs;
    const pipes = [new Pipe(client, target, delay), new Pipe(target, client, delay)];
    const forget = (): void => {
      client.destroy();
      target.destroy();
      for (const pipe of pipes) {
        pipe.stop();
        this.#pipes.delete(pipe);
      }
    };
    for (const pipe of pipes) {
      this.#pipes.add(pipe);
      if (this.#paused) pipe.pause();
    }
    for (const socket of [client, target]) {
      socket.on("error", () => socket.destroy());
      socket.on("close", (hadError) => {
        // A reset on one side is a reset on the other; an orderly end has travelled through the pipe already.
        if (hadError || (client.destroyed && target.destroyed)) forget();
      });
    }
  }
}

/** One direction: what is read at t is written at t + delay. */
class Pipe {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #delay: () => number;
  readonly #queue: { readonly due: number; readonly bytes: Buffer | "end" }[] = [];
  #queued = 0;
  #paused = false;
  #blocked = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(from: Socket, to: Socket, delay: () => number) {
    this.#from = from;
    this.#to = to;
    this.#delay = delay;
    from.on("data", (bytes) => this.#put(bytes));
    from.on("end", () => this.#put("end"));
    to.on("drain", () => {
      this.#blocked = false;
      this.#flush();
    });
  }

  pause(): void {
    this.#paused = true;
    this.#from.pause();
    clearTimeout(this.#timer);
  }

  resume(): void {
    this.#paused = false;
    this.#flush();
  }

  /** For a pipe whose ends are both gone. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  reset(): void {
    this.#from.resetAndDestroy();
    this.#to.resetAndDestroy();
  }

  #put(bytes: Buffer | "end"): void {
    this.#queue.push({ due: performance.now() + this.#delay(), bytes });
    if (bytes !== "end") this.#queued += bytes.length;
    this.#flush();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    if (this.#paused) return;
    for (let next = this.#queue[0]; next !== undefined && !this.#blocked; next = this.#queue[0]) {
      const wait = next.due - performance.now();
      if (wait > 0) {
        this.#timer = setTimeout(() => this.#flush(), wait);
        break;
      }
      this.#queue.shift();
      if (next.bytes === "end") this.#to.end();
      else {
        this.#queued -= next.bytes.length;
        this.#blocked = !this.#to.write(next.bytes);
      }
    }
    if (this.#queued >= MAX_IN_FLIGHT_BYTES) this.#from.pause();
    else this.#from.resume();
  }
}
