import { createHash, randomBytes } from "node:crypto";
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { cp } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { PostgresBinaries } from "./postgres-binaries.ts";
import { runProgram } from "./run-program.ts";
import { canReach, handOver, type ServerUser } from "./server-user.ts";

export const superuserName = "postgres";

/** Where the folder really lies when the server's account cannot enter the place that was asked for. */
const OUT_OF_THE_WAY = "/var/lib/sallyport";

/** Everything of one server, in one folder that belongs to the account that the server runs as. */
export class ServerDirectory {
  readonly path: string;
  readonly user: ServerUser | undefined;

  private constructor(path: string, user: ServerUser | undefined) {
    this.path = path;
    this.user = user;
  }

  get data(): string {
    return join(this.path, "data");
  }

  get log(): string {
    return join(this.path, "server.log");
  }

  get passwordFile(): string {
    return join(this.path, "superuser.password");
  }

  get ownerFile(): string {
    return join(this.path, "owner.pid");
  }

  /**
   * Root's checkout is often closed to everybody else (/root has mode 0700), and the server does not run as root. Then
   * the folder is a link to one under /var/lib. Removing the link, or the folder that it is in, starts afresh.
   */
  static open(wanted: string, user: ServerUser | undefined): ServerDirectory {
    mkdirSync(dirname(wanted), { recursive: true });
    if (canReach(user, dirname(wanted))) {
      ownedFolder(wanted, user);
      return new ServerDirectory(resolve(wanted), user);
    }
    const moved = join(OUT_OF_THE_WAY, createHash("sha256").update(resolve(wanted)).digest("hex").slice(0, 16));
    if (!existsSync(wanted)) {
      rmSync(moved, { recursive: true, force: true });
      rmSync(wanted, { force: true });
      mkdirSync(OUT_OF_THE_WAY, { recursive: true });
      chmodSync(OUT_OF_THE_WAY, 0o755);
      ownedFolder(moved, user);
      symlinkSync(moved, wanted);
    }
    if (!canReach(user, moved)) throw new Error(`PostgreSQL runs as ${user?.name ?? "you"}, who may not enter ${moved}, nor ${dirname(resolve(wanted))}.`);
    return new ServerDirectory(moved, user);
  }

  /** Makes the database cluster on first use. One that was cut off half-way is made again. */
  async initialise(binDir: string): Promise<void> {
    if (existsSync(join(this.data, "PG_VERSION"))) return;
    if (!existsSync(this.passwordFile)) this.write(this.passwordFile, randomBytes(24).toString("base64url"));
    const fresh = `${this.data}.new`;
    rmSync(fresh, { recursive: true, force: true });
    const options = [`--pgdata=${fresh}`, `--username=${superuserName}`, `--pwfile=${this.passwordFile}`];
    await runProgram(join(binDir, "initdb"), [...options, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions"], this.user);
    renameSync(fresh, this.data);
  }

  /** The binaries themselves when the server's account can reach them, otherwise a copy that it can. */
  async binDir(binaries: PostgresBinaries): Promise<string> {
    if (canReach(this.user, binaries.binDir)) return binaries.binDir;
    if (binaries.movableRoot === undefined) throw new Error(`PostgreSQL runs as ${this.user?.name ?? "you"}, who may not enter ${binaries.binDir}.`);
    const copy = join(this.path, `postgresql-${binaries.version}`);
    if (!existsSync(copy)) {
      const fresh = `${copy}.new`;
      rmSync(fresh, { recursive: true, force: true });
      await cp(binaries.movableRoot, fresh, { recursive: true, verbatimSymlinks: true });
      await handOver(this.user, fresh);
      renameSync(fresh, copy);
    }
    return join(copy, "bin");
  }

  /** PostgreSQL takes a key only from a file that is its own and closed to others, hence a copy at each start. */
  adopt(file: string, name: string): string {
    const path = join(this.path, name);
    this.write(path, readFileSync(file));
    return path;
  }

  write(path: string, content: string | Buffer): void {
    rmSync(path, { force: true });
    writeFileSync(path, content, { mode: 0o600, flag: "wx" });
    if (this.user !== undefined) chownSync(path, this.user.uid, this.user.gid);
  }
}

function ownedFolder(path: string, user: ServerUser | undefined): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  if (user !== undefined && statSync(path).uid !== user.uid) chownSync(path, user.uid, user.gid);
}
