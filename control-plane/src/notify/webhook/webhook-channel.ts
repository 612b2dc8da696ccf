import type { Clock } from "../../application/ports.ts";
import { type Channel, failed } from "../channel.ts";
import { post, POST_DEADLINE_MS } from "../http/post.ts";
import type { Message } from "../message.ts";
import { readSecret, type SecretRef } from "../secret.ts";
import { signatures, webhookKey } from "./signature.ts";

export interface WebhookSettings extends Pick<Channel, "name" | "types" | "groups" | "discretion"> {
  readonly url: URL;
  /** The one in use, and the one before or after it. */
  readonly secrets: readonly SecretRef[];
  readonly privateAddresses: boolean;
  readonly ca?: string | undefined;
  readonly deadlineMs?: number;
}

/** Standard Webhooks (standardwebhooks.com): JSON, signed over id, time of the attempt and body. */
export function webhookChannel(
  { name, types, groups, discretion, url, secrets, privateAddresses, ca, deadlineMs = POST_DEADLINE_MS }: WebhookSettings,
  clock: Clock,
): Channel {
  return {
    name,
    kind: "webhook",
    types,
    groups,
    discretion,
    async send(message, signal) {
      let keys: readonly Buffer[];
      try {
        keys = secrets.map((ref) => webhookKey(readSecret(ref)));
      } catch {
        return failed("secret unreadable", { ofChannel: true });
      }
      const timestamp = Math.floor(clock.now().getTime() / 1_000);
      const body = webhookBody(message);
      const headers = {
        "content-type": "application/json",
        "user-agent": "sallyport",
        "webhook-id": message.id,
        "webhook-timestamp": String(timestamp),
        "webhook-signature": signatures(keys, message.id, timestamp, body),
      };
      return post({ url, headers, body, privateAddresses, ca, deadlineMs }, signal);
    },
  };
}

export function webhookBody({ kind, at, title, urgency, eventId, eventType, fields, next }: Message): string {
  const data = { title, urgency, eventId, eventType, fields: Object.fromEntries(fields.map(({ name, value }) => [name, value])), next };
  return JSON.stringify({ type: kind, timestamp: at, data });
}
