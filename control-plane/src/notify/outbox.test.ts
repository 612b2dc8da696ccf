import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import type { Delivery } from "./delivery.ts";
import { Outbox, type OutboxBounds, QUEUE_FULL, SHARE_FULL } from "./outbox.ts";

const now = new Date("2026-11-22T10:00:00.000Z");
const later = new Date("2026-11-22T11:00:00.000Z");
const delivery = (number: number, channel = "ops", more: Partial<Delivery> = {}): Delivery => ({
  id: `e${number}_${channel}`,
  channel,
  eventId: `e${number}`,
  eventType: "AccessGranted",
  stream: "grant-1",
  revision: BigInt(number),
  urgency: "action",
  source: "",
  ...more,
});
const bounds: OutboxBounds = { waiting: 100, alarmShare: 20, perSource: 10, failed: 50 };
const many = (count: number): Delivery[] => Array.from({ length: count }, (_, number) => delivery(number));

function open(t: TestContext): { readonly outbox: Outbox; readonly path: string } {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-outbox-"));
  const path = join(folder, "notifications.db");
  const outbox = new Outbox(path, bounds);
  t.after(() => rmSync(folder, { recursive: true }));
  return { outbox, path };
}

describe("the outbox", () => {
  it("has deliveries and the place in the ledger when it is opened again, positions of 64 bits too", (t) => {
    const { outbox, path } = open(t);
    assert.equal(outbox.checkpoint(), undefined);
    outbox.moveTo(undefined);
    assert.deepEqual(outbox.checkpoint(), { position: undefined });
    outbox.take([delivery(1), delivery(1, "chat")], 2n ** 60n, now);
    outbox.close();
    const again = new Outbox(path);
    assert.deepEqual(again.checkpoint(), { position: 2n ** 60n });
    assert.deepEqual([again.next("ops", now)?.revision, again.next("chat", now)?.id, again.next("none", now)], [1n, "e1_chat", undefined]);
    again.close();
    assert.equal(statSync(path).mode & 0o077, 0, "for nobody else");
  });

  it("takes nothing of a batch that it cannot take whole, and stays where it was", (t) => {
    const { outbox } = open(t);
    outbox.take([delivery(1)], 1n, now);
    const unfit = { ...delivery(2), stream: undefined as unknown as string };
    assert.throws(() => outbox.take([delivery(3), unfit], 2n, now));
    assert.deepEqual([outbox.checkpoint()?.position, outbox.counts("ops")], [1n, { waiting: 1, failed: 0, forgotten: 0 }]);
    outbox.close();
  });

  it("gives out what is due first, and what was put off when it is due", (t) => {
    const { outbox } = open(t);
    outbox.take([delivery(1), delivery(2)], 1n, now);
    outbox.postpone("e1_ops", 1, later, "http 500");
    assert.equal(outbox.next("ops", now)?.id, "e2_ops");
    outbox.remove("e2_ops");
    assert.deepEqual([outbox.next("ops", now)?.id, outbox.next("ops", now)?.attempts, outbox.next("ops", now)?.dueAt], ["e1_ops", 1, later]);
    outbox.close();
  });

  it("gives out an alarm that is due before what is less urgent, however late it came", (t) => {
    const { outbox } = open(t);
    outbox.take([delivery(1, "ops", { urgency: "info" }), delivery(2)], 1n, now);
    outbox.take([delivery(3, "ops", { urgency: "alarm" })], 2n, later);
    const order: (string | undefined)[] = [outbox.next("ops", now)?.eventId];
    for (const _ of [1, 2, 3]) {
      const next = outbox.next("ops", later);
      order.push(next?.eventId);
      outbox.remove(next?.id ?? "");
    }
    assert.deepEqual(order, ["e2", "e3", "e2", "e1"], "not due at first, then before the others");
    outbox.close();
  });

  it("has room for alarms when it takes nothing else any more", (t) => {
    const { outbox } = open(t);
    const room = bounds.waiting - bounds.alarmShare;
    assert.equal(outbox.take(many(room + 1), 1n, now).length, 1);
    const alarms = Array.from({ length: bounds.alarmShare + 1 }, (_, number) => delivery(room + 10 + number, "ops", { urgency: "alarm" }));
    assert.deepEqual(outbox.take(alarms, 2n, now), [{ delivery: alarms.at(-1), failure: QUEUE_FULL }]);
    assert.equal(outbox.next("ops", now)?.urgency, "alarm");
    outbox.close();
  });

  it("takes so much from one who makes things happen, and from others what they bring; and pushes no letter of others out for it", (t) => {
    const { outbox } = open(t);
    const of = (source: string, from: number, count: number) => Array.from({ length: count }, (_, number) => delivery(from + number, "ops", { source }));
    const overflow = outbox.take(of("ana", 0, bounds.perSource + 2), 1n, now);
    assert.deepEqual(
      overflow.map(({ failure }) => failure),
      [SHARE_FULL, SHARE_FULL],
    );
    assert.deepEqual(outbox.take(of("bo", 20_000, 1), 2n, now), []);
    assert.deepEqual(outbox.take([delivery(30_000, "ops", { source: "ana", urgency: "alarm" })], 3n, now), [], "an alarm of theirs is told");
    for (let number = 0; number < bounds.failed; number++) outbox.bury(delivery(40_000 + number), 9, later, "http 500");
    const before = outbox.counts("ops");
    outbox.take(of("ana", 60_000, 5), 4n, later);
    assert.deepEqual(outbox.counts("ops"), { ...before, forgotten: before.forgotten + 5 });
    outbox.close();
  });

  it("forgets the oldest dead letters of the least urgency, and how many is seen", (t) => {
    const { outbox } = open(t);
    const at = (ms: number): Date => new Date(now.getTime() + ms);
    outbox.bury(delivery(1, "ops", { urgency: "alarm" }), 9, at(0), "http 500");
    outbox.bury(delivery(2, "ops", { urgency: "info" }), 9, at(2), "http 500");
    outbox.bury(delivery(3, "ops", { urgency: "info" }), 9, at(1), "http 500");
    for (let number = 4; number <= bounds.failed; number++) outbox.bury(delivery(number), 9, at(3), "http 500");
    outbox.bury(delivery(20_000), 9, at(4), "http 500");
    assert.deepEqual([outbox.find("e3_ops"), outbox.counts("ops").forgotten], [undefined, 1]);
    outbox.bury(delivery(20_001), 9, at(4), "http 500");
    outbox.bury(delivery(20_002), 9, at(4), "http 500");
    assert.deepEqual([outbox.find("e2_ops"), outbox.find("e1_ops")?.state, outbox.counts("ops").forgotten], [undefined, "failed", 3]);
    outbox.close();
  });

  it("lists dead letters however much waits that is newer, and finds one by the first characters of its id", (t) => {
    const { outbox } = open(t);
    outbox.bury(delivery(90_001), 9, now, "http 500");
    outbox.bury(delivery(90_002), 9, later, "http 500");
    outbox.take(many(50), 1n, later);
    const ids = (found: readonly { readonly id: string }[]): readonly string[] => found.map(({ id }) => id);
    assert.deepEqual(ids(outbox.list(10, ["failed"])), ["e90002_ops", "e90001_ops"]);
    assert.equal(outbox.list(10).length, 10);
    assert.deepEqual([ids(outbox.failedLike("e9000")).length, ids(outbox.failedLike("e90002")), ids(outbox.failedLike("e1"))], [2, ["e90002_ops"], []]);
    outbox.close();
  });

  it("is bounded for each channel: what there is no room for is a dead letter, and the oldest of those go", (t) => {
    const { outbox } = open(t);
    const room = bounds.waiting - bounds.alarmShare;
    const overflow = outbox.take(many(room + 2), 1n, now).map(({ delivery: { id } }) => id);
    assert.deepEqual(overflow, [`e${room}_ops`, `e${room + 1}_ops`]);
    assert.deepEqual([outbox.counts("ops"), outbox.find(overflow[0] ?? "")?.failure], [{ waiting: room, failed: 2, forgotten: 0 }, QUEUE_FULL]);
    assert.deepEqual(outbox.take([delivery(1, "chat")], 2n, now), [], "the other channels have room");
    for (let number = 0; number < 3; number++) outbox.bury(delivery(number), 9, later, "http 500");
    assert.equal(outbox.counts("ops").failed, 5);
    outbox.revive("e0_ops", later);
    assert.deepEqual([outbox.find("e0_ops")?.state, outbox.find("e0_ops")?.attempts], ["waiting", 0]);
    for (let number = 0; number <= bounds.failed; number++) outbox.bury(delivery(number, "chat"), 9, new Date(now.getTime() + number), "http 500");
    assert.deepEqual([outbox.counts("chat").failed, outbox.find("e0_chat"), outbox.find("e1_chat")?.state], [bounds.failed, undefined, "failed"]);
    outbox.close();
  });
});
