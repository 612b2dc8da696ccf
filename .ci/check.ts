import { spawn } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { argv, execPath, stderr, stdout } from "node:process";
import { dependencyProblems, lockfileProblems } from "./dependencies.ts";
import { stalePages } from "./generate-docs.ts";
import { suites, together } from "./suites.ts";

/** Resolves with what is wrong; an empty text is a pass. */
type Check = () => Promise<string>;

/** All of it, in the order of the report; they run at the same time. `node .ci/check.ts types lint` runs some. */
const checks: Readonly<Record<string, Check>> = {
  // Each further checker reads the libraries again, and the linter, which runs beside, keeps the other processor busy.
  types: () => run("tsc", ["-p", ".", "--checkers", "1"]),
  lint: () => run("oxlint", ["--deny-warnings"]),
  format: () => run("oxfmt", ["--check"]),
  unused: () => run("knip", ["--no-progress"]),
  protos: () => run("buf", ["lint"]),
  // Against the protos as they were last released; agents of that version are out there.
  breaking: () => run("buf", ["breaking", "--against", "proto/released.binpb"]),
  generated: () => generatedDrift(),
  dependencies: () => Promise.resolve(`${lockfileProblems()}${dependencyProblems()}`),
  documents: () =>
    Promise.resolve(
      stalePages()
        .map((page) => `${page} is not what \`npm run gen\` writes.\n`)
        .join(""),
    ),
  tests: () => Promise.resolve(`${orphanTests()}${crowdedTests()}`),
};

/** Starts a program of node_modules/.bin. Resolves with its output when it fails, with nothing otherwise. */
function run(program: string, args: readonly string[]): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = spawn(execPath, [join("node_modules", ".bin", program), ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
  }
  child.once("error", reject);
  child.once("close", (status, signal) => resolve(status === 0 ? "" : `${said}${program} ended with ${signal ?? `status ${status}`}.\n`));
  return promise;
}

/** Generates the protos' code somewhere else and compares. */
async function generatedDrift(): Promise<string> {
  const elsewhere = mkdtempSync(join(tmpdir(), "sallyport-gen-"));
  try {
    const failure = await run("buf", ["generate", "--output", elsewhere]);
    if (failure !== "") return failure;
    const committed = filesUnder(join("proto", "src", "gen"));
    const fresh = filesUnder(join(elsewhere, "proto", "src", "gen"));
    const differing = [...new Set([...committed.keys(), ...fresh.keys()])].filter((name) => committed.get(name) !== fresh.get(name));
    return differing.map((name) => `proto/src/gen/${name} is not what \`npm run gen\` writes.\n`).join("");
  } finally {
    rmSync(elsewhere, { recursive: true });
  }
}

const filesUnder = (folder: string): ReadonlyMap<string, string> =>
  new Map(globSync("**/*.ts", { cwd: folder }).map((name) => [name, readFileSync(join(folder, name), "utf8")]));

/** A test in a folder that no suite covers would be green by not being run. */
function orphanTests(): string {
  const covered = new Set(Object.values(suites).flatMap((globs) => globSync([...globs])));
  const all = globSync("**/*.test.ts", { exclude: ["**/node_modules/**"] });
  return all
    .filter((file) => !covered.has(file))
    .map((file) => `${file} is in no suite of .ci/suites.ts.\n`)
    .join("");
}

/** What starts something may leave it behind, for the tests of other files that share its process. */
function crowdedTests(): string {
  return globSync(together.flat())
    .filter((file) => /^import (?!type ).*"node:(?:child_process|worker_threads|net|tls|http|https)"/mu.test(readFileSync(file, "utf8")))
    .map((file) => `${file} starts processes, threads or servers: \`together\` in .ci/suites.ts may not name it.\n`)
    .join("");
}

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.filter((name) => !Object.hasOwn(checks, name));
  if (unknown.length > 0) {
    stderr.write(`No such check: ${unknown.join(", ")}. There are: ${Object.keys(checks).join(", ")}.\n`);
    return 2;
  }
  const wanted = Object.entries(checks).filter(([name]) => names.length === 0 || names.includes(name));
  const start = performance.now();
  const running = wanted.map(async ([name, check]) => ({ name, wrong: await check(), seconds: (performance.now() - start) / 1_000 }));
  let failed = 0;
  for (const each of running) {
    const { name, wrong, seconds } = await each;
    if (wrong !== "") failed++;
    stdout.write(`${wrong}${wrong === "" ? "ok  " : "FAIL"} ${name} (after ${seconds.toFixed(1)} s)\n`);
  }
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main(argv.slice(2));
