import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import type { ExpectedRevision, Ledger, NewEvent } from "../../control-plane/src/ledger/ledger.ts";
import { category, collect, newEvent, newEvents, SubscriptionProbe } from "./ledger-probe.ts";

/** The part of the ledger contract that is about subscriptions (L4). `current` answers the ledger under test once tests run. */
export function subscriptionContract(current: () => Ledger): void {
  describe("subscribeToAll", () => {
    let ledger: Ledger;
    before(() => {
      ledger = current();
    });

    it("yields what was there, says that it caught up, then yields what comes", async () => {
      const prefix = category();
      const stored = newEvents(3);
      await ledger.append(`${prefix}-1`, stored, "none");
      const probe = new SubscriptionProbe(ledger, { filter: { by: "stream", prefixes: [prefix] } });
      await probe.caughtUp();
      assert.deepEqual(
        probe.ids,
        stored.map(({ id }) => id),
      );
      const live = newEvents(2);
      const appended = await ledger.append(`${prefix}-1`, live, 2n);
      await probe.reached(appended.position);
      assert.deepEqual(
        probe.ids,
        [...stored, ...live].map(({ id }) => id),
      );
      await probe.stop();
    });

    it("starts after the position that it is given, and resumes from a checkpoint without gap or duplicate", async () => {
      const prefix = category();
      const { position } = await ledger.append(`${prefix}-1`, newEvents(2), "none");
      const rest = newEvents(2);
      await ledger.append(`${prefix}-1`, rest, 1n);
      const probe = new SubscriptionProbe(ledger, { after: position, filter: { by: "stream", prefixes: [prefix] } });
      await probe.caughtUp();
      assert.deepEqual(
        probe.ids,
        rest.map(({ id }) => id),
      );
      await probe.stop();
    });

    it("yields only what comes after the call when it starts at the end", async () => {
      const prefix = category();
      await ledger.append(`${prefix}-1`, newEvents(2), "none");
      const filter = { by: "stream", prefixes: [prefix] } as const;
      const stop = new AbortController();
      const messages = ledger.subscribeToAll({ after: "end", filter, signal: stop.signal });
      const later = newEvents(1);
      const { position } = await ledger.append(`${prefix}-1`, later, 1n);
      const probe = new SubscriptionProbe(messages, stop);
      await probe.reached(position);
      assert.deepEqual(
        probe.ids,
        later.map(({ id }) => id),
      );
      await probe.stop();
    });

    it("filters live events by type as it filters stored ones", async () => {
      const mark = category();
      const of = (type: string): NewEvent => ({ ...newEvent(), type: `${mark}${type}` });
      const probe = new SubscriptionProbe(ledger, { filter: { by: "type", prefixes: [`${mark}Keep`] } });
      await probe.caughtUp();
      const [keep, drop, kept] = [of("Keep"), of("Drop"), of("Kept")];
      await ledger.append(`${mark}-1`, [keep, drop, kept], "none");
      const { position } = await ledger.append(`${mark}-2`, [of("KeepLast")], "none");
      await probe.reached(position);
      assert.equal(probe.ids.length, 2);
      assert.equal(probe.ids[0], keep.id);
      await probe.stop();
    });

    it("reports checkpoints when nothing matches, and resuming after one misses nothing", async () => {
      const prefix = category();
      const filter = { by: "stream", prefixes: [`${prefix}-`] } as const;
      const start = (await ledger.append(`${prefix}x-0`, newEvents(1), "none")).position;
      for (let i = 0; i < 5; i++) await ledger.append(`${prefix}x-${i + 1}`, newEvents(500), "none");
      const probe = new SubscriptionProbe(ledger, { after: start, filter });
      await probe.caughtUp();
      const checkpoint = probe.checkpoints.at(-1);
      assert.ok(checkpoint !== undefined && checkpoint > start);
      assert.deepEqual(probe.ids, []);
      await probe.stop();
      const found = newEvents(1);
      const { position } = await ledger.append(`${prefix}-1`, found, "none");
      const resumed = new SubscriptionProbe(ledger, { after: checkpoint, filter });
      await resumed.reached(position);
      assert.deepEqual(
        resumed.ids,
        found.map(({ id }) => id),
      );
      await resumed.stop();
    });

    it("reports checkpoints also while it is live", async () => {
      const prefix = category();
      const probe = new SubscriptionProbe(ledger, { after: "end", filter: { by: "stream", prefixes: [`${prefix}-`] } });
      await probe.caughtUp();
      const known = probe.checkpoints.length;
      const past = await ledger.append(`${prefix}x-0`, newEvents(1), "none");
      for (let i = 0; i < 5; i++) await ledger.append(`${prefix}x-${i + 1}`, newEvents(500), "none");
      await probe.until(() => probe.checkpoints.length > known && (probe.checkpoints.at(-1) ?? 0n) > past.position);
      await probe.stop();
    });

    it("ends without error when its signal aborts: before it starts, while it waits, and in the middle of a page", async () => {
      const prefix = category();
      await ledger.append(`${prefix}-1`, newEvents(10), "none");
      const aborted = ledger.subscribeToAll({ signal: AbortSignal.abort() });
      assert.deepEqual(await collect(aborted), []);
      const waiting = new SubscriptionProbe(ledger, { filter: { by: "stream", prefixes: [prefix] } });
      await waiting.caughtUp();
      await waiting.stop();
      const stop = new AbortController();
      let seen = 0;
      for await (const message of ledger.subscribeToAll({ filter: { by: "stream", prefixes: [prefix] }, signal: stop.signal })) {
        if (message.kind === "event" && ++seen === 3) stop.abort();
      }
      assert.equal(seen, 3);
    });

    it("delivers every event once and in order to subscribers that start anywhere while writers append", async () => {
      const prefix = category();
      const filter = { by: "stream", prefixes: [prefix] } as const;
      const expected = new Set<string>();
      const probes: SubscriptionProbe[] = [];
      let last = 0n;
      const writer = async (w: number): Promise<void> => {
        let revision: ExpectedRevision = "none";
        for (let i = 0; i < 40; i++) {
          const events = newEvents(1 + ((w + i) % 3));
          const appended = await ledger.append(`${prefix}-${w}`, events, revision);
          revision = appended.revision;
          for (const { id } of events) expected.add(id);
          if (appended.position > last) last = appended.position;
          if (w === 0 && i % 8 === 0) probes.push(new SubscriptionProbe(ledger, { filter }));
        }
      };
      await Promise.all(Array.from({ length: 8 }, (_, w) => writer(w)));
      const log = (await collect(ledger.readAll({ filter }))).map(({ id }) => id);
      assert.deepEqual(new Set(log), expected);
      for (const probe of probes) {
        await probe.reached(last);
        assert.deepEqual(probe.ids, log);
        await probe.stop();
      }
    });
  });
}
