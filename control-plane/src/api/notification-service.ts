import type { Notification, NotificationServiceServer } from "@sallyport/proto/gen/sallyport/api/v1/notification";
import { SallyportError } from "@sallyport/proto/errors";
import type { Notifications } from "../notify/notifications.process.ts";
import { deliveryStates, type QueuedDelivery } from "../notify/delivery.ts";
import { type ApiContext, unary } from "./unary.ts";

/** A listing holds no more than this, whatever is asked. */
const MAX_LISTED = 1_000;

export function notificationService(api: ApiContext, notifications: Pick<Notifications, "list" | "retry">): NotificationServiceServer {
  return {
    listNotifications: unary(api, ({ limit, state }) => {
      const states = deliveryStates.filter((each) => state === "" || each === state);
      if (states.length === 0) throw new SallyportError("input.invalid", `A state is ${deliveryStates.join(" or ")}.`, { field: "state" });
      const { channels, deliveries } = notifications.list(Math.min(limit || MAX_LISTED, MAX_LISTED), states);
      return {
        channels: channels.map(({ name, kind, waiting, failed, forgotten }) => ({
          name,
          kind,
          waiting: BigInt(waiting),
          failed: BigInt(failed),
          forgotten: BigInt(forgotten),
        })),
        notifications: deliveries.map(view),
      };
    }),
    retryNotification: unary(api, async ({ id }, { principal, context }) => ({ notification: view(await notifications.retry(id, principal.id, context)) })),
  };
}

const view = ({ stream: _stream, revision: _revision, source: _source, ...delivery }: QueuedDelivery): Notification => delivery;
