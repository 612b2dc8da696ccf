import { type handleBidiStreamingCall, type handleUnaryCall, Metadata, Server, type ServerCredentials, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { SallyportError } from "@sallyport/proto/errors";
import type { ControlRequest, ControlResponse, RenewCertificateRequest, RenewCertificateResponse } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { tunnelService } from "@sallyport/proto/tunnel/data-stream";
import { HANDSHAKE_TIMEOUT_MS, HTTP2_WINDOW_BYTES, KEEPALIVE_TIME_MS, KEEPALIVE_TIMEOUT_MS, MAX_MESSAGE_BYTES } from "@sallyport/proto/tunnel/limits";
import type { AgentLinks } from "../application/ports.ts";
import type { CertificateAuthority } from "../identity/certificate-authority.ts";
import { type AgentLinksDeps, NodeAgentLinks } from "./agent-links.ts";
import { type AgentPeer, agentPeerOf } from "./agent-peer.ts";
import { CertificateRenewal } from "./certificate-renewal.ts";
import { listen, type Place, shutDown } from "../grpc/listen.ts";
import { serviceErrorOf } from "../grpc/status.ts";
import { Connections, prepareListener } from "./http2-internals.ts";

/** Agents of one node, and then some that are on their way in or out. */
export const MAX_TUNNEL_CONNECTIONS = 10_000;
/** Control, data and a renewal; the rest is room for a renewal that is tried again. */
export const MAX_STREAMS_PER_CONNECTION = 16;
/** A connection on which nobody greets is of no use. */
export const IDLE_CONNECTION_MS = 60_000;
/** How long a shutdown waits for links to end and to be recorded before it cuts them. */
export const SHUTDOWN_TIMEOUT_MS = 5_000;

export interface TunnelServerOptions extends AgentLinksDeps, Place {
  readonly ca: CertificateAuthority;
  /** For mutual TLS with agents of the CA. */
  readonly credentials: ServerCredentials;
}

export interface TunnelServer {
  readonly port: number;
  readonly links: AgentLinks;
  close(): Promise<void>;
}

interface TunnelHandlers extends UntypedServiceImplementation {
  readonly control: handleBidiStreamingCall<ControlRequest, ControlResponse>;
  readonly data: handleBidiStreamingCall<Buffer, Buffer>;
  readonly renewCertificate: handleUnaryCall<RenewCertificateRequest, RenewCertificateResponse>;
}

/** TunnelService on mutual TLS. Fails with `config.invalid` when the port cannot be had. */
export async function startTunnelServer(options: TunnelServerOptions): Promise<TunnelServer> {
  const { log } = options;
  const links = new NodeAgentLinks(options);
  const renewal = new CertificateRenewal(options);
  const server = new Server({
    "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
    "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
    "grpc.keepalive_time_ms": KEEPALIVE_TIME_MS,
    "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
    "grpc.max_connection_idle_ms": IDLE_CONNECTION_MS,
    "grpc.max_concurrent_streams": MAX_STREAMS_PER_CONNECTION,
    "grpc.enable_channelz": 0,
  });
  prepareListener(server, HTTP2_WINDOW_BYTES, HANDSHAKE_TIMEOUT_MS);

  const connections = new Connections();
  const handlers: TunnelHandlers = {
    control: (call) => {
      const peer = agentPeerOf(call);
      if (peer === undefined) return void call.emit("error", noAgent());
      call.sendMetadata(new Metadata()); // at once: the agent need not wait for Welcome to know that it got through
      links.accept(peer, call, connections);
    },
    data: (call) => {
      const peer = agentPeerOf(call);
      if (peer === undefined) return void call.emit("error", noAgent());
      try {
        links.attach(peer, call);
        call.sendMetadata(new Metadata());
      } catch (error) {
        call.emit("error", serviceErrorOf(error));
      }
    },
    renewCertificate: (call, reply) => {
      const peer = agentPeerOf(call);
      if (peer === undefined) return reply(noAgent());
      renew(peer, call.request.certificateRequest).then(
        (certificate) => reply(null, { certificate }),
        (error: unknown) => {
          log.warn({ err: error, agentId: peer.agentId }, "certificate was not renewed");
          reply(serviceErrorOf(error));
        },
      );
    },
  };
  const renew = async (peer: AgentPeer, csrDer: Buffer): Promise<Buffer> => {
    const { der, notAfter } = await renewal.renew(peer, csrDer);
    links.renewed(peer, notAfter);
    return der;
  };
  server.addService(tunnelService, handlers);

  const port = await listen(server, options.credentials, options, "The tunnel", ["SALLYPORT_HOST", "SALLYPORT_TUNNEL_PORT"]);
  connections.watch(server, HTTP2_WINDOW_BYTES, MAX_TUNNEL_CONNECTIONS);
  return { port, links, close: () => shutDown(server, SHUTDOWN_TIMEOUT_MS, links.shutdown()) };
}

const noAgent = (): ReturnType<typeof serviceErrorOf> =>
  serviceErrorOf(new SallyportError("auth.failed", "The certificate of this connection is not an agent's."));
