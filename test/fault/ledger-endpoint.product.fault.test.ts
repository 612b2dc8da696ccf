import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { failure } from "../e2e/failure.ts";
import { openPolicy } from "../support/policies.ts";
import { Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";

const DEADLINE_SECONDS = 2;

describe("the product, when the ledger that it uses over the network fails", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup, { ledger: "eventstoredb", policy: openPolicy, env: { SALLYPORT_LEDGER_DEADLINE_SECONDS: String(DEADLINE_SECONDS) } });
    await (await stack.connectDirect()).query("create table counted (n int)");
  });

  const timesRun = (text: string): number => stack.target.log.statements().filter(({ sql }) => sql.includes(text)).length;
  const recorded = async (text: string): Promise<number> =>
    (await stack.events("session-")).filter((event) => event.type === "CommandAuthorized" && event.data.statement?.includes(text) === true).length;

  it("refuses commands while it is frozen, and works again when it goes on, with nothing recorded or run twice", { timeout: 60_000 }, async () => {
    const client = await stack.connect();
    await client.query("insert into counted values (1)");
    stack.ledgerServer.process.kill("SIGSTOP");
    const [sqlstate, code] = await failure(client.query("insert into counted values (2)"));
    stack.ledgerServer.process.kill("SIGCONT");
    assert.deepEqual([sqlstate, code], ["58030", "ledger.unavailable"]);
    assert.equal(timesRun("values (2)"), 0);
    await untilItWorks(() => client.query("insert into counted values (3)"));
    assert.equal(timesRun("values (3)"), 1);
    assert.equal(await recorded("values (3)"), 1);
    assert.ok((await recorded("values (2)")) <= 1, "what was refused may have reached the record, once, and never ran");
    await client.end();
  });

  it("goes on by itself after its process was killed and started again", { timeout: 60_000 }, async () => {
    const client = await stack.connect();
    await stack.ledgerServer.kill();
    await stack.ledgerServer.restart();
    await untilItWorks(() => client.query("insert into counted values (4)"));
    assert.equal(timesRun("values (4)"), 1);
    assert.equal(await recorded("values (4)"), 1);
    assert.ok(stack.controlPlane.running);
    await client.end();
  });

  /** A statement that was refused did not run, so it may be sent again. */
  async function untilItWorks(send: () => Promise<unknown>): Promise<void> {
    for (;;) {
      const told = await failure(send());
      if (told[0] === "no error") return;
      assert.deepEqual(told, ["58030", "ledger.unavailable"]);
    }
  }
});
