/** Every suite of tests, with what it holds. A test file that no suite matches would never run: `check` looks for such files. */
export const suites = {
  unit: ["proto/src/**/*.test.ts", "control-plane/src/**/*.test.ts", "edge-agent/src/**/*.test.ts", "cli/src/**/*.test.ts", "deploy/demo/**/*.test.ts"],
  checks: ["test/checks/**/*.test.ts"],
  contract: ["test/contract/**/*.test.ts"],
  fault: ["test/fault/**/*.test.ts"],
  e2e: ["test/e2e/**/*.test.ts"],
} as const satisfies Record<string, readonly string[]>;

export type Suite = keyof typeof suites;

/**
 * Suites and folders whose tests only call functions: each line is one process for all of its files, which would otherwise load the same
 * modules dozens of times. A test that starts a process, a thread or a server, or measures its own process, has one to itself.
 */
export const together: readonly (readonly string[])[] = [
  ["control-plane/src/domain/**/*.test.ts"],
  ["control-plane/src/application/*.test.ts"],
  ["control-plane/src/gateway/postgres/!(client-output|plan-text).test.ts", "proto/src/wire/**/*.test.ts", "edge-agent/src/targets/postgres/**/*.test.ts"],
];
