import { spawnSync } from "node:child_process";
import { chmodSync, globSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { argv, env, execPath, stderr } from "node:process";
import { pathToFileURL } from "node:url";
import { type Suite, suites, together } from "./suites.ts";

/** No test is stuck for longer. The longest kills the control plane twenty times under load. */
const TEST_TIMEOUT_MS = 300_000;
/** Twice what the whole takes on two slow cores; a run that is not done by then never will be. */
const RUN_TIMEOUT_MS = 1_800_000;
/** Each test starts processes of the product; what Node made of their sources is kept between them, which halves such a start. */
const COMPILE_CACHE = "node_modules/.cache/compiled";
/** Two for each of two cores: a test of whole processes waits as much as it works, for them, for timers and for disks. */
const CONCURRENCY = 4;

/**
 * Runs suites by name (all of them by default) with node:test. What follows `--` goes to Node:
 *   node .ci/test.ts unit contract -- --test-name-pattern=masks
 */
function main(args: readonly string[]): number {
  const dashes = args.indexOf("--");
  const named = dashes === -1 ? args : args.slice(0, dashes);
  const passedOn = dashes === -1 ? [] : args.slice(dashes + 1);
  const unknown = named.filter((name) => !isSuite(name));
  if (unknown.length > 0) {
    stderr.write(`No such suite: ${unknown.join(", ")}. There are: ${Object.keys(suites).join(", ")}.\n`);
    return 2;
  }
  const chosen = named.length === 0 ? Object.keys(suites).filter(isSuite) : named.filter(isSuite);
  const files = chosen.flatMap((suite) => filesOf(suites[suite]));
  // Node would call a run of nothing a success.
  if (files.length === 0) {
    stderr.write(`No test file in: ${chosen.join(", ")}.\n`);
    return 1;
  }
  const folder = mkdtempSync(join(tmpdir(), "sallyport-tests-"));
  // PostgreSQL's account enters it.
  chmodSync(folder, 0o711);
  try {
    return run([...grouped(files, folder)], folder, passedOn);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function run(files: readonly string[], folder: string, passedOn: readonly string[]): number {
  // Not --test-force-exit: it loses results that were not reported yet. A test that leaves something open hangs until the run's bound.
  const options = ["--test", `--test-concurrency=${CONCURRENCY}`, `--test-timeout=${TEST_TIMEOUT_MS}`, "--test-reporter=spec"];
  const result = spawnSync(execPath, [...options, ...passedOn, ...files], {
    stdio: "inherit",
    timeout: RUN_TIMEOUT_MS,
    env: { ...env, NODE_ENV: "test", NODE_COMPILE_CACHE: resolve(COMPILE_CACHE), SALLYPORT_TEST_FOLDER: folder },
  });
  if (result.error !== undefined) throw result.error;
  return result.status ?? 1;
}

/** Node gives each file a process. The files that share one are imported by a file made for this run; failures still name their own. */
function* grouped(files: readonly string[], folder: string): Generator<string> {
  const alone = new Set(files);
  for (const [number, globs] of together.entries()) {
    const members = filesOf(globs).filter((file) => alone.delete(file));
    if (members.length === 0) continue;
    const group = join(folder, `together-${number + 1}.test.mjs`);
    writeFileSync(group, members.map((file) => `import ${JSON.stringify(pathToFileURL(resolve(file)).href)};\n`).join(""));
    yield group;
  }
  yield* alone;
}

const isSuite = (name: string): name is Suite => Object.hasOwn(suites, name);

const filesOf = (globs: readonly string[]): readonly string[] => globSync([...globs], { exclude: ["**/node_modules/**"] }).toSorted();

process.exitCode = main(argv.slice(2));
