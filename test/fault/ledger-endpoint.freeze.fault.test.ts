import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { SallyportError } from "@sallyport/proto/errors";
import { openEventStoreDbLedger } from "../../control-plane/src/ledger/eventstoredb/eventstoredb-ledger.ts";
import type { Ledger, NewEvent } from "../../control-plane/src/ledger/ledger.ts";
import { category, collect, newEvents, SubscriptionProbe } from "../contract/ledger-probe.ts";
import { atEnd } from "../support/cleanup.ts";
import { LedgerServer } from "../support/ledger-server.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";

const DEADLINE_MS = 2_000;
/** Of a machine that has other things to do. */
const SLACK_MS = 1_500;

const isUnavailable = (error: unknown): boolean => error instanceof SallyportError && error.code === "ledger.unavailable";

describe("a ledger's server that freezes", () => {
  const cleanup = suiteCleanup();
  let server: LedgerServer;
  let ledger: Ledger;
  before(async () => {
    server = await LedgerServer.start(cleanup);
    ledger = await openEventStoreDbLedger(server.url(), { deadlineMs: DEADLINE_MS });
    atEnd(cleanup, () => ledger.close());
  });

  it("is noticed within the deadline; appends and reads fail, and go on when it does; nothing is doubled", { timeout: 60_000 }, async () => {
    const prefix = category();
    const streams = Array.from({ length: 40 }, (_, i) => `${prefix}-${i}`);
    const sent = new Map<string, NewEvent[]>(streams.map((stream) => [stream, newEvents(2)]));
    const sendAll = (): Promise<PromiseSettledResult<unknown>[]> =>
      Promise.allSettled(streams.map((stream) => ledger.append(stream, sent.get(stream) ?? [], "none")));
    const follower = new SubscriptionProbe(ledger, { filter: { by: "stream", prefixes: [prefix] } });
    await follower.caughtUp();

    for (let round = 0; round < 2; round++) {
      const started = performance.now();
      const frozen = round === 0 ? undefined : sendAll(); // in mid-append as well as before any
      server.process.kill("SIGSTOP");
      const outcomes = await (frozen ?? sendAll());
      const took = performance.now() - started;
      assert.ok(took < DEADLINE_MS + SLACK_MS, `answered after ${took} ms`);
      for (const outcome of outcomes) assert.ok(outcome.status === "fulfilled" || isUnavailable(outcome.reason));
      if (round === 0) assert.ok(outcomes.every(({ status }) => status === "rejected"));
      await assert.rejects(collect(ledger.readStream(streams[0] ?? "")), isUnavailable);
      server.process.kill("SIGCONT");
      for (const outcome of await sendAll()) assert.equal(outcome.status, "fulfilled", String("reason" in outcome && outcome.reason));
    }

    const log = await collect(ledger.readAll({ filter: { by: "stream", prefixes: [prefix] } }));
    for (const stream of streams) {
      assert.deepEqual(
        log.filter((event) => event.stream === stream).map(({ id }) => id),
        sent.get(stream)?.map(({ id }) => id),
      );
    }
    await follower.reached(log.at(-1)?.position ?? 0n);
    assert.deepEqual(
      follower.ids,
      log.map(({ id }) => id),
    );
    await follower.stop();
  });

  it("is told from one that takes its time within the deadline", { timeout: 60_000 }, async () => {
    const stream = `${category()}-1`;
    server.process.kill("SIGSTOP");
    const appended = ledger.append(stream, newEvents(1), "none");
    setTimeout(() => server.process.kill("SIGCONT"), DEADLINE_MS / 4);
    assert.equal((await appended).revision, 0n);
  });
});
