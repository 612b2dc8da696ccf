import { createHmac } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { atEnd, type Cleanup } from "./cleanup.ts";

export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly id: string;
}

type Behaviour =
  | { readonly kind: "answer"; readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  /** Takes the request and never answers. */
  | { readonly kind: "hang" }
  /** Cuts the connection after it has taken the request. */
  | { readonly kind: "cut" }
  /** Answers that it speaks another protocol from now on. */
  | { readonly kind: "switch" };

const SWITCHING = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";

/** Whoever is told: takes what comes, and behaves as it is told to. */
export class WebhookServer {
  readonly received: Received[] = [];
  /** For each request in turn; the last one for all that follow. */
  behaviours: Behaviour[] = [{ kind: "answer", status: 204 }];
  #server: Server | undefined;
  #port = 0;
  readonly #waits = new Set<() => void>();

  static async start(cleanup: Cleanup): Promise<WebhookServer> {
    const server = new WebhookServer();
    await server.listen();
    atEnd(cleanup, () => server.die());
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/hook`;
  }

  /** On the port that it had. */
  async listen(): Promise<void> {
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString("utf8")));
      request.on("end", () => {
        const behaviour = this.behaviours.length > 1 ? this.behaviours.shift() : this.behaviours[0];
        this.received.push({ headers: request.headers, body, id: String(request.headers["webhook-id"]) });
        if (behaviour?.kind === "answer") response.writeHead(behaviour.status, behaviour.headers).end(behaviour.body);
        else if (behaviour?.kind === "cut") request.socket.destroy();
        else if (behaviour?.kind === "switch") request.socket.write(SWITCHING);
        for (const wait of this.#waits) wait();
      });
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (server.address() as AddressInfo).port;
  }

  /** Nothing listens any more, and what was open is cut. */
  async die(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  }

  /** The first, come already or yet to come, that matches. The test's time-out bounds the wait. */
  async first(matches: (received: Received) => boolean): Promise<Received> {
    for (;;) {
      const found = this.received.find(matches);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        const wait = (): void => {
          this.#waits.delete(wait);
          resolve();
        };
        this.#waits.add(wait);
      });
    }
  }

  async count(wanted: number): Promise<void> {
    await this.first(() => this.received.length >= wanted);
  }
}

/** As a receiver checks it, written anew from the specification. */
export function isSigned({ headers, body }: Received, secret: string): boolean {
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  const signed = `${String(headers["webhook-id"])}.${String(headers["webhook-timestamp"])}.${body}`;
  const expected = createHmac("sha256", key).update(signed).digest("base64");
  return String(headers["webhook-signature"])
    .split(" ")
    .some((each) => each === `v1,${expected}`);
}
