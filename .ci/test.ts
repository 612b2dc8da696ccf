import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { resolve } from "node:path";
import { argv, env, execPath, stderr } from "node:process";
import { type Suite, suites } from "./suites.ts";

/** No test is stuck for longer. The longest kills the control plane twenty times under load. */
const TEST_TIMEOUT_MS = 300_000;
/** Twice what the whole takes on two cores; a run that is not done by then never will be. */
const RUN_TIMEOUT_MS = 1_800_000;
/** Each test starts processes of the product; what Node made of their sources is kept between them, which halves such a start. */
const COMPILE_CACHE = "node_modules/.cache/compiled";
/** Two cores: one file's servers and clients keep both busy now and then, a third file would only disturb measurements. */
const CONCURRENCY = 2;

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
  const files = chosen.flatMap((suite) => filesOf(suite));
  // Node would call a run of nothing a success.
  if (files.length === 0) {
    stderr.write(`No test file in: ${chosen.join(", ")}.\n`);
    return 1;
  }
  // Not --test-force-exit: it loses results that were not reported yet. A test that leaves something open hangs until the run's bound.
  const options = ["--test", `--test-concurrency=${CONCURRENCY}`, `--test-timeout=${TEST_TIMEOUT_MS}`, "--test-reporter=spec"];
  const result = spawnSync(execPath, [...options, ...passedOn, ...files], {
    stdio: "inherit",
    timeout: RUN_TIMEOUT_MS,
    env: { ...env, NODE_ENV: "test", NODE_COMPILE_CACHE: resolve(COMPILE_CACHE) },
  });
  if (result.error !== undefined) throw result.error;
  return result.status ?? 1;
}

const isSuite = (name: string): name is Suite => Object.hasOwn(suites, name);

const filesOf = (suite: Suite): readonly string[] => globSync([...suites[suite]], { exclude: ["**/node_modules/**"] }).toSorted();

process.exitCode = main(argv.slice(2));
