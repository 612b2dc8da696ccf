import { chmod, link, mkdir, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { SallyportError } from "@sallyport/proto/errors";

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
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await place(certFile, files.certPem, 0o644);
  await place(keyFile, files.keyPem, 0o600);
  return files;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw new SallyportError("config.invalid", `${path} cannot be read.`, {}, error);
  }
}

/** Whole or not at all, and never over an existing file. */
async function place(path: string, content: string, mode: number): Promise<void> {
  const draft = `${path}.${process.pid}.new`;
  const file = await open(draft, "wx", mode);
  try {
    await file.writeFile(content);
    await file.sync();
    await file.close();
    await chmod(draft, mode); // the umask may have taken bits away
    await link(draft, path);
  } catch (error) {
    throw new SallyportError("config.invalid", `${path} cannot be created.`, {}, error);
  } finally {
    await rm(draft, { force: true });
  }
}
