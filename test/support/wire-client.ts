import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { encodeSslRequest, encodeStartupMessage } from "@sallyport/proto/wire/postgres/startup";
import { atEnd, type Cleanup } from "./cleanup.ts";
import { message } from "./frontend-messages.ts";

export interface WireOptions {
  readonly host: string;
  readonly port: number;
  /** PEM of the authority; absent: in clear. */
  readonly ca?: string;
  readonly parameters: Readonly<Record<string, string>>;
  /** Sent in clear when asked for; the server must ask for nothing else. */
  readonly password: string;
}

export interface WireMessage {
  readonly type: string;
  readonly bytes: Buffer;
}

/** Speaks PostgreSQL's protocol in bytes: nothing between a test and the wire. `messages` is all that came after the login. */
export class WireClient {
  readonly messages: WireMessage[] = [];
  /** BackendKeyData of the login: 4 bytes process id, then the key. */
  keyData: Buffer = Buffer.alloc(0);
  readonly #socket: Socket;
  #pending: Buffer = Buffer.alloc(0);
  #over = false;
  #sink: ((piece: Buffer) => void) | undefined;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("error", () => this.#end());
    socket.on("close", () => this.#end());
  }

  /** Connects and logs in. */
  static async open(cleanup: Cleanup, options: WireOptions): Promise<WireClient> {
    const client = await WireClient.connect(cleanup, options);
    client.write(encodeStartupMessage(new Map(Object.entries(options.parameters))));
    for (let done = 0; ; done++) {
      await client.until(({ length }) => length > done);
      const { type, bytes } = client.messages[done] ?? { type: "", bytes: Buffer.alloc(0) };
      if (type === "E") throw new Error(`The login failed: ${bytes.toString("latin1")}`);
      if (type === "R" && bytes.readInt32BE(5) === 3) client.write(message("p", `${options.password}\0`));
      if (type === "K") client.keyData = bytes.subarray(5);
      if (type === "Z") break;
    }
    client.messages.length = 0;
    return client;
  }

  /** Connects, in TLS if so asked, and says nothing yet. */
  static async connect(cleanup: Cleanup, { host, port, ca }: Pick<WireOptions, "host" | "port" | "ca">): Promise<WireClient> {
    const raw = connect({ host, port, noDelay: true });
    atEnd(cleanup, () => void raw.destroy());
    await once(raw, "connect");
    if (ca === undefined) return new WireClient(raw);
    raw.write(encodeSslRequest());
    await once(raw, "readable");
    const answer = raw.read(1) as Buffer | null;
    if (answer?.toString() !== "S") throw new Error(`TLS was not offered: ${answer?.toString("latin1") ?? "nothing"}`);
    const secure = connectTls({ socket: raw, ca, servername: "localhost" });
    await once(secure, "secureConnect");
    return new WireClient(secure);
  }

  get over(): boolean {
    return this.#over;
  }

  /** The types of all messages, in order, for a glance. */
  get types(): string {
    return this.messages.map(({ type }) => type).join("");
  }

  /** Every byte that came after the login, the beginning of a message included. */
  get heard(): Buffer {
    return Buffer.concat([...this.messages.map(({ bytes }) => bytes), this.#pending]);
  }

  write(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  /** Sends this and then the end of the stream; what the other side still says is heard. */
  finish(bytes: Buffer): void {
    this.#socket.end(bytes);
  }

  /** Stops, or goes on, taking bytes from the wire. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** From here on nothing is kept: what comes goes there as it comes. */
  pour(sink: (piece: Buffer) => void): void {
    this.#sink = sink;
  }

  /** Rejects when the connection ends before `condition` holds. */
  async until(condition: (messages: readonly WireMessage[]) => boolean): Promise<void> {
    while (!condition(this.messages)) {
      if (this.#over) throw new Error(`The connection ended after: ${this.types}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Resolves when so many more messages of this type have come. */
  async more(type: string, count = 1): Promise<void> {
    const many = this.#count(type) + count;
    await this.until(() => this.#count(type) >= many);
  }

  /** Resolves when the other side has closed. */
  async ended(): Promise<void> {
    while (!this.#over) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  #count(type: string): number {
    return this.messages.filter((each) => each.type === type).length;
  }

  #take(chunk: Buffer): void {
    if (this.#sink !== undefined) {
      this.#sink(chunk);
      return;
    }
    let bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    while (bytes.length >= 5) {
      const size = 1 + bytes.readInt32BE(1);
      if (bytes.length < size) break;
      this.messages.push({ type: String.fromCharCode(bytes[0] ?? 0), bytes: bytes.subarray(0, size) });
      bytes = bytes.subarray(size);
    }
    this.#pending = bytes;
    this.#wake?.();
  }

  #end(): void {
    this.#over = true;
    this.#wake?.();
  }
}
