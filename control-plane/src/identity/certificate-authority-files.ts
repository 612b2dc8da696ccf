import { join } from "node:path";
import { SallyportError } from "@sallyport/proto/errors";
import { createFile, readIfThere } from "../durable-files.ts";

export interface AuthorityFiles {
  readonly certPem: string;
  readonly keyPem: string;
}

/**
 * `ca.key` (0600) and `ca.crt` of a directory, made by `create` when neither is there.
 *
 * Neither is ever overwritten: of two processes that start at once one wins, and a crash between the two files leaves
 * one of them, which is an error and not a silent new CA that no agent knows.
 */
export async function loadOrCreateFiles(directory: string, create: () => Promise<AuthorityFiles>): Promise<AuthorityFiles> {
  const keyFile = join(directory, "ca.key");
  const certFile = join(directory, "ca.crt");
  const [keyPem, certPem] = await Promise.all([readIfThere(keyFile), readIfThere(certFile)]);
  if (keyPem !== undefined && certPem !== undefined) return { certPem, keyPem };
  if (keyPem !== undefined || certPem !== undefined) {
    throw new SallyportError("config.invalid", "Of ca.key and ca.crt one is missing; restore it, or remove both to start a new CA.", { directory });
  }
  const files = await create();
  await createFile(certFile, files.certPem, 0o644);
  await createFile(keyFile, files.keyPem, 0o600);
  return files;
}
