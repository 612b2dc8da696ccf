import { type Channel, failed } from "../channel.ts";
import { post } from "../http/post.ts";
import { readSecret, type SecretRef } from "../secret.ts";
import { slackBody } from "./blocks.ts";
import { requireWebUrl } from "../web-url.ts";

export interface SlackSettings extends Pick<Channel, "name" | "types" | "groups" | "discretion"> {
  /** Of an incoming webhook: whoever has it may write into the channel, so it is a secret. */
  readonly url: SecretRef;
  readonly privateAddresses: boolean;
  readonly ca?: string | undefined;
}

/** Slack's incoming webhooks, and whatever takes the same. */
export function slackChannel({ name, types, groups, discretion, url, privateAddresses, ca }: SlackSettings): Channel {
  return {
    name,
    kind: "slack",
    types,
    groups,
    discretion,
    async send(message, signal) {
      let address: URL;
      try {
        address = requireWebUrl(readSecret(url));
      } catch {
        return failed("secret unreadable", { ofChannel: true });
      }
      return post({ url: address, headers: { "content-type": "application/json; charset=utf-8" }, body: slackBody(message), privateAddresses, ca }, signal);
    },
  };
}
