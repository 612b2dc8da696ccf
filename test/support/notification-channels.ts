import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Cleanup } from "./cleanup.ts";
import { tempDir } from "./temp-dir.ts";
import type { WebhookServer } from "./webhook-server.ts";

export interface ChannelFiles {
  /** For the environment of a control plane. */
  readonly env: Readonly<Record<string, string>>;
  /** Of the webhooks. */
  readonly secret: string;
}

/** The file that SALLYPORT_NOTIFICATIONS names, with its secrets beside it. */
export function configureChannels(
  cleanup: Cleanup,
  channels: readonly { readonly name: string; readonly kind: "webhook" | "slack"; readonly server: WebhookServer; readonly more?: object }[],
): ChannelFiles {
  const folder = tempDir(cleanup, "channels");
  const secret = `whsec_${randomBytes(32).toString("base64")}`;
  const file = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const entries = channels.map(({ name, kind, server, more }) => ({
    name,
    kind,
    events: ["all"],
    ...(kind === "webhook" ? { url: server.url, secrets: [{ file: file("key", secret) }] } : { url: { file: file(`${name}.url`, server.url) } }),
    ...more,
  }));
  return { secret, env: { SALLYPORT_NOTIFICATIONS: file("channels.json", JSON.stringify({ channels: entries })) } };
}
