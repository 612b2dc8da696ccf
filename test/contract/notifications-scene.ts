import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { createExecute } from "@sallyport/control-plane/src/application/execute-command.ts";
import { admin, setStage, silent, type Stage, until } from "@sallyport/control-plane/src/application/testing/stage.ts";
import { systemContext } from "@sallyport/control-plane/src/application/use-case.ts";
import type { Channel } from "@sallyport/control-plane/src/notify/channel.ts";
import { Notifications } from "@sallyport/control-plane/src/notify/notifications.process.ts";
import { Outbox, type OutboxBounds } from "@sallyport/control-plane/src/notify/outbox.ts";
import { typesOf } from "@sallyport/control-plane/src/notify/topics.ts";
import { webhookChannel } from "@sallyport/control-plane/src/notify/webhook/webhook-channel.ts";
import { tempDir } from "../support/temp-dir.ts";
import type { WebhookServer } from "../support/webhook-server.ts";

/** Nothing here takes long; what has not come by then never will. */
export const HANG_MS = 20_000;
/** For servers that never answer, in tests that wait for that. */
export const SHORT_DEADLINE_MS = 200;
export const bounds: OutboxBounds = { waiting: 200, alarmShare: 20, perSource: 50, failed: 200 };

export const newSecret = (): string => `whsec_${randomBytes(32).toString("base64")}`;

export interface Scene extends Stage {
  readonly secretFile: string;
  readonly outboxFile: string;
  readonly channel: (
    name: string,
    server: WebhookServer,
    more?: { readonly deadlineMs?: number; readonly events?: readonly string[]; readonly groups?: readonly string[] },
  ) => Channel;
  readonly begin: (...channels: readonly Channel[]) => Promise<Notifications>;
  /** One event that is told; answers what it is about. */
  readonly happen: (name: string) => Promise<string>;
  readonly recorded: (type: string) => Promise<readonly object[]>;
}

export async function scene(t: TestContext): Promise<Scene> {
  const stage = await setStage(t);
  const folder = tempDir(t, "notifications");
  const secretFile = join(folder, "secret");
  writeFileSync(secretFile, newSecret());
  const outboxFile = join(folder, "notifications.db");
  const { ledger, time, app } = stage;
  return {
    ...stage,
    secretFile,
    outboxFile,
    channel: (name, server, { events = ["agents"], groups = [], ...more } = {}) =>
      webhookChannel(
        {
          name,
          types: typesOf(events),
          groups: new Set(groups),
          discretion: { people: false, statements: false },
          url: new URL(server.url),
          secrets: [{ file: secretFile }],
          privateAddresses: false,
          ...more,
        },
        time,
      ),
    async begin(...channels) {
      const notifications = await Notifications.start({
        ledger,
        outbox: new Outbox(outboxFile, bounds),
        channels,
        execute: createExecute({ ledger, clock: time }),
        context: systemContext("one"),
        agentName: (id) => app.agents.list().find((agent) => agent.id === id)?.name ?? id,
        clock: time,
        scheduler: time,
        random: () => 1,
        log: silent,
      });
      t.after(() => notifications.close());
      return notifications;
    },
    async happen(name) {
      const { agentId, secret } = await app.agents.issueJoinSecret(name, 600, admin);
      await app.agents.enrol(name, secret);
      await app.agents.revoke(agentId, "gone", admin);
      return agentId;
    },
    async recorded(type) {
      const found: object[] = [];
      for await (const event of ledger.readAll({ filter: { by: "type", prefixes: [type] } })) found.push(event.data);
      return found;
    },
  };
}
export const titleOf = ({ body }: { readonly body: string }): string => (JSON.parse(body) as { data: { title: string } }).data.title;
export const about =
  (name: string) =>
  (received: { readonly body: string }): boolean =>
    titleOf(received).includes(` ${name} `);
export const waitingFor = (notifications: Notifications, attempts: number): Promise<void> =>
  until(`attempt ${attempts} has failed`, () => notifications.list(1).deliveries.some((delivery) => delivery.attempts === attempts));

export const emptied = (notifications: Notifications): Promise<void> => until("nothing waits", () => notifications.list(1).deliveries.length === 0);
