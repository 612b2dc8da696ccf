import { open } from "node:fs/promises";
import { env } from "node:process";
import { SallyportError } from "@sallyport/proto/errors";
import { z } from "zod";

/** Cloud login tokens are the longest passwords in use, at a few KiB. A file over this is the wrong file. */
export const MAX_CREDENTIAL_BYTES = 64 * 1024;

/** Where a password is kept. Never the password itself: configuration is printed, backed up and shared. */
export const credentialSourceSchema = z.union(
  [
    z.strictObject({
      file: z.string().min(1).describe("Path of a file that holds the password. Read again at each login, so that it can be rotated in place."),
    }),
    z.strictObject({
      env: z
        .string()
        .regex(/^[A-Za-z_][A-Za-z0-9_]*$/)
        .describe("Name of the environment variable that holds the password."),
    }),
  ],
  { error: "is either { file: <path> } or { env: <NAME> }; a password in the file itself is not accepted" },
);

export type CredentialSource = z.infer<typeof credentialSourceSchema>;

/**
 * Reads the credential anew; the caller drops it after the login. One trailing newline is not part of it.
 * Fails with `target.credential`, which names the resource; path and content stay in the cause or are not kept at all.
 */
export async function readCredential(source: CredentialSource, resource: string): Promise<string> {
  const refuse = (why: string, cause?: unknown) =>
    new SallyportError("target.credential", `The credential of resource "${resource}" ${why}.`, { resource }, cause);
  let text: string;
  if ("env" in source) {
    text = env[source.env] ?? "";
  } else {
    const bytes = await readBounded(source.file).catch((error: unknown) => {
      throw refuse("could not be read", error);
    });
    if (bytes.length > MAX_CREDENTIAL_BYTES) throw refuse(`is over ${MAX_CREDENTIAL_BYTES} bytes`);
    text = bytes.toString("utf8");
  }
  const credential = text.replace(/\r?\n$/, "");
  if (credential === "") throw refuse("is empty or not set");
  if (credential.includes("\0")) throw refuse("holds a NUL byte");
  return credential;
}

async function readBounded(path: string): Promise<Buffer> {
  await using file = await open(path, "r");
  const buffer = Buffer.allocUnsafe(MAX_CREDENTIAL_BYTES + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length);
    length += bytesRead;
    if (bytesRead === 0 || length === buffer.length) return buffer.subarray(0, length);
  }
}
