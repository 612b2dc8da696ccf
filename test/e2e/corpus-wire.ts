import { connect } from "node:net";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { encodeCancelRequest } from "@sallyport/proto/wire/postgres/startup";
import type { WireClient, WireMessage } from "../support/wire-client.ts";

export const corpusText = (file: string): string => readFileSync(new URL(`../fixtures/postgres-statements/${file}`, import.meta.url), "utf8");

export interface Answer {
  /** `refused`: by us, at once or after a hold that was given up. */
  readonly kind: "answered" | "refused";
  readonly messages: readonly WireMessage[];
  readonly text: string;
}

/** What a statement is answered with. A hold is given up, as with Ctrl-C. */
export async function ask(client: WireClient, message: Buffer, gatewayPort?: number): Promise<Answer> {
  client.messages.length = 0;
  client.write(message);
  let cancelled = false;
  for (;;) {
    const known = client.messages.length;
    if (client.messages.some(({ type }) => type === "Z")) break;
    if (!cancelled && gatewayPort !== undefined && client.messages.some(isHold)) {
      cancelled = true;
      await cancel(client, gatewayPort);
    }
    await client.until((messages) => messages.length > known);
  }
  const messages = [...client.messages];
  // A RowDescription names tables by numbers of this database.
  const said = messages.filter(({ type }) => type !== "T");
  const refused = messages.some(({ type, bytes }) => type === "E" && /code: [a-z_]+\.[a-z_]+/.test(bytes.toString("latin1")));
  return { kind: refused ? "refused" : "answered", messages, text: Buffer.concat(said.map(({ bytes }) => bytes)).toString("latin1") };
}

const isHold = ({ type, bytes }: WireMessage): boolean => type === "N" && bytes.toString("latin1").includes("code: approval.pending");

async function cancel(client: WireClient, port: number): Promise<void> {
  const socket = connect({ host: "127.0.0.1", port });
  socket.on("error", () => undefined);
  socket.end(encodeCancelRequest(client.keyData.readUInt32BE(0), client.keyData.subarray(4)));
  await once(socket, "close");
}
