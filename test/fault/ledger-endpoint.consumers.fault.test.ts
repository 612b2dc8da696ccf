import assert from "node:assert/strict";
import { randomInt, randomUUID } from "node:crypto";
import { env } from "node:process";
import { before, describe, it } from "node:test";
import { EventStoreDBClient, jsonEvent, persistentSubscriptionToAllSettingsFromDefaults, streamNameFilter } from "@eventstore/db-client";
import { atEnd } from "../support/cleanup.ts";
import { LedgerServer } from "../support/ledger-server.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";

/** A release is tried with twenty: SALLYPORT_TEST_KILLS=20. */
const KILLS = Number(env["SALLYPORT_TEST_KILLS"] ?? 4);
const CONSUMERS = 3;
const BATCH = 20;

/** Of one kill: what is between two checkpoints and what is in flight are a hundred each, and the disk may be slow. */
const MAX_REPEATED = 500;

describe("a ledger's server that is killed while consumers share what it has", () => {
  const cleanup = suiteCleanup();
  let server: LedgerServer;
  before(async () => {
    server = await LedgerServer.start(cleanup, { tls: false });
  });

  it(`hands out each event after ${KILLS} kills, and few of them twice`, { timeout: 30_000 + KILLS * 10_000 }, async (t) => {
    const prefix = `work${randomUUID().replaceAll("-", "")}`;
    const connect = (): EventStoreDBClient => EventStoreDBClient.connectionString(server.url());
    const setUp = connect();
    const settings = persistentSubscriptionToAllSettingsFromDefaults({
      startFrom: "start",
      checkPointLowerBound: 10,
      checkPointUpperBound: 50,
      checkPointAfter: 100,
    });
    await setUp.createPersistentSubscriptionToAll("workers", settings, { filter: streamNameFilter({ prefixes: [prefix] }) });
    await setUp.dispose();

    const stored = new Set<string>();
    const deliveries = new Map<string, number>();
    let total = 0;
    let stop = false;
    let progress: (() => void) | undefined;

    const write = async (): Promise<void> => {
      const client = connect();
      while (!stop) {
        const events = Array.from({ length: BATCH }, () => jsonEvent({ type: "Work", data: {} }));
        try {
          await client.appendToStream(`${prefix}-${randomInt(8)}`, events);
          for (const { id } of events) stored.add(id);
        } catch {
          break; // the server is gone: a new client for the new one
        }
      }
      await client.dispose();
    };
    const consume = async (): Promise<void> => {
      const client = connect();
      const subscription = client.subscribeToPersistentSubscriptionToAll("workers", { bufferSize: 20 });
      await new Promise<void>((resolve) => {
        subscription.on("error", () => resolve());
        subscription.on("data", (resolved) => {
          const id = resolved.event?.id ?? "";
          deliveries.set(id, (deliveries.get(id) ?? 0) + 1);
          total++;
          subscription.ack(resolved).catch(() => undefined);
          progress?.();
        });
        atEnd(cleanup, () => resolve());
      });
      await client.dispose();
    };
    const untilTotal = async (enough: number): Promise<void> => {
      while (total < enough) await new Promise<void>((resolve) => (progress = resolve));
    };
    const isWhole = (): boolean => [...stored].every((id) => deliveries.has(id));

    for (let life = 0; life <= KILLS; life++) {
      const last = life === KILLS;
      const writer = write();
      const consumers = Array.from({ length: CONSUMERS }, consume);
      await untilTotal(total + randomInt(200, 1_500));
      if (last) stop = true;
      else await server.kill();
      await writer;
      if (last) break;
      await Promise.all(consumers);
      await server.restart();
    }
    while (!isWhole()) await untilTotal(total + 1);
    const again = total - deliveries.size;
    t.diagnostic(`${KILLS} kills, ${stored.size} events acknowledged to the writer, ${again} of ${total} deliveries were repetitions`);
    assert.ok(again <= KILLS * MAX_REPEATED, `${again} came again`);
  });
});
