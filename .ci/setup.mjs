// Makes a fresh clone ready, with any Node from 20 on and nothing installed. Plain JavaScript on purpose: it runs before
// the Node that this project pins is there. npm runs it before `start`, `test` and the other scripts.
//
//   node .ci/setup.mjs            npm packages, when they are missing or older than package-lock.json
//   node .ci/setup.mjs --test     and the programs of the system that the tests drive
//   node .ci/setup.mjs --bench    and those that the benchmarks compare with
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { argv, env, execPath, exit, getuid, stderr, stdout, versions } from "node:process";
import { fileURLToPath } from "node:url";

const OLDEST_NODE = 20;
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const say = (/** @type {string} */ text) => stdout.write(`setup: ${text}\n`);

/** @param {readonly string[]} flags */
function main(flags) {
  const unknown = flags.filter((flag) => flag !== "--test" && flag !== "--bench");
  if (unknown.length > 0) fail(`unknown option ${unknown.join(" ")}`);
  if (Number(versions.node.split(".")[0]) < OLDEST_NODE) fail(`Node ${OLDEST_NODE} or newer is needed to begin with; this is ${versions.node}.`);
  installPackages();
  const wanted = flags.includes("--bench") ? [...testPrograms, ...benchPrograms] : flags.includes("--test") ? testPrograms : [];
  const missing = wanted.filter((program) => !program.present());
  if (missing.length > 0) installPrograms(missing);
}

// The stamp is written last, so that an installation that was cut off is done again, from nothing: npm would not run
// the install scripts that it had not come to, and the pinned Node is unpacked by one of them.
function installPackages() {
  const modules = join(root, "node_modules");
  const stamp = join(modules, ".sallyport-lock");
  const wanted = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  const known = existsSync(stamp) ? readFileSync(stamp, "utf8") : undefined;
  if (known === wanted) return;
  say(known === undefined ? "installing the npm packages; about half a minute, once" : "package-lock.json has changed; updating the npm packages");
  rmSync(known === undefined ? modules : stamp, { recursive: true, force: true });
  // Versions come from the lockfile, as with `npm ci`. That one refuses a lockfile without the packages of other
  // platforms, and npm drops those from it whenever a registry does not have them. `check` compares the rest.
  const result = npm(["install", "--no-save", "--no-progress", "--loglevel=error"]);
  if (result.error) fail(`npm cannot be run: ${result.error.message}`);
  if (result.status !== 0)
    fail("`npm install` failed, for the reason that it gives above. It needs the npm registry, or a mirror of it (npm config set registry …).");
  writeFileSync(stamp, wanted);
  say("npm packages are ready");
}

// npm itself must run on the machine's Node: the pinned one is in the folder that `npm ci` is about to empty.
/** @param {readonly string[]} args */
function npm(args) {
  const bin = join("node_modules", ".bin");
  const path = (env["PATH"] ?? "")
    .split(delimiter)
    .filter((folder) => !folder.endsWith(bin))
    .join(delimiter);
  const outer = { ...env, PATH: path };
  const cli = env["npm_execpath"];
  const node = env["npm_node_execpath"] ?? execPath;
  if (cli !== undefined && existsSync(cli) && !node.includes(bin)) return spawnSync(node, [cli, ...args], { cwd: root, env: outer, stdio: "inherit" });
  return spawnSync("npm", [...args], { cwd: root, env: outer, stdio: "inherit" });
}

/** @typedef {{ name: string, debian: string, present: () => boolean }} Program */

/** @type {readonly Program[]} */
const testPrograms = [
  { name: "psql", debian: "postgresql-client", present: () => runs("psql", ["--version"]) },
  // Debian's pgbench comes with the server, which is also the second PostgreSQL that the tests run against.
  {
    name: "PostgreSQL 15 with pgbench",
    debian: "postgresql-15",
    present: () => existsSync("/usr/lib/postgresql/15/bin/postgres") && runs("pgbench", ["--version"]),
  },
  { name: "psycopg2 for /usr/bin/python3", debian: "python3-psycopg2", present: () => runs("/usr/bin/python3", ["-c", "import psycopg2"]) },
  { name: "ss", debian: "iproute2", present: () => runs("ss", ["--version"]) },
  { name: "Chromium", debian: "chromium", present: () => existsSync("/usr/bin/chromium") },
  { name: "git", debian: "git", present: () => runs("git", ["--version"]) },
  { name: "openssl", debian: "openssl", present: () => runs("openssl", ["version"]) },
  { name: "prlimit", debian: "util-linux", present: () => runs("prlimit", ["--version"]) },
];

/** @type {readonly Program[]} */
const benchPrograms = [
  { name: "pgbouncer", debian: "pgbouncer", present: () => runs("/usr/sbin/pgbouncer", ["--version"]) || runs("pgbouncer", ["--version"]) },
];

/** @param {string} program @param {readonly string[]} args */
function runs(program, args) {
  return spawnSync(program, [...args], { stdio: "ignore" }).status === 0;
}

/** @param {readonly Program[]} missing */
function installPrograms(missing) {
  const packages = missing.map((program) => program.debian);
  const list = missing.map((program) => `  ${program.name}  (Debian: ${program.debian})`).join("\n");
  if (getuid?.() !== 0 || !runs("apt-get", ["--version"])) {
    fail(`these are needed and not on this machine:\n${list}\nOn Debian 12: sudo apt-get install --no-install-recommends ${packages.join(" ")}`);
  }
  say(`installing from Debian: ${packages.join(" ")}`);
  withoutStartingServices(() => {
    apt(["update"]);
    apt(["install", "--yes", "--no-install-recommends", ...packages]);
  });
  const still = missing.filter((program) => !program.present());
  if (still.length > 0) fail(`installed, but not working: ${still.map((program) => program.name).join(", ")}`);
}

/** @param {readonly string[]} args */
function apt(args) {
  const options = ["--quiet=2", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=120"];
  const result = spawnSync("apt-get", [...options, ...args], {
    env: { ...env, DEBIAN_FRONTEND: "noninteractive" },
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
  });
  if (result.status !== 0) fail(`\`apt-get ${args.join(" ")}\` failed:\n${result.stdout}${result.stderr}`);
}

// Debian starts a server when it installs one, unless this file says no. The tests start their own.
/** @param {() => void} install */
function withoutStartingServices(install) {
  const policy = "/usr/sbin/policy-rc.d";
  if (existsSync(policy)) return install();
  writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755, flag: "wx" });
  const remove = () => rmSync(policy, { force: true });
  process.once("exit", remove);
  install();
  remove();
}

/** @param {string} why @returns {never} */
function fail(why) {
  stderr.write(`setup: ${why}\n`);
  exit(1);
}

main(argv.slice(2));
