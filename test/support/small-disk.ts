import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { getuid } from "node:process";
import { atEnd, type Cleanup } from "./cleanup.ts";
import { tempDir } from "./temp-dir.ts";

/** A file system of its own, that can be filled to the last byte without harm to anybody else. */
export class SmallDisk {
  readonly path: string;
  readonly #filler: string;

  private constructor(path: string) {
    this.path = path;
    this.#filler = join(path, "filler");
  }

  static mount(cleanup: Cleanup, mebibytes: number): SmallDisk {
    const path = join(tempDir(cleanup, "disk"), "disk");
    mkdirSync(path);
    const failure = run("mount", "-t", "tmpfs", "-o", `size=${mebibytes}m,mode=0700`, "sallyport-test", path);
    if (failure !== undefined) throw new Error(failure);
    atEnd(cleanup, () => {
      const left = run("umount", path);
      if (left !== undefined) throw new Error(left);
    });
    return new SmallDisk(path);
  }

  /** Takes all that is left. */
  fill(): void {
    const file = openSync(this.#filler, "a");
    try {
      for (const size of [65_536, 1]) while (wrote(file, size));
    } finally {
      closeSync(file);
    }
  }

  free(): void {
    rmSync(this.#filler);
  }
}

/** Why there can be none here, as node:test's `skip` takes it. */
export function skipWithoutDisk(): string | false {
  if (getuid?.() !== 0) return "only root may mount a file system";
  const steps: (() => Promise<void>)[] = [];
  try {
    SmallDisk.mount({ after: (step) => void steps.push(step) }, 1);
    return false;
  } catch (error) {
    return `no file system can be mounted here: ${String(error)}`;
  } finally {
    for (const step of steps) void step();
  }
}

function wrote(file: number, size: number): boolean {
  try {
    return writeSync(file, Buffer.alloc(size)) === size;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOSPC") return false;
    throw error;
  }
}

function run(program: string, ...args: readonly string[]): string | undefined {
  const { status, stderr, error } = spawnSync(program, [...args], { encoding: "utf8" });
  return status === 0 ? undefined : `${program}: ${error?.message ?? stderr.trim()}`;
}
