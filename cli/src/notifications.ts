import type { Command } from "commander";
import { bold, toJson, tone } from "./io.ts";
import { instant, writeTable } from "./table.ts";
import { runVerb } from "./verb.ts";

export function notificationsVerb(program: Command): void {
  const notifications = program.command("notifications").description("what channels outside could not be told of yet, or at all");
  notifications
    .command("list", { isDefault: true })
    .option("--failed", "only those that were given up")
    .description("each channel, and what was not delivered, newest first; for auditors and administrators")
    .action(({ failed = false }: { failed?: boolean }, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const asked = { limit: 0, state: failed ? "failed" : "" };
        const { channels, notifications: found } = await api().notifications.listNotifications(asked);
        if (io.json) return io.out(toJson({ channels, notifications: found }));
        if (channels.length === 0) io.out("No channel is configured (SALLYPORT_NOTIFICATIONS).");
        const rows = channels.map((channel) => [channel.name, channel.kind, String(channel.waiting), String(channel.failed), String(channel.forgotten)]);
        if (rows.length > 0) writeTable(io, ["CHANNEL", "KIND", "WAITING", "FAILED", "FORGOTTEN"], rows);
        if (found.length === 0) return;
        io.out("");
        const each = found.map(({ id, eventType, state, attempts, dueAt, failure }) => [id, eventType, state, String(attempts), instant(dueAt), failure]);
        writeTable(io, ["NOTIFICATION", "EVENT", "STATE", "ATTEMPTS", "DUE OR FAILED AT", "LAST FAILURE"], each);
      }),
    );
  notifications
    .command("retry")
    .argument("<id>", "the notification, or the first characters of its id, four at least")
    .description("try a failed one again, as if it were new; for administrators")
    .action((id: string, _options, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const service = api().notifications;
        const { notification } = await service.retryNotification({ id });
        if (io.json || notification === undefined) return io.out(toJson(notification));
        io.out(`${bold(notification.id)}: ${tone("green", "waits for its next attempt")}`);
      }),
    );
}
