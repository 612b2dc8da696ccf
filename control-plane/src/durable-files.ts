import { closeSync, existsSync, fsyncSync, mkdirSync, openSync } from "node:fs";
import { chmod, link, open, readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { SallyportError } from "@sallyport/proto/errors";

export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw new SallyportError("config.invalid", `${path} cannot be read.`, {}, error);
  }
}

/** Whole or not at all, and never over an existing file; its folder is made, for its owner only. */
export async function createFile(path: string, content: string, mode: number): Promise<void> {
  const draft = `${path}.${process.pid}.new`;
  try {
    makeFolder(dirname(path));
    const file = await open(draft, "wx", mode);
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

/**
 * For its owner alone, with those that lead to it; where it is there, nothing. Node's own `recursive` never comes back where a file system
 * says ENOENT of a folder whose parent is there, as /proc does.
 */
export function makeFolder(path: string): void {
  const parent = dirname(path);
  if (parent !== path && !existsSync(parent)) makeFolder(parent);
  if (existsSync(path)) mkdirSync(path, { recursive: true });
  else mkdirSync(path, { mode: 0o700 });
}

/** After it the names in the folder are durable, and not only what the files hold. */
export function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
