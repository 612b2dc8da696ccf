import { spawn } from "node:child_process";
import { basename } from "node:path";
import { env } from "node:process";
import type { ServerUser } from "./server-user.ts";

/** PostgreSQL's programs get none of our environment: PGDATA, PGPORT and their kind would change what they do. */
export const serverEnvironment = { PATH: env["PATH"] ?? "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" } as const;

/** Runs a program to its end. Rejects, with what it said, when it fails. */
export async function runProgram(program: string, args: readonly string[], user: ServerUser | undefined): Promise<void> {
  const child = spawn(program, args, {
    cwd: "/",
    env: serverEnvironment,
    stdio: ["ignore", "pipe", "pipe"],
    ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
  }
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  child.once("error", reject);
  child.once("close", (status, signal) => {
    if (status === 0) resolve();
    else reject(new Error(`${basename(program)} failed (${signal ?? `status ${status}`}): ${said.trim()}`));
  });
  return promise;
}
