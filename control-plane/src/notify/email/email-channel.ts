import type { Clock } from "../../application/ports.ts";
import { type Channel, failed } from "../channel.ts";
import { readSecret, type SecretRef } from "../secret.ts";
import { emailMessage } from "./email-message.ts";
import { submit, type Submission } from "./smtp-send.ts";

export interface EmailSettings
  extends Pick<Channel, "name" | "types" | "groups" | "discretion">, Pick<Submission, "host" | "port" | "tls" | "ca" | "from" | "to"> {
  readonly login?: { readonly user: string; readonly password: SecretRef } | undefined;
  readonly deadlineMs?: number;
}

/** One message to all of its receivers, submitted to the mail server that is configured. */
export function emailChannel({ name, types, groups, discretion, login, ...server }: EmailSettings, clock: Clock): Channel {
  return {
    name,
    kind: "email",
    types,
    groups,
    discretion,
    async send(message, signal) {
      let credentials: Submission["login"];
      try {
        credentials = login === undefined ? undefined : { user: login.user, password: readSecret(login.password) };
      } catch {
        return failed("secret unreadable", { ofChannel: true });
      }
      return submit({ ...server, login: credentials, message: emailMessage(message, server.from, server.to, clock.now()) }, signal);
    },
  };
}
