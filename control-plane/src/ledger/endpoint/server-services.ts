import { randomUUID } from "node:crypto";
import type { handleUnaryCall } from "@grpc/grpc-js";
import { GossipService, type GossipServer, MemberInfo_VNodeState } from "@sallyport/proto/gen/event_store/client/gossip";
import { ServerFeaturesService, type ServerFeaturesServer, type SupportedMethods } from "@sallyport/proto/gen/event_store/client/server_features";
import { PersistentSubscriptionsService } from "@sallyport/proto/gen/event_store/client/persistent_subscriptions";
import type { Empty } from "@sallyport/proto/gen/event_store/client/shared";
import { StreamsService } from "@sallyport/proto/gen/event_store/client/streams";

/** Clients compare it to decide what they may ask for: the protocol as of 23.10, which has all that is served here. */
const SERVER_VERSION = "23.10.0.0";

/** Each with what clients ask for besides the call itself. */
const SERVICES = [
  { service: StreamsService, features: [] },
  { service: PersistentSubscriptionsService, features: ["stream", "all"] },
  { service: ServerFeaturesService, features: [] },
  { service: GossipService, features: [] },
];

/** Which calls there are. Clients ask this first, and without a list take the slow ways. */
export function serverFeatures(): ServerFeaturesServer {
  const methods = SERVICES.flatMap(({ service, features }) =>
    Object.values<{ readonly path: string }>(service).map(({ path }) => {
      const [, serviceName = "", methodName = ""] = path.split("/");
      return { serviceName: serviceName.toLowerCase(), methodName: methodName.toLowerCase(), features };
    }),
  );
  const getSupportedMethods: handleUnaryCall<Empty, SupportedMethods> = (_, callback) => callback(null, { methods, eventStoreServerVersion: SERVER_VERSION });
  return { getSupportedMethods };
}

/** A cluster of one, which leads. Its address is the one that the client reached it by, so that names in certificates stay true. */
export function gossip(): GossipServer {
  const instanceId = { value: { $case: "string", value: randomUUID() } } as const;
  return {
    read(call, callback) {
      const member = {
        instanceId,
        timeStamp: BigInt(Date.now()),
        state: MemberInfo_VNodeState.Leader,
        isAlive: true,
        httpEndPoint: addressOf(call.getHost()),
      };
      callback(null, { members: [member] });
    },
  };
}

function addressOf(authority: string): { readonly address: string; readonly port: number } {
  const { hostname, port } = new URL(`http://${authority}`);
  return { address: hostname, port: Number(port) };
}
