import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { configureChannels } from "../support/notification-channels.ts";
import { isType, RESOURCE, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { WebhookServer } from "../support/webhook-server.ts";

const HANG_MS = 240_000;
const ROUNDS = 4;
/** Few enough that one identity may have so many waiting at once, over all rounds. */
const REQUESTS = 4;

describe("a control plane that is killed while it tells its channels", { timeout: HANG_MS }, () => {
  const cleanup = suiteCleanup();

  it("has told of everything in the end, each with one id, and repeats no more than what was on its way", async () => {
    const server = await WebhookServer.start(cleanup);
    const { env } = configureChannels(cleanup, [{ name: "hook", kind: "webhook", server, more: { events: ["grants"] } }]);
    const stack = await Stack.start(cleanup, { labels: { access: "on-request" }, env });
    const request = () => stack.call("ana", (api) => api.grants.requestAccess({ resource: RESOURCE, durationSeconds: 60, reason: "stuck", ticket: "" }));
    for (let round = 0; round < ROUNDS; round++) {
      // One is taken and never answered: the process dies with it on its way, and with the others behind it.
      server.behaviours = [{ kind: "hang" }];
      const before = server.received.length;
      for (let i = 0; i < REQUESTS; i++) await request();
      await server.count(before + 1);
      await stack.killControlPlane();
      server.behaviours = [{ kind: "answer", status: 204 }];
      await stack.startControlPlane();
      await server.count(before + 1 + REQUESTS);
    }
    const recorded = (await stack.events("grant-")).filter(isType("AccessRequested"));
    assert.equal(recorded.length, ROUNDS * REQUESTS);
    for (const { data } of recorded) await server.first(({ body }) => body.includes(data.grantId));
    const ids = server.received.map(({ id }) => id);
    assert.equal(new Set(ids).size, recorded.length);
    assert.ok(ids.length <= recorded.length + ROUNDS, `${ids.length} attempts for ${recorded.length} events`);
  });
});
