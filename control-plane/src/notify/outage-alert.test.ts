import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ManualTime } from "../application/testing/manual-time.ts";
import { type Channel, delivered, failed, type Outcome } from "./channel.ts";
import type { Message } from "./message.ts";
import { OUTAGE_ALERT_AFTER_MS, OUTAGE_ALERT_AGAIN_MS, OutageAlert } from "./outage-alert.ts";

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("an outage of the ledger", () => {
  function scene(types: readonly string[] = ["FailClosedEntered"], outcome: () => Outcome = () => delivered) {
    const sent: Message[] = [];
    const time = new ManualTime();
    const channel: Channel = {
      name: "ops",
      kind: "webhook",
      types: new Set(types),
      groups: new Set(),
      discretion: { people: false, statements: false },
      send(message) {
        sent.push(message);
        return Promise.resolve(outcome());
      },
    };
    return { sent, time, alert: new OutageAlert({ channels: [channel], nodeId: "one", scheduler: time }) };
  }

  it("is told while it lasts, once, and not when it was a moment", async () => {
    const { sent, time, alert } = scene();
    alert.entered({ since: time.now() });
    time.advance(OUTAGE_ALERT_AFTER_MS - 1);
    alert.left();
    time.advance(OUTAGE_ALERT_AGAIN_MS);
    assert.equal(sent.length, 0);
    alert.entered({ since: time.now() });
    time.advance(OUTAGE_ALERT_AFTER_MS);
    await nextTurn();
    time.advance(10 * OUTAGE_ALERT_AGAIN_MS);
    assert.deepEqual(
      sent.map(({ kind, urgency }) => [kind, urgency]),
      [["ledger.unavailable", "alarm"]],
    );
  });

  it("is told again to a channel that did not take it, with the same id, until it is over", async () => {
    const { sent, time, alert } = scene(["FailClosedEntered"], () => failed("http 500"));
    alert.entered({ since: time.now() });
    time.advance(OUTAGE_ALERT_AFTER_MS);
    await nextTurn();
    time.advance(OUTAGE_ALERT_AGAIN_MS);
    await nextTurn();
    alert.left();
    time.advance(10 * OUTAGE_ALERT_AGAIN_MS);
    assert.equal(sent.length, 2);
    assert.equal(new Set(sent.map(({ id }) => id)).size, 1);
  });

  it("is told to nobody who does not listen to it", () => {
    const { sent, time, alert } = scene(["AgentRevoked"]);
    alert.entered({ since: time.now() });
    time.advance(OUTAGE_ALERT_AFTER_MS);
    assert.equal(sent.length, 0);
  });
});
