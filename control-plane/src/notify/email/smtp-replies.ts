import type { Socket } from "node:net";

export interface Reply {
  readonly code: number;
  readonly lines: readonly string[];
}

/** RFC 5321 asks for 512 octets a line; some servers greet at length. */
const MAX_REPLY_BYTES = 16_384;

/** Reads whole replies of a server, `250-…` up to `250 …`. Throws on anything else, on too much of it, and when the connection ends. */
export class SmtpReplies {
  readonly #socket: Socket;
  #have = "";
  #waiting: { readonly resolve: (reply: Reply) => void; readonly reject: (error: Error) => void } | undefined;
  #ended: Error | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", this.#onData);
    socket.on("error", this.#onError);
    socket.on("close", this.#onClose);
  }

  next(): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#settle();
    });
  }

  /** Hands the socket on. What came before it was asked for would be taken for an answer that was encrypted. */
  release(): void {
    if (this.#have !== "") throw new Error("The server spoke out of turn.");
    this.#socket.off("data", this.#onData).off("error", this.#onError).off("close", this.#onClose);
  }

  readonly #onData = (bytes: Buffer): void => {
    this.#have += bytes.toString("latin1");
    if (this.#have.length > MAX_REPLY_BYTES) this.#ended = new Error("The reply is too long.");
    this.#settle();
  };
  readonly #onError = (error: Error): void => this.#end(error);
  readonly #onClose = (): void => this.#end(new Error("The connection ended."));

  #end(error: Error): void {
    this.#ended ??= error;
    this.#settle();
  }

  #settle(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    const whole = /^(?:\d{3}-[^\r\n]*\r?\n)*(\d{3})(?: [^\r\n]*)?\r?\n/u.exec(this.#have);
    if (whole !== null) {
      this.#have = this.#have.slice(whole[0].length);
      this.#waiting = undefined;
      waiting.resolve({ code: Number(whole[1]), lines: whole[0].trimEnd().split(/\r?\n/u) });
    } else if (this.#ended !== undefined) {
      this.#waiting = undefined;
      waiting.reject(this.#ended);
    }
  }
}
