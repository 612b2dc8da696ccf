import { existsSync, readFileSync, readlinkSync, realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import { kill } from "node:process";
import { runProgram } from "./run-program.ts";
import type { ServerDirectory } from "./server-directory.ts";

/** A transaction log that is replayed, or a client that will not go, may keep a server for a while; then the start fails with PostgreSQL's own words. */
const STOP_SECONDS = 30;

/**
 * Makes way for a new server on this folder. A server whose parent was killed is stopped; one whose parent lives is
 * left alone, and that is an error. A pid file whose number now belongs to another program is removed: PostgreSQL
 * would take that program for a server and refuse to start.
 */
export async function stopLeftover(directory: ServerDirectory, binDir: string): Promise<void> {
  const pidFile = join(directory.data, "postmaster.pid");
  const pid = numberIn(pidFile);
  if (pid === undefined || !isAlive(pid)) return;
  if (!servesFrom(pid, directory.data)) {
    rmSync(pidFile, { force: true });
    return;
  }
  const owner = numberIn(directory.ownerFile);
  if (owner !== undefined && isChildOf(pid, owner)) throw new Error(`${directory.path} is in use: process ${owner} runs PostgreSQL on it.`);
  try {
    await runProgram(
      join(binDir, "pg_ctl"),
      ["stop", `--pgdata=${directory.data}`, "--mode=fast", "--wait", `--timeout=${STOP_SECONDS}`, "--silent"],
      directory.user,
    );
  } catch (error) {
    // It may have gone by itself in the meantime; then pg_ctl has found nothing to stop.
    if (isAlive(pid) && servesFrom(pid, directory.data)) throw error;
  }
}

function numberIn(file: string): number | undefined {
  if (!existsSync(file)) return undefined;
  const value = Number.parseInt(readFileSync(file, "utf8"), 10);
  return Number.isSafeInteger(value) && value > 0 ? value : undefined;
}

const hasProc = existsSync("/proc/self/stat");

function isAlive(pid: number): boolean {
  try {
    kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** A PostgreSQL server's working folder is its data folder. Where that cannot be seen, the pid file is believed. */
function servesFrom(pid: number, data: string): boolean {
  if (!hasProc) return true;
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(data);
  } catch {
    return false;
  }
}

/** An orphan has another parent, so that a reused number of the owner cannot deceive. */
function isChildOf(pid: number, owner: number): boolean {
  if (!hasProc) return isAlive(owner);
  try {
    return /^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] === String(owner);
  } catch {
    return false;
  }
}
