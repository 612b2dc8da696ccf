import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { Metadata, Server, ServerCredentials, status } from "@grpc/grpc-js";
import { ServerFeaturesService } from "@sallyport/proto/gen/event_store/client/server_features";
import { type StreamsServer, StreamsService } from "@sallyport/proto/gen/event_store/client/streams";
import { serverFeatures } from "../../control-plane/src/ledger/endpoint/server-services.ts";
import { openEventStoreDbLedger } from "../../control-plane/src/ledger/eventstoredb/eventstoredb-ledger.ts";
import { collect, newEvents } from "../contract/ledger-probe.ts";
import { atEnd, type Cleanup } from "../support/cleanup.ts";
import { LedgerServer } from "../support/ledger-server.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";

/** A node that has lost an election: it answers reads, and sends writers to the leader, in the words of the server. */
async function startFollower(cleanup: Cleanup, leaderPort: number): Promise<{ readonly port: number; readonly refused: () => number }> {
  let refused = 0;
  const trailers = new Metadata();
  trailers.set("exception", "not-leader");
  trailers.set("leader-endpoint-host", "localhost");
  trailers.set("leader-endpoint-port", String(leaderPort));
  const notLeader = Object.assign(new Error("Leader info available"), { code: status.NOT_FOUND, details: "Leader info available", metadata: trailers });
  const unused = (): never => {
    throw new Error("This is not called.");
  };
  const streams: StreamsServer = {
    read: (call) => call.end(),
    batchAppend: (call) =>
      void call.once("data", () => {
        refused++;
        call.emit("error", notLeader);
      }),
    append: unused,
    delete: unused,
    tombstone: unused,
  };
  const server = new Server();
  server.addService(StreamsService, streams);
  server.addService(ServerFeaturesService, serverFeatures());
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => (error === null ? resolve(bound) : reject(error))),
  );
  atEnd(cleanup, () => server.forceShutdown());
  return { port, refused: () => refused };
}

describe("a change of the cluster's leader", () => {
  const cleanup = suiteCleanup();
  let leader: LedgerServer;
  before(async () => {
    leader = await LedgerServer.start(cleanup, { tls: false });
  });

  it("is followed by the adapter: what was refused by the old one is stored by the new one, once", async () => {
    const follower = await startFollower(cleanup, leader.port);
    const ledger = await openEventStoreDbLedger(`esdb://localhost:${follower.port}?tls=false`);
    const events = newEvents(3);
    const appended = await Promise.all([ledger.append("a-1", events, "none"), ledger.append("a-2", newEvents(1), "none")]);
    assert.deepEqual(
      appended.map(({ revision }) => revision),
      [2n, 0n],
    );
    assert.ok(follower.refused() > 0);
    assert.deepEqual(
      (await collect(ledger.readStream("a-1"))).map(({ id }) => id),
      events.map(({ id }) => id),
    );
    await ledger.close();
  });
});
