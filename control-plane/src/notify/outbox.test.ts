import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { type Delivery, MAX_FAILED_PER_CHANNEL, MAX_WAITING_PER_CHANNEL, Outbox, QUEUE_FULL } from "./outbox.ts";

const now = new Date("2026-11-22T10:00:00.000Z");
const later = new Date("2026-11-22T11:00:00.000Z");
const delivery = (number: number, channel = "ops"): Delivery => ({
  id: `e${number}_${channel}`,
  channel,
  eventId: `e${number}`,
  eventType: "AccessGranted",
  stream: "grant-1",
  revision: BigInt(number),
});
const many = (count: number): Delivery[] => Array.from({ length: count }, (_, number) => delivery(number));

function open(t: TestContext): { readonly outbox: Outbox; readonly path: string } {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-outbox-"));
  const path = join(folder, "notifications.db");
  const outbox = new Outbox(path);
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
    assert.deepEqual([again.next("ops")?.revision, again.next("chat")?.id, again.next("none")], [1n, "e1_chat", undefined]);
    again.close();
    assert.equal(statSync(path).mode & 0o077, 0, "for nobody else");
  });

  it("takes nothing of a batch that it cannot take whole, and stays where it was", (t) => {
    const { outbox } = open(t);
    outbox.take([delivery(1)], 1n, now);
    const unfit = { ...delivery(2), stream: undefined as unknown as string };
    assert.throws(() => outbox.take([delivery(3), unfit], 2n, now));
    assert.deepEqual([outbox.checkpoint()?.position, outbox.counts("ops")], [1n, { waiting: 1, failed: 0 }]);
    outbox.close();
  });

  it("gives out what is due first, and what was put off when it is due", (t) => {
    const { outbox } = open(t);
    outbox.take([delivery(1), delivery(2)], 1n, now);
    outbox.postpone("e1_ops", 1, later, "http 500");
    assert.equal(outbox.next("ops")?.id, "e2_ops");
    outbox.remove("e2_ops");
    assert.deepEqual([outbox.next("ops")?.id, outbox.next("ops")?.attempts, outbox.next("ops")?.dueAt], ["e1_ops", 1, later]);
    outbox.close();
  });

  it("is bounded for each channel: what there is no room for is a dead letter, and the oldest of those go", (t) => {
    const { outbox } = open(t);
    const overflow = outbox.take(many(MAX_WAITING_PER_CHANNEL + 2), 1n, now);
    assert.deepEqual(
      overflow.map(({ id }) => id),
      [`e${MAX_WAITING_PER_CHANNEL}_ops`, `e${MAX_WAITING_PER_CHANNEL + 1}_ops`],
    );
    assert.deepEqual([outbox.counts("ops"), outbox.find(overflow[0]?.id ?? "")?.failure], [{ waiting: MAX_WAITING_PER_CHANNEL, failed: 2 }, QUEUE_FULL]);
    assert.deepEqual(outbox.take([delivery(1, "chat")], 2n, now), [], "the other channels have room");
    for (let number = 0; number < 3; number++) outbox.bury(delivery(number), 9, later, "http 500");
    assert.equal(outbox.counts("ops").failed, 5);
    outbox.revive("e0_ops", later);
    assert.deepEqual([outbox.find("e0_ops")?.state, outbox.find("e0_ops")?.attempts], ["waiting", 0]);
    for (let number = 0; number <= MAX_FAILED_PER_CHANNEL; number++) outbox.bury(delivery(number, "chat"), 9, new Date(now.getTime() + number), "http 500");
    assert.deepEqual([outbox.counts("chat").failed, outbox.find("e0_chat"), outbox.find("e1_chat")?.state], [MAX_FAILED_PER_CHANNEL, undefined, "failed"]);
    outbox.close();
  });
});
