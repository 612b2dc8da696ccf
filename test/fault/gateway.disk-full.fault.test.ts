import assert from "node:assert/strict";
import { join } from "node:path";
import { before, describe, it, type TestContext } from "node:test";
import type { Client } from "pg";
import { failure } from "../e2e/failure.ts";
import { SmallDisk, skipWithoutDisk } from "../support/small-disk.ts";
import { isType, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";

const DISK_MIB = 8;
const WRITERS = 4;
/** What is left of the ledger's write-ahead log still takes commands for a while: that many in a row must have been refused. */
const REFUSED_IN_A_ROW = 40;
/** Far more than ever fit on the disk. */
const MAX_ATTEMPTS = 20_000;

describe("a disk that is full", { skip: skipWithoutDisk() }, () => {
  const cleanup = suiteCleanup();
  let disk: SmallDisk;
  let stack: Stack;
  const clients: Client[] = [];
  const accepted: number[] = [];
  const refused: number[] = [];
  let next = 1;
  before(async () => {
    disk = SmallDisk.mount(cleanup, DISK_MIB);
    stack = await Stack.start(cleanup, { env: { SALLYPORT_DATA_DIR: join(disk.path, "control-plane") } });
    await (await stack.connectDirect()).query("create table sink (id int)");
    for (let n = 0; n < WRITERS; n++) clients.push(await stack.connect());
  });

  /** One insert of a number that no other has, by the simple or the extended protocol. */
  const insert = async (client: Client): Promise<boolean> => {
    const id = next++;
    const told = await failure(id % 2 === 0 ? client.query(`insert into sink values (${id})`) : client.query("insert into sink values ($1)", [id]));
    const done = told[0] === "no error";
    if (!done) assert.deepEqual(told, ["58030", "ledger.unavailable"]);
    (done ? accepted : refused).push(id);
    return done;
  };
  const stored = async (): Promise<number[]> => {
    const { rows } = await (await stack.connectDirect()).query<{ id: number }>("select id from sink order by id");
    return rows.map(({ id }) => id);
  };
  const inOrder = (ids: readonly number[]): number[] => ids.toSorted((a, b) => a - b);

  it("has commands refused, and none of those reaches the target", async (t: TestContext) => {
    for (const client of clients) assert.ok(await insert(client));
    disk.fill();
    let inARow = 0;
    await Promise.all(
      clients.map(async (client) => {
        while (inARow < REFUSED_IN_A_ROW) {
          inARow = (await insert(client)) ? 0 : inARow + 1;
          assert.ok(next < MAX_ATTEMPTS);
        }
      }),
    );
    t.diagnostic(`${accepted.length} commands were recorded and run, ${refused.length} refused`);
    assert.deepEqual(await failure(stack.connect()), ["58030", "ledger.unavailable"], "nor is a session opened");
    assert.deepEqual(await stored(), inOrder(accepted));
    const seen = stack.target.log
      .statements()
      .flatMap(({ sql, parameters = "" }) => (/^insert into sink values \((?:\d+|\$1)\)$/u.test(sql) ? [`${sql} ${parameters}`] : []))
      .map((text) => /\((\d+)\)|'(\d+)'/u.exec(text)?.slice(1).join(""));
    assert.deepEqual(inOrder(seen.map(Number)), inOrder(accepted), "the server's own log knows of no other");
  });

  it("is no harm once there is room again: it goes on by itself, and says in the record how long it could not", async () => {
    disk.free();
    const { data: left } = await stack.event("node-", isType("FailClosedLeft"));
    assert.ok(left.refusedCommands > 0);
    assert.match((await stack.event("node-", isType("FailClosedEntered"))).data.cause, /full/u);
    for (const client of clients) while (!(await insert(client))) assert.ok(next < MAX_ATTEMPTS);
    assert.deepEqual(await stored(), inOrder(accepted));
  });

  it("keeps a control plane that was killed from starting again, and it says why", async () => {
    disk.fill();
    await stack.killControlPlane();
    const run = stack.spawnControlPlane();
    assert.equal((await run.exited).status, 1);
    assert.match(run.stderr, /^ledger\.unavailable: .*full/mu);
    assert.doesNotMatch(run.stderr, /^ {4}at /mu, "no stack trace");
  });

  it("has cost nothing of the record: all that ever ran is in it, once", async () => {
    disk.free();
    await stack.startControlPlane();
    await stack.linked();
    assert.ok(await insert(await stack.connect()));
    assert.deepEqual(await stored(), inOrder(accepted));
    const recorded = (await stack.events("session-")).filter(isType("CommandAuthorized"));
    const ids = recorded.flatMap(({ data }) => {
      const simple = /^insert into sink values \((\d+)\)$/u.exec(data.statement ?? "")?.[1];
      return data.statement?.startsWith("insert into sink") === true ? [Number(simple ?? data.parameters[0]?.value)] : [];
    });
    for (const id of accepted) assert.equal(ids.filter((each) => each === id).length, 1, `${id} ran and is recorded once`);
  });
});
