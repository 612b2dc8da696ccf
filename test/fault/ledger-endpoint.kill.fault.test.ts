import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { env } from "node:process";
import { before, describe, it } from "node:test";
import { SallyportError } from "@sallyport/proto/errors";
import { openEventStoreDbLedger } from "../../control-plane/src/ledger/eventstoredb/eventstoredb-ledger.ts";
import type { ExpectedRevision, Ledger } from "../../control-plane/src/ledger/ledger.ts";
import { category, collect, newEvents, SubscriptionProbe } from "../contract/ledger-probe.ts";
import { atEnd } from "../support/cleanup.ts";
import { LedgerServer } from "../support/ledger-server.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";

/** A release is tried with twenty: SALLYPORT_TEST_KILLS=20. */
const KILLS = Number(env["SALLYPORT_TEST_KILLS"] ?? 4);
const WRITERS = 16;

describe("a ledger's server that is killed under load", () => {
  const cleanup = suiteCleanup();
  let server: LedgerServer;
  let ledger: Ledger;
  before(async () => {
    server = await LedgerServer.start(cleanup);
    ledger = await openEventStoreDbLedger(server.url());
    atEnd(cleanup, () => ledger.close());
  });

  it(`holds what was acknowledged, in order and once, after ${KILLS} kills; its client goes on by itself`, { timeout: 30_000 + KILLS * 10_000 }, async (t) => {
    const prefix = category();
    const acknowledged = new Map<string, string[]>();
    let count = 0;
    let refusals = 0;
    let stop = false;
    let progress: (() => void) | undefined;

    const write = async (stream: string): Promise<void> => {
      let expected: ExpectedRevision = "none";
      while (!stop) {
        const events = newEvents(randomInt(1, 4));
        for (let answered = false; !answered;) {
          try {
            ({ revision: expected } = await ledger.append(stream, events, expected));
            answered = true;
          } catch (error) {
            if (!(error instanceof SallyportError) || error.code !== "ledger.unavailable") throw error;
            refusals++; // nothing was acknowledged: the same events again
          }
        }
        acknowledged.set(stream, [...(acknowledged.get(stream) ?? []), ...events.map(({ id }) => id)]);
        count += events.length;
        progress?.();
      }
    };
    const until = async (enough: number): Promise<void> => {
      while (count < enough) await new Promise<void>((resolve) => (progress = resolve));
    };

    const follower = new SubscriptionProbe(ledger, { filter: { by: "stream", prefixes: [prefix] } });
    const writers = Promise.all(Array.from({ length: WRITERS }, (_, i) => write(`${prefix}-${i}`)));
    writers.catch(() => progress?.());
    for (let kill = 0; kill < KILLS; kill++) {
      await Promise.race([until(count + randomInt(100, 1_000)), writers]);
      await server.kill();
      await server.restart();
    }
    await Promise.race([until(count + 200), writers]);
    stop = true;
    await writers;

    const log = await collect(ledger.readAll({ filter: { by: "stream", prefixes: [prefix] } }));
    const stored = Map.groupBy(log, ({ stream }) => stream);
    for (const [stream, ids] of acknowledged) {
      const events = stored.get(stream) ?? [];
      assert.deepEqual(
        events.map(({ id }) => id),
        ids,
      );
      assert.deepEqual(
        events.map(({ revision }) => revision),
        events.map((_, i) => BigInt(i)),
      );
    }
    assert.equal(log.length, count);
    await follower.reached(log.at(-1)?.position ?? 0n);
    assert.deepEqual(
      follower.ids,
      log.map(({ id }) => id),
      "a subscription misses nothing and sees nothing twice",
    );
    await follower.stop();
    t.diagnostic(`${KILLS} kills, ${count} events acknowledged and stored, ${refusals} appends had to be sent again by the writer`);
  });
});
