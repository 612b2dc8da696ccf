import assert from "node:assert/strict";
import { before, it } from "node:test";
import { fileURLToPath } from "node:url";
import { openPolicy } from "../support/policies.ts";
import { describeOnEach } from "../support/postgres-server.ts";
import { TestProcess } from "../support/process.ts";
import { Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";

const scenario = fileURLToPath(new URL("psycopg2-scenario.py", import.meta.url));

describeOnEach("psycopg2", (flavour) => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup, { targetFlavour: flavour, policy: openPolicy });
  });

  it("sees what it sees on a direct connection: transactions, errors, COPY, cancel, NOTIFY, 64 MiB, large objects", async () => {
    const run = async (env: Record<string, string>): Promise<readonly string[]> => {
      const python = TestProcess.start(cleanup, "/usr/bin/python3", [scenario], { env: { ...env, PGAPPNAME: "psycopg2" } });
      const { status } = await python.exited;
      assert.equal(status, 0, python.stderr + python.stdout);
      return python.stdout.trim().split("\n");
    };
    assert.deepEqual(await run(stack.gatewayEnv()), await run(stack.directEnv()));
  });
});
