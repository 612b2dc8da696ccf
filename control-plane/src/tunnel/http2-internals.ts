import type { Http2SecureServer, ServerHttp2Session, Settings } from "node:http2";
import type { TLSSocket } from "node:tls";
import type { Server } from "@grpc/grpc-js";

/**
 * What grpc-js offers no option for, through two of its private fields (1.14.7, which is pinned exactly).
 *
 * A grpc-js server ignores `grpc-node.flow_control_window`, which leaves 64 KiB per round trip for everything that an
 * agent sends: 1 MB/s at 40 ms (grpc/grpc-node#3058). And it has no way to cut one connection.
 * Each function throws when the field is not as expected, so that another version fails at start and not by being slow.
 */
interface ServerInternals {
  readonly commonServerOptions: { settings?: Settings; handshakeTimeout?: number };
  readonly http2Servers: ReadonlyMap<Http2SecureServer, unknown>;
}

/** Before bind: what each stream may have in flight, and how long a TLS handshake may take. */
export function prepareListener(server: Server, windowBytes: number, handshakeTimeoutMs: number): void {
  const { commonServerOptions } = internalsOf(server);
  commonServerOptions.settings = { ...commonServerOptions.settings, initialWindowSize: windowBytes };
  commonServerOptions.handshakeTimeout = handshakeTimeoutMs;
}

/** The connections of a bound server, by `address:port` of the peer, as a call's `getPeer` says it. */
export class Connections {
  readonly #byPeer = new Map<string, ServerHttp2Session>();

  /** After bind: what each connection may have in flight over all its streams, and how many there may be. */
  watch(server: Server, windowBytes: number, maxConnections: number): void {
    const listeners = [...internalsOf(server).http2Servers.keys()];
    if (listeners.length === 0) throw changed();
    for (const listener of listeners) {
      listener.maxConnections = maxConnections;
      listener.on("secureConnection", (socket: TLSSocket) => socket.setNoDelay(true));
      listener.on("session", (session) => {
        session.setLocalWindowSize(windowBytes);
        this.#remember(session);
      });
    }
  }

  find(peer: string): ServerHttp2Session | undefined {
    return this.#byPeer.get(peer);
  }

  #remember(session: ServerHttp2Session): void {
    const { remoteAddress, remotePort } = session.socket;
    const peer = `${remoteAddress}:${remotePort}`;
    this.#byPeer.set(peer, session);
    session.on("close", () => {
      if (this.#byPeer.get(peer) === session) this.#byPeer.delete(peer);
    });
  }
}

function internalsOf(server: Server): ServerInternals {
  const options: unknown = Reflect.get(server, "commonServerOptions");
  const servers: unknown = Reflect.get(server, "http2Servers");
  if (typeof options !== "object" || options === null || !(servers instanceof Map)) throw changed();
  return { commonServerOptions: options, http2Servers: servers };
}

const changed = (): Error => new Error("This version of @grpc/grpc-js keeps its HTTP/2 servers elsewhere; see http2-internals.ts.");
