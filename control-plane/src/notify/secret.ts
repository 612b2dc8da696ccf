import { readFileSync } from "node:fs";
import { SallyportError } from "@sallyport/proto/errors";
import { z } from "zod";

/** Where a secret is. The secret itself stands in no configuration, log or event. */
export const secretSchema = z.union(
  [z.strictObject({ env: z.string().regex(/^(?!SALLYPORT_)[A-Za-z_][A-Za-z0-9_]*$/u) }), z.strictObject({ file: z.string().min(1) })],
  { error: 'a secret is named, never written: {"file": "/path"} or {"env": "NAME"} (not SALLYPORT_…, whose names are settings)' },
);

export type SecretRef = z.infer<typeof secretSchema>;

/** A key, a password or a URL; a file of another kind was named by mistake. */
const MAX_SECRET_LENGTH = 4_096;

/** Read at each use, so that a file can be replaced while this runs. Fails with `config.invalid`, naming only the place. */
export function readSecret(ref: SecretRef, env: NodeJS.ProcessEnv = process.env): string {
  const place = "file" in ref ? ref.file : `$${ref.env}`;
  let text: string;
  try {
    text = ("file" in ref ? readFileSync(ref.file, "utf8") : (env[ref.env] ?? "")).trim();
  } catch (error) {
    throw new SallyportError("config.invalid", `The secret in ${place} cannot be read.`, {}, error);
  }
  if (text === "" || text.length > MAX_SECRET_LENGTH) throw new SallyportError("config.invalid", `The secret in ${place} is empty, or too long to be one.`);
  return text;
}
