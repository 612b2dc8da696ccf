import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { before, describe, it, type TestContext } from "node:test";
import { promisify } from "node:util";
import { Client } from "pg";
import { failure } from "../e2e/failure.ts";
import { bind, execute, parse, query, sync } from "../support/frontend-messages.ts";
import { isType, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { heard, openWire } from "../e2e/gateway-wire.ts";
import { LedgerProcess } from "./ledger-process.ts";

const REFUSED = ["58030", "ledger.unavailable"];

/** Makes it unwritable; answers how to make it writable again. */
type Outage = (stack: Stack) => Promise<() => Promise<void>>;

const outages: Readonly<Record<string, Outage>> = {
  "while another process holds the file": async (stack) => {
    const holder = new LedgerProcess([
      "-e",
      `const { DatabaseSync } = require("node:sqlite");
       const db = new DatabaseSync(${JSON.stringify(stack.ledgerFile)}, { timeout: 10_000 });
       db.exec("BEGIN EXCLUSIVE");
       console.log("held");
       process.stdin.once("data", () => { db.close(); console.log("free"); });`,
    ]);
    await holder.until((lines) => lines.includes("held"));
    return async () => {
      await holder.ask("go");
      await holder.kill("SIGTERM");
    };
  },
  "while its file may not grow": async (stack) => {
    const limit = (soft: string): Promise<unknown> => promisify(execFile)("prlimit", [`--pid=${stack.controlPlane.pid}`, `--fsize=${soft}:`]);
    await limit("1024");
    return async () => void (await limit("unlimited"));
  },
};

for (const [name, outage] of Object.entries(outages)) {
  describe(`a session ${name}`, () => {
    const cleanup = suiteCleanup();
    let stack: Stack;
    before(async () => {
      stack = await Stack.start(cleanup);
      await (await stack.connectDirect()).query("create table sink (id int)");
    });

    it("has its writes refused and its reads withheld, none of the writes reaches the target, and it goes on afterwards", async (t: TestContext) => {
      const client = await stack.connect();
      const transaction = await stack.connect();
      const wire = await openWire(cleanup, stack);
      await client.query("insert into sink values (1)");
      await transaction.query("begin");
      await transaction.query("insert into sink values (2)");

      const restore = await outage(stack);
      const from = stack.target.log.end;
      const started = performance.now();
      // One read that was sent while its event was being written, at most, and no byte of its result is released.
      // Both while nobody knows yet that the ledger is gone: later ones are refused before they are looked at.
      const reading = wire.more("Z");
      wire.write(query("select 'read'||'able'"));
      const firstWrites = [failure(client.query("insert into sink values (-5)")), failure(transaction.query("insert into sink values (-6)"))];
      await reading;
      assert.deepEqual(await Promise.all(firstWrites), [REFUSED, REFUSED]);
      assert.doesNotMatch(heard(wire), /readable/u);
      assert.match(heard(wire), /58030[^]*ledger\.unavailable/u);
      const extended = wire.more("Z");
      wire.write(Buffer.concat([parse("select 'read'||'able'"), bind(), execute(), sync, parse("insert into sink values (-1)"), bind(), execute(), sync]));
      await extended;
      await wire.until((messages) => messages.filter(({ type }) => type === "Z").length === 3);
      assert.doesNotMatch(heard(wire), /readable/u);

      assert.deepEqual(await failure(client.query("insert into sink values (-2)")), REFUSED);
      assert.deepEqual(await failure(client.query("insert into sink values ($1)", [-3])), REFUSED);
      assert.deepEqual(await failure(transaction.query("insert into sink values (-4)")), REFUSED);
      assert.deepEqual(await failure(client.query("drop table sink")), REFUSED);
      assert.deepEqual(await failure(connectOnly(stack)), REFUSED, "nor is a session opened");
      const reached = stack.target.log.statements(from).filter(({ sql }) => !/^select/iu.test(sql));
      assert.deepEqual(reached, []);
      const reads = stack.target.log.statements(from).length;
      assert.ok(reads <= 1, `${reads} reads were sent; once it is known that nothing can be recorded, none may be`);
      t.diagnostic(`refused for ${Math.round(performance.now() - started)} ms; ${reads} reads were sent, and withheld`);

      await restore();
      await stack.event("node-", isType("FailClosedLeft"));
      await succeeds(() => client.query("insert into sink values (3)"));
      // Its insert was refused, so it fails as a whole; the connection lives.
      // Each session's own record finds out by itself that it can be written again.
      let ended = "";
      await succeeds(async () => {
        ended = (await transaction.query("commit")).command;
      });
      assert.equal(ended, "ROLLBACK");
      await succeeds(() => transaction.query("insert into sink values (4)"));
      const alive = wire.more("Z");
      wire.write(query("select 'ali'||'ve'"));
      await alive;
      assert.match(heard(wire), /alive/u);
      assert.deepEqual(
        (await client.query<{ id: number }>("select id from sink order by id")).rows.map(({ id }) => id),
        [1, 3, 4],
      );

      const node = await stack.events("node-");
      const entered = node.find(isType("FailClosedEntered"));
      const left = node.find(isType("FailClosedLeft"));
      assert.ok(entered !== undefined && left !== undefined);
      assert.ok(node.filter(isType("FailClosedLeft")).reduce((sum, { data }) => sum + data.refusedCommands, 0) >= 6);
    });

    it("says in the record of each command that was refused that it was not sent", async () => {
      const events = await stack.events("session-");
      for (const { stream, data } of events.filter(isType("CommandAuthorized"))) {
        const refused = data.statement?.includes("(-") === true || data.parameters[0]?.value === "-3" || data.statement === "drop table sink";
        if (!refused) continue;
        const after = events
          .filter((event) => event.stream === stream && "commandId" in event.data && event.data.commandId === data.commandId)
          .map(({ type }) => type);
        assert.deepEqual(after, ["CommandAuthorized", "CommandDenied"], data.statement);
      }
    });

    it("has recorded, once, all that reached the target", async () => {
      const recorded = (await stack.events("session-")).filter(isType("CommandAuthorized")).map(({ data }) => data.statement);
      const inserted = stack.target.log.statements().map(({ sql }) => sql);
      for (const sql of inserted.filter((text) => text.startsWith("insert into sink values (") && !text.includes("$"))) {
        assert.equal(recorded.filter((statement) => statement === sql).length, 1, sql);
      }
    });
  });
}

async function connectOnly(stack: Stack): Promise<void> {
  const client = new Client(stack.gateway());
  client.on("error", () => undefined);
  try {
    await client.connect();
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** A session's own record may need a moment more than the ledger itself: it tries again at intervals of up to a second. */
async function succeeds(run: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const told = await failure(run());
    if (told[0] === "no error") return;
    assert.deepEqual(told, REFUSED);
    assert.ok(attempt < 1_000);
  }
}
