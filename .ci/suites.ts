/** Every suite of tests, with what it holds. A test file that no suite matches would never run: `check` looks for such files. */
export const suites = {
  unit: ["proto/src/**/*.test.ts", "control-plane/src/**/*.test.ts", "edge-agent/src/**/*.test.ts", "cli/src/**/*.test.ts", "deploy/demo/**/*.test.ts"],
  checks: ["test/checks/**/*.test.ts"],
  contract: ["test/contract/**/*.test.ts"],
  fault: ["test/fault/**/*.test.ts"],
  e2e: ["test/e2e/**/*.test.ts"],
} as const satisfies Record<string, readonly string[]>;

export type Suite = keyof typeof suites;
