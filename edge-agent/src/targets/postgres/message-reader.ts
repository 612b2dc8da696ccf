import type { Socket } from "node:net";
import { SallyportError } from "@sallyport/proto/errors";
import { type Frame, FRAME_HEADER_BYTES } from "@sallyport/proto/wire/postgres/frames";
import { ConnectionLost } from "./failure.ts";

/**
 * Takes exact amounts from a socket that nobody else reads. Whatever follows stays in the socket, untouched, for whoever reads
 * next: TLS after the answer to SSLRequest, the relay after the login. Disposing of the reader lets go of the socket.
 *
 * One listener for the reader's whole life: adding one to a socket that holds bytes already fires it at once, and a loop that adds
 * one per wait spins forever on half a message.
 */
export class MessageReader implements Disposable {
  readonly #socket: Socket;
  #wake: () => void = () => {};
  readonly #news = (): void => this.#wake();

  constructor(socket: Socket) {
    this.#socket = socket;
    for (const event of ["readable", "end", "close"]) socket.on(event, this.#news);
  }

  async bytes(length: number): Promise<Buffer> {
    if (length === 0) return Buffer.alloc(0);
    for (;;) {
      const news = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const chunk = this.#socket.read(length) as Buffer | null;
      if (chunk?.length === length) return chunk;
      if (chunk !== null || this.#socket.destroyed || this.#socket.readableEnded)
        throw this.#socket.errored ?? new ConnectionLost("the peer closed the connection");
      await news;
    }
  }

  /** One whole message. A length over `maxBytes` fails on the header, before anything is buffered. */
  async message(maxBytes: number): Promise<Frame> {
    const header = await this.bytes(FRAME_HEADER_BYTES);
    const length = header.readUInt32BE(1);
    if (length < 4) throw new SallyportError("wire.malformed", "A message declares a length shorter than its own header.");
    if (length + 1 > maxBytes) throw new SallyportError("wire.too_large", `A message of ${length + 1} bytes is over the bound of ${maxBytes}.`);
    const payload = await this.bytes(length - 4);
    return { type: header[0] ?? 0, raw: Buffer.concat([header, payload]), payload };
  }

  [Symbol.dispose](): void {
    for (const event of ["readable", "end", "close"]) this.#socket.off(event, this.#news);
  }
}
