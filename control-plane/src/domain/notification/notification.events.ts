/** What a channel could not be told. What it was told is not recorded: the event that it was told of is. */
export type NotificationEvent =
  /** Given up: a dead letter. Until somebody asks for it again it is not tried any more. */
  | {
      readonly type: "NotificationFailed";
      readonly data: {
        readonly notificationId: string;
        readonly channel: string;
        /** What it would have told of. */
        readonly eventId: string;
        readonly eventType: string;
        readonly attempts: number;
        /** A word or two for the last failure, such as `http 500`; never what the other side said. */
        readonly failure: string;
      };
    }
  | { readonly type: "NotificationRetried"; readonly data: { readonly notificationId: string; readonly by: string } };

export const notificationStream = (notificationId: string): string => `notification-${notificationId}`;
