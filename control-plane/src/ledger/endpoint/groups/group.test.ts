import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import pino from "pino";
import { storedForm } from "../../foreign-event.ts";
import type { Ledger, NewEvent } from "../../ledger.ts";
import { openSqliteLedger } from "../../sqlite/sqlite-ledger.ts";
import { StreamAppender } from "../stream-appender.ts";
import type { Consumer } from "./consumer.ts";
import { ALL, type GroupConfig } from "./group-config.ts";
import { Group } from "./group.ts";
import { GroupStreams } from "./group-streams.ts";

const log = pino({ enabled: false });
const settings: GroupConfig["settings"] = {
  resolveLinks: false,
  extraStatistics: false,
  messageTimeoutMs: 0,
  maxRetryCount: 1_000,
  checkpointAfterMs: 0,
  minCheckpointCount: 1,
  maxCheckpointCount: 1,
  maxSubscriberCount: 0,
  liveBufferSize: 1,
  readBatchSize: 1,
  historyBufferSize: 1,
  strategy: "RoundRobin",
};

const event = (id: string = randomUUID()): NewEvent => ({
  id,
  type: "A",
  ...storedForm({ contentType: "application/json", data: Buffer.from("{}"), metadata: Buffer.alloc(0) }),
});

/** A consumer that only keeps what it gets. */
class Taker {
  readonly ids: string[] = [];
  readonly consumer: Consumer;
  #more: (() => void) | undefined;

  constructor(group: Group, slots: number) {
    const send = ({ id }: { readonly id: string }): boolean => {
      this.ids.push(id);
      this.#more?.();
      return true;
    };
    this.consumer = group.join({ slots, from: "", user: "", connection: "", send, cut: () => undefined });
  }

  async got(count: number): Promise<void> {
    while (this.ids.length < count) await new Promise<void>((resolve) => (this.#more = resolve));
  }
}

describe("a group of consumers", () => {
  const folder = mkdtempSync(join(tmpdir(), "group-"));
  let ledger: Ledger;
  let appender: StreamAppender;
  before(async () => {
    ledger = await openSqliteLedger(join(folder, "ledger.db"));
    appender = new StreamAppender(ledger, () => false);
  });
  after(async () => {
    await ledger.close();
    rmSync(folder, { recursive: true });
  });

  const load = (source: string, group: string, filter?: GroupConfig["filter"]): Promise<Group> => {
    const config: GroupConfig = { source, group, startFrom: "start", settings, ...(filter && { filter }) };
    return Group.load(ledger, new GroupStreams({ ledger, appender }, source, group), config, log);
  };
  const stop = (group: Group, save: boolean): Promise<void> => group.stop(new Error("stopped"), { save });

  it("holds back an event whose id is in flight, so that an answer means one event", async () => {
    const prefix = randomUUID();
    const shared = event();
    await ledger.append(`${prefix}-1`, [shared], "none");
    await ledger.append(`${prefix}-2`, [shared, event()], "none");
    const group = await load(ALL, prefix, { by: "stream", prefixes: [prefix], regex: "" });
    const taker = new Taker(group, 10);
    await taker.got(1);
    while ((await group.state()).unfinished < 2) await new Promise(setImmediate);
    assert.deepEqual(taker.ids, [shared.id], "though there is room for ten");
    group.answer(taker.consumer, [shared.id], "ack", "");
    await taker.got(3);
    assert.deepEqual(taker.ids.slice(0, 2), [shared.id, shared.id]);
    await stop(group, false);
  });

  it("takes no more from its source than its consumers have room for", async () => {
    const stream = `many-${randomUUID()}`;
    await ledger.append(
      stream,
      Array.from({ length: 500 }, () => event()),
      "none",
    );
    const group = await load(stream, "g");
    const takers = [new Taker(group, 3), new Taker(group, 4)];
    await Promise.all([takers[0]?.got(3), takers[1]?.got(4)]);
    const { unfinished, consumers } = await group.state();
    assert.deepEqual([unfinished, consumers.map(({ inFlight }) => inFlight.size)], [7, [3, 4]]);
    await stop(group, false);
  });

  it("loses nothing, whoever leaves or refuses, and wherever it is broken off", async () => {
    const step = fc.record({ who: fc.nat(2), what: fc.constantFrom("ack", "ack", "retry", "skip", "leave", "crash") });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const stream = `chaos-${randomUUID()}`;
        const events = Array.from({ length: 20 }, () => event());
        await ledger.append(stream, events, "none");
        const done = new Set<string>();
        let group = await load(stream, "g");
        let takers = [0, 1, 2].map(() => new Taker(group, 2));
        for (const { who, what } of steps) {
          const taker = takers[who];
          assert.ok(taker !== undefined);
          const [id] = taker.consumer.inFlight.keys();
          if (what === "crash") {
            await stop(group, false);
            group = await load(stream, "g");
            takers = [0, 1, 2].map(() => new Taker(group, 2));
          } else if (what === "leave") {
            group.leave(taker.consumer);
            takers[who] = new Taker(group, 2);
          } else if (id !== undefined) {
            group.answer(taker.consumer, [id], what, "");
            if (what !== "retry") done.add(id);
          }
          await new Promise(setImmediate);
        }
        const missing = (): boolean => events.some(({ id }) => !done.has(id));
        while (missing()) {
          for (const { consumer } of takers) {
            for (const id of consumer.inFlight.keys()) {
              done.add(id);
              group.answer(consumer, [id], "ack", "");
            }
          }
          await new Promise(setImmediate);
        }
        await stop(group, true);
        const { checkpoint } = await (await load(stream, "g")).state();
        assert.ok(checkpoint !== undefined && checkpoint <= 19n);
      }),
      { numRuns: 25 },
    );
  });
});
