import { createHmac } from "node:crypto";
import { SallyportError } from "@sallyport/proto/errors";

/** Standard Webhooks: a key has 24 to 64 bytes. */
const MIN_KEY_BYTES = 24;
const MAX_KEY_BYTES = 64;

/** `whsec_` and the key in base64. Fails with `config.invalid`, and says nothing of the secret. */
export function webhookKey(secret: string): Buffer {
  const [, base64 = ""] = /^whsec_([A-Za-z0-9+/]+={0,2})$/u.exec(secret) ?? [];
  const key = Buffer.from(base64, "base64");
  if (key.length >= MIN_KEY_BYTES && key.length <= MAX_KEY_BYTES) return key;
  throw new SallyportError("config.invalid", "The secret of a webhook is whsec_ followed by 24 to 64 bytes in base64: echo whsec_$(openssl rand -base64 32)");
}

/** One signature for each key, so that the receiver can change its key while the old one is still here. */
export function signatures(keys: readonly Buffer[], id: string, timestamp: number, payload: string): string {
  return keys.map((key) => `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${payload}`).digest("base64")}`).join(" ");
}
