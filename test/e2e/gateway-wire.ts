import { readFileSync } from "node:fs";
import type { Cleanup } from "../support/cleanup.ts";
import { type Person, RESOURCE, type Stack } from "../support/stack.ts";
import { WireClient } from "../support/wire-client.ts";

/** A bare connection through the gateway, logged in. */
export const openWire = (cleanup: Cleanup, stack: Stack, person: Person = "ana", parameters: Readonly<Record<string, string>> = {}): Promise<WireClient> =>
  WireClient.open(cleanup, {
    host: "127.0.0.1",
    port: stack.gatewayPort,
    ca: readFileSync(stack.caFile, "utf8"),
    parameters: { user: person, database: RESOURCE, client_encoding: "UTF8", ...parameters },
    password: stack.tokens[person],
  });

/** The same without a gateway between; the target must take passwords in clear. */
export const openDirectWire = (cleanup: Cleanup, stack: Stack, parameters: Readonly<Record<string, string>> = {}): Promise<WireClient> => {
  const { host, port, app } = stack.target;
  return WireClient.open(cleanup, {
    host,
    port,
    parameters: { user: app.user, database: app.database, client_encoding: "UTF8", ...parameters },
    password: app.password,
  });
};

/** Everything that came after the login, as text. */
export const heard = (client: WireClient): string => Buffer.concat(client.messages.map(({ bytes }) => bytes)).toString("latin1");
