import {
  type CallOptions,
  type Client,
  type ClientDuplexStream,
  type ClientOptions,
  credentials,
  makeGenericClientConstructor,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import type { ControlRequest, ControlResponse, RenewCertificateRequest, RenewCertificateResponse } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { tunnelService } from "@sallyport/proto/tunnel/data-stream";
import { HTTP2_WINDOW_BYTES, KEEPALIVE_TIME_MS, KEEPALIVE_TIMEOUT_MS, MAX_MESSAGE_BYTES } from "@sallyport/proto/tunnel/limits";
import type { AgentIdentity } from "./identity-store.ts";

export interface TunnelClient extends Client {
  control(): ClientDuplexStream<ControlRequest, ControlResponse>;
  data(): ClientDuplexStream<Buffer, Buffer>;
  renewCertificate(
    request: RenewCertificateRequest,
    metadata: Metadata,
    options: Partial<CallOptions>,
    callback: (error: ServiceError | null, response: RenewCertificateResponse) => void,
  ): unknown;
}

const TunnelClientConstructor = makeGenericClientConstructor(tunnelService, "sallyport.tunnel.v1.TunnelService") as unknown as {
  new (address: string, channelCredentials: ReturnType<typeof credentials.createSsl>, options: Partial<ClientOptions>): TunnelClient;
};

/** One connection to the control plane, mutual TLS with the CA of the enrolment as its only root. Connects at the first call. */
export function dial({ tunnelAddress, caPem, keyPem, certPem }: AgentIdentity): TunnelClient {
  return new TunnelClientConstructor(tunnelAddress, credentials.createSsl(Buffer.from(caPem), Buffer.from(keyPem), Buffer.from(certPem)), {
    "grpc.enable_retries": 0,
    "grpc.enable_channelz": 0,
    "grpc.keepalive_time_ms": KEEPALIVE_TIME_MS,
    "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
    "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
    "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
    "grpc-node.flow_control_window": HTTP2_WINDOW_BYTES,
    "grpc.use_local_subchannel_pool": 1, // a new link is a new connection, with the newest certificate
  });
}

/** The control plane signs at once, or says no. */
export const RENEW_TIMEOUT_MS = 20_000;

export function callRenew(client: TunnelClient, certificateRequest: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    client.renewCertificate({ certificateRequest }, new Metadata(), { deadline: Date.now() + RENEW_TIMEOUT_MS }, (error, response) => {
      if (error === null) resolve(response.certificate);
      else reject(error);
    });
  });
}
