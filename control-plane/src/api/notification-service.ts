import type { Notification, NotificationServiceServer } from "@sallyport/proto/gen/sallyport/api/v1/notification";
import type { Notifications } from "../notify/notifications.process.ts";
import type { QueuedDelivery } from "../notify/outbox.ts";
import { type ApiContext, unary } from "./unary.ts";

/** A listing holds no more than this, whatever is asked. */
const MAX_LISTED = 1_000;

export function notificationService(api: ApiContext, notifications: Pick<Notifications, "list" | "retry">): NotificationServiceServer {
  return {
    listNotifications: unary(api, ({ limit }) => {
      const { channels, deliveries } = notifications.list(Math.min(limit || MAX_LISTED, MAX_LISTED));
      return {
        channels: channels.map(({ name, kind, waiting, failed }) => ({ name, kind, waiting: BigInt(waiting), failed: BigInt(failed) })),
        notifications: deliveries.map(view),
      };
    }),
    retryNotification: unary(api, async ({ id }, { principal, context }) => ({ notification: view(await notifications.retry(id, principal.id, context)) })),
  };
}

const view = ({ stream: _stream, revision: _revision, ...delivery }: QueuedDelivery): Notification => delivery;
