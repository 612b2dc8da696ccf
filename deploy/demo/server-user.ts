import { chownSync, existsSync, readFileSync, statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { getuid } from "node:process";

/** The account that the server runs as. PostgreSQL refuses to run as root. */
export interface ServerUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** Undefined: run as whoever runs this. As root: `postgres` when the machine has it, else `nobody`. */
export function serverUser(): ServerUser | undefined {
  if (getuid?.() !== 0) return undefined;
  const accounts = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
  for (const name of ["postgres", "nobody"]) {
    const [, , uid, gid] = accounts.find(([account]) => account === name) ?? [];
    if (uid !== undefined && gid !== undefined) return { name, uid: Number(uid), gid: Number(gid) };
  }
  throw new Error("PostgreSQL refuses to run as root, and this machine has neither a postgres nor a nobody account. Run this as an ordinary user.");
}

const othersMayEnter = 0o001;
const groupMayEnter = 0o010;
const ownerMayEnter = 0o100;

/** True when `user` may enter `path`, or the nearest folder above it that exists, and every folder over that. */
export function canReach(user: ServerUser | undefined, path: string): boolean {
  if (user === undefined) return true;
  let at = resolve(path);
  while (!existsSync(at)) at = dirname(at);
  for (; ; at = dirname(at)) {
    const { mode, uid, gid } = statSync(at);
    const needed = uid === user.uid ? ownerMayEnter : gid === user.gid ? groupMayEnter : othersMayEnter;
    if ((mode & needed) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

/** Hands a folder and all that is in it to `user`. */
export async function handOver(user: ServerUser | undefined, path: string): Promise<void> {
  if (user === undefined) return;
  chownSync(path, user.uid, user.gid);
  for (const entry of await readdir(path, { withFileTypes: true, recursive: true })) {
    if (!entry.isSymbolicLink()) chownSync(join(entry.parentPath, entry.name), user.uid, user.gid);
  }
}
