import assert from "node:assert/strict";
import { it } from "node:test";
import { configureChannels } from "../support/notification-channels.ts";
import { openPolicy } from "../support/policies.ts";
import { isType, Stack } from "../support/stack.ts";
import { WebhookServer } from "../support/webhook-server.ts";

const HANG_MS = 240_000;

it("a ledger that takes nothing is told of while it takes nothing, and again from the record when it is over", { timeout: HANG_MS }, async (t) => {
  const hook = await WebhookServer.start(t);
  const { env } = configureChannels(t, [{ name: "hook", kind: "webhook", server: hook, more: { events: ["ledger"] } }]);
  const stack = await Stack.start(t, { policy: openPolicy, ledger: "eventstoredb", env: { ...env, SALLYPORT_LEDGER_DEADLINE_SECONDS: "1" } });
  const client = await stack.connect();
  await stack.ledgerServer.kill();
  await assert.rejects(client.query("select 1 as one"));
  const alert = await hook.first(({ body }) => body.includes("ledger.unavailable"));
  assert.match(alert.id, /^outage-node1-\d+_hook$/u);
  await stack.ledgerServer.restart();
  const entered = await stack.event("node-", isType("FailClosedEntered"));
  const recorded = await hook.first(({ body }) => body.includes("FailClosedEntered"));
  assert.notEqual(recorded.id, alert.id);
  assert.ok(recorded.body.includes(entered.data.since));
});
