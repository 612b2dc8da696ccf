import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Witness } from "./witness.ts";

/** A push goes over a network. */
export const GIT_DEADLINE_MS = 20_000;
const exec = promisify(execFile);

/**
 * A clone of a git repository: the checkpoint is a file, each one a commit, and pushed when the clone has somewhere to push to.
 * What the remote refuses (a rewritten history) is a failure of the witness.
 */
export function witnessGit(folder: string, deadlineMs = GIT_DEADLINE_MS): Witness {
  const git = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await exec("git", ["-C", folder, ...args], {
      timeout: deadlineMs,
      killSignal: "SIGKILL",
      env: { ...process.env, GIT_TERMINAL_PROMPT: "0" },
    });
    return stdout;
  };
  return {
    name: folder,
    onlyLatest: true,
    async push({ record, checkpoint }) {
      await writeFile(join(folder, "checkpoint"), record.checkpoint);
      await git("add", "checkpoint");
      const author = ["-c", "user.name=sallyport", "-c", "user.email=sallyport@localhost", "-c", "commit.gpgsign=false"];
      await git(...author, "commit", "--quiet", "--allow-empty", "-m", `Checkpoint over ${checkpoint.treeSize} events`, "--", "checkpoint");
      if ((await git("remote")).trim() !== "") await git("push", "--quiet");
      return [];
    },
  };
}
