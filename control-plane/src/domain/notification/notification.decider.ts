import { SallyportError } from "@sallyport/proto/errors";
import type { NotificationEvent } from "./notification.events.ts";

export type NotificationCommand =
  | { readonly type: "Fail"; readonly data: Extract<NotificationEvent, { type: "NotificationFailed" }>["data"] }
  | { readonly type: "Retry"; readonly notificationId: string; readonly by: string };

export type NotificationState = "absent" | "failed" | "retried";

export const initialState: NotificationState = "absent";

export function decide(command: NotificationCommand, state: NotificationState): NotificationEvent[] {
  switch (command.type) {
    case "Fail":
      // A crash between the record and the outbox makes it fail again.
      return state === "failed" ? [] : [{ type: "NotificationFailed", data: command.data }];
    case "Retry":
      // A crash between the record and the outbox leaves a dead letter behind: whoever asks again must get it going.
      if (state === "retried") return [];
      if (state === "absent") throw new SallyportError("input.invalid", `No notification ${command.notificationId} has failed.`, { field: "id" });
      return [{ type: "NotificationRetried", data: { notificationId: command.notificationId, by: command.by } }];
  }
}

export const evolve = (_state: NotificationState, event: NotificationEvent): NotificationState => (event.type === "NotificationFailed" ? "failed" : "retried");
