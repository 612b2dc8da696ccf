import { readFileSync } from "node:fs";
import { Server, type ServerCredentials } from "@grpc/grpc-js";
import { GossipService } from "@sallyport/proto/gen/event_store/client/gossip";
import { PersistentSubscriptionsService } from "@sallyport/proto/gen/event_store/client/persistent_subscriptions";
import { ServerFeaturesService } from "@sallyport/proto/gen/event_store/client/server_features";
import { type StreamsServer, StreamsService } from "@sallyport/proto/gen/event_store/client/streams";
import type { Logger } from "pino";
import { listen, type Place, shutDown, type TlsCredential } from "../../grpc/listen.ts";
import type { Ledger } from "../ledger.ts";
import type { Access } from "./access.ts";
import { appendCall, deleteCall, tombstoneCall } from "./append-calls.ts";
import { batchAppendCall } from "./batch-append-call.ts";
import type { EndpointContext } from "./call-context.ts";
import { groupCalls } from "./groups/group-calls.ts";
import { Groups } from "./groups/groups.ts";
import { readCall } from "./read-call.ts";
import { gossip, serverFeatures } from "./server-services.ts";
import { StreamAppender } from "./stream-appender.ts";

export interface EndpointOptions extends Place {
  readonly ledger: Ledger;
  readonly access: Access;
  readonly log: Logger;
  /** In clear for loopback only. */
  readonly credentials: ServerCredentials;
  /** Streams that nobody deletes through this protocol. */
  readonly isOurs: (stream: string) => boolean;
}

/** The official client sends up to 3 MiB in a message, then its overhead. An append is refused by its own, smaller bound. */
const MAX_MESSAGE_BYTES = 4 << 20;
/** Of one connection: each read holds a page of events. */
export const MAX_CALLS_PER_CONNECTION = 256;
const SHUTDOWN_MILLIS = 2_000;

/** The embedded ledger, spoken to in EventStoreDB's protocol: a single node, whatever a client's connection string says. */
export async function startLedgerEndpoint(options: EndpointOptions): Promise<{ readonly port: number; close(): Promise<void> }> {
  const { ledger, access, log } = options;
  const closing = new AbortController();
  const appender = new StreamAppender(ledger, options.isOurs);
  const groups = new Groups(ledger, appender, log);
  const context: EndpointContext = { ledger, access, log, closing: closing.signal, appender, groups };
  const server = new Server({
    "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
    "grpc.max_concurrent_streams": MAX_CALLS_PER_CONNECTION,
    "grpc.enable_channelz": 0,
  });
  const streams: StreamsServer = {
    read: readCall(context),
    append: appendCall(context),
    batchAppend: batchAppendCall(context),
    delete: deleteCall(context),
    tombstone: tombstoneCall(context),
  };
  server.addService(StreamsService, streams);
  server.addService(PersistentSubscriptionsService, groupCalls(context));
  server.addService(ServerFeaturesService, serverFeatures());
  server.addService(GossipService, gossip());
  const port = await listen(server, options.credentials, options, "The ledger's endpoint");
  return {
    port,
    async close() {
      closing.abort();
      await groups.close();
      await shutDown(server, SHUTDOWN_MILLIS);
    },
  };
}

export const readTls = (certFile: string, keyFile: string): TlsCredential => ({
  certPem: readFileSync(certFile, "utf8"),
  keyPem: readFileSync(keyFile, "utf8"),
});
