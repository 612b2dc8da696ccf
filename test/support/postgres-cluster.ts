import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { env } from "node:process";
import { promisify } from "node:util";
import type { PostgresBinaries } from "@sallyport/deploy/demo/postgres-binaries";
import { ServerDirectory } from "@sallyport/deploy/demo/server-directory";
import { canReach, serverUser } from "@sallyport/deploy/demo/server-user";

/** A folder that lives as long as the run of tests; `.ci/test.ts` makes it. Without it, as when one file is run by hand, each server is made anew. */
export const FOLDER_VARIABLE = "SALLYPORT_TEST_FOLDER";

const copy = promisify(execFile);

/**
 * Puts a database cluster into the folder of a server that is to be started: a copy of the one that the run of tests makes once. `initdb`
 * takes most of a second of a processor and then waits for the disk, and a run starts a hundred servers. They have one password of
 * the superuser, which comes with the copy. Resolves with the binaries to start it with: where the server's account cannot enter those of
 * the checkout, a copy of them that is made once, too.
 */
export async function placeCluster(directory: string, binaries: PostgresBinaries): Promise<PostgresBinaries> {
  const user = serverUser();
  const shared = env[FOLDER_VARIABLE] ?? "";
  if (shared === "" || !canReach(user, shared)) return binaries;
  const template = ServerDirectory.open(await templateOf(binaries, shared), user);
  const server = ServerDirectory.open(directory, user);
  // Not `fs.cp`: to it, what root copies is root's.
  await copy("cp", ["-a", template.passwordFile, template.data, server.path]);
  return { ...binaries, binDir: await template.binDir(binaries) };
}

async function templateOf(binaries: PostgresBinaries, shared: string): Promise<string> {
  const template = join(shared, createHash("sha256").update(`${binaries.binDir} ${binaries.version}`).digest("hex"));
  if (existsSync(template)) return template;
  // Several files begin at once, and each makes one. The first that is whole is everybody's.
  const place = mkdtempSync(join(shared, "new-"));
  chmodSync(place, 0o711);
  const fresh = ServerDirectory.open(join(place, "server"), serverUser());
  await fresh.initialise(await fresh.binDir(binaries));
  try {
    renameSync(fresh.path, template);
  } catch (error) {
    if (!existsSync(template)) throw error;
  }
  rmSync(place, { recursive: true });
  return template;
}
