import { describe, it } from "node:test";
import { scenario } from "../given.ts";
import * as notification from "./notification.decider.ts";
import type { NotificationEvent } from "./notification.events.ts";

const given = scenario(notification, "2026-11-22T10:00:00.000Z");
const data = { notificationId: "n1", channel: "oncall", eventId: "e1", eventType: "AccessGranted", attempts: 9, failure: "http 500" };
const failed: NotificationEvent = { type: "NotificationFailed", data };
const retried: NotificationEvent = { type: "NotificationRetried", data: { notificationId: "n1", by: "root" } };

describe("a notification that could not be delivered", () => {
  it("fails once, also when a crash makes it be told twice, and again after it was tried again", () => {
    given().when({ type: "Fail", data }).gives(failed);
    given(failed).when({ type: "Fail", data }).gives();
    given(failed, retried).when({ type: "Fail", data }).gives(failed);
  });

  it("is not recorded twice when it is asked for again, as after a crash between the record and the outbox", () => {
    given(failed, retried).when({ type: "Retry", notificationId: "n1", by: "root" }).gives();
  });

  it("is tried again by somebody, and only after it failed", () => {
    given(failed).when({ type: "Retry", notificationId: "n1", by: "root" }).gives(retried);
    given().when({ type: "Retry", notificationId: "n1", by: "root" }).fails("input.invalid");
  });
});
