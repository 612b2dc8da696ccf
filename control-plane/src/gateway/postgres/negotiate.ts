import type { Socket } from "node:net";
import { type SecureContext, TLSSocket } from "node:tls";
import { SallyportError } from "@sallyport/proto/errors";
import { decodeStartup, type StartupPacket } from "@sallyport/proto/wire/postgres/startup";

type Cancel = Extract<StartupPacket, { kind: "cancel" }>;
type Startup = Extract<StartupPacket, { kind: "startup" }>;

export type Negotiated =
  | { readonly kind: "cancel"; readonly request: Cancel }
  | { readonly kind: "startup"; readonly startup: Startup; readonly socket: Socket; readonly transport: string; readonly encrypted: boolean }
  /** The peer left, or spoke no PostgreSQL, before it asked for anything. */
  | { readonly kind: "gone" };

/** First byte of a TLS record: a client with `sslnegotiation=direct`. */
const TLS_HANDSHAKE = 0x16;
const ALPN_POSTGRESQL = "postgresql";

/**
 * From the first byte to the startup packet, as PostgreSQL negotiates it: SSLRequest → 'S' and TLS, GSSENCRequest → 'N',
 * or TLS at once with ALPN. Bytes that arrive in clear behind an SSLRequest are refused: whoever sent them was not inside
 * the encrypted connection (CVE-2021-23214). `upgraded` gets the encrypted socket before its handshake: from there on nothing may be
 * said in clear, whatever fails.
 */
export async function negotiate(raw: Socket, context: () => SecureContext, upgraded: (socket: Socket) => void): Promise<Negotiated> {
  let socket = raw;
  let encrypted = false;
  for (;;) {
    const first = await readChunk(socket);
    if (first === undefined) return { kind: "gone" };
    if (!encrypted && first[0] === TLS_HANDSHAKE) {
      socket = await secure(raw, context(), first, true, upgraded);
      encrypted = true;
      continue;
    }
    const read = await readPacket(socket, first);
    if (read === undefined) return { kind: "gone" };
    const { packet, rest } = read;
    switch (packet.kind) {
      case "gssenc":
        if (rest.length > 0) throw new SallyportError("wire.malformed", "Bytes arrived behind a GSSENCRequest before it was answered.");
        socket.write("N");
        continue;
      case "ssl":
        if (encrypted) throw new SallyportError("wire.malformed", "An SSLRequest came inside TLS.");
        if (rest.length > 0) throw new SallyportError("wire.malformed", "Bytes arrived in clear behind an SSLRequest.");
        raw.write("S");
        socket = await secure(raw, context(), undefined, false, upgraded);
        encrypted = true;
        continue;
      case "cancel":
        return { kind: "cancel", request: packet };
      case "startup":
        if (rest.length > 0) socket.unshift(rest);
        return { kind: "startup", startup: packet, socket, transport: transportOf(socket), encrypted };
    }
  }
}

async function secure(
  raw: Socket,
  secureContext: SecureContext,
  first: Buffer | undefined,
  requireAlpn: boolean,
  upgraded: (socket: Socket) => void,
): Promise<TLSSocket> {
  if (first !== undefined) raw.unshift(first);
  const socket = new TLSSocket(raw, { isServer: true, secureContext, ALPNProtocols: [ALPN_POSTGRESQL] });
  upgraded(socket);
  await new Promise<void>((resolve, reject) => {
    const fail = (cause?: unknown): void => reject(new SallyportError("wire.malformed", "The TLS handshake failed.", {}, cause));
    socket.once("secure", () => resolve());
    socket.once("error", fail);
    socket.once("close", () => fail());
  });
  // Without a tls.Server around it, a TLS error after the handshake is told to nobody else: it must not leave the socket hanging.
  socket.on("_tlsError", (error: Error) => socket.destroy(error));
  if (requireAlpn && socket.alpnProtocol !== ALPN_POSTGRESQL) {
    socket.destroy();
    throw new SallyportError("wire.malformed", "A direct TLS connection must offer the ALPN protocol postgresql.");
  }
  return socket;
}

async function readPacket(socket: Socket, first: Buffer): Promise<{ readonly packet: StartupPacket; readonly rest: Buffer } | undefined> {
  let bytes = first;
  for (;;) {
    const decoded = decodeStartup(bytes);
    if (decoded !== undefined) return { packet: decoded.packet, rest: bytes.subarray(decoded.size) };
    const more = await readChunk(socket);
    if (more === undefined) return undefined;
    bytes = Buffer.concat([bytes, more]);
  }
}

/** The next bytes, leaving the socket paused; undefined at its end. */
export function readChunk(socket: Socket): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const done = (bytes: Buffer | undefined): void => {
      socket.off("readable", readable).off("end", gone).off("close", gone).off("error", gone);
      resolve(bytes);
    };
    const readable = (): void => {
      const bytes = socket.read() as Buffer | null;
      if (bytes !== null) done(bytes);
    };
    const gone = (): void => done(undefined);
    socket.on("readable", readable).on("end", gone).on("close", gone).on("error", gone);
    if (socket.destroyed || socket.readableEnded) gone();
    else readable();
  });
}

function transportOf(socket: Socket): string {
  if (!(socket instanceof TLSSocket)) return "plaintext";
  return `${socket.getProtocol() ?? "TLS"} ${socket.getCipher().standardName}`;
}
