import assert from "node:assert/strict";
import { env } from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { before, describe, it, type TestContext } from "node:test";
import { openPolicy } from "../support/policies.ts";
import { TestProcess } from "../support/process.ts";
import { type Recorded, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";

/** The full drill takes 20. */
const KILLS = Number(env["SALLYPORT_TEST_KILLS"] ?? 5);
const CLIENTS = 4;
/** Up to so long after the first transactions the control plane is killed, to hit it anywhere in its work. */
const KILL_WITHIN_MS = 700;
/** Every client is at work by then. */
const WARM_TRANSACTIONS = 40;

/** Statement and parameters, as the server's log prints them. */
type Executed = string;

describe("a control plane killed under load", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup, { policy: openPolicy });
    const init = TestProcess.start(cleanup, "pgbench", ["-i", "-q"], { env: stack.directEnv() });
    assert.equal((await init.exited).status, 0, init.stderr);
  });

  /** With a new agent: after several links that died young, the old one would wait for up to half a minute before it dials. */
  async function restart(settings: Readonly<Record<string, string>> = {}): Promise<void> {
    await Promise.all([stack.killAgent(), stack.startControlPlane(settings)]);
    await stack.startAgent();
  }

  /** Runs load until the control plane is dead, starts it again, and tells what ran without having been recorded. */
  async function kill(t: TestContext, round: string, mode: "simple" | "prepared"): Promise<{ readonly reads: Executed[]; readonly others: Executed[] }> {
    const from = stack.target.log.end;
    const load = TestProcess.start(cleanup, "pgbench", ["-n", "-M", mode, "-c", String(CLIENTS), "-T", "60"], {
      env: { ...stack.gatewayEnv(), PGSSLMODE: "require", PGAPPNAME: round },
    });
    let transactions = 0;
    const warm = (line: string): boolean => line.includes("INSERT INTO pgbench_history") && ++transactions >= WARM_TRANSACTIONS;
    await stack.target.log.line(warm, AbortSignal.timeout(30_000), from);
    await pause(Math.random() * KILL_WITHIN_MS);
    await stack.killControlPlane();
    await load.exited;
    await restart();

    const sessions = sessionsOf(await stack.events("session-"), round);
    assert.equal(sessions.length, CLIENTS + 1, "pgbench opens a session for itself as well");
    for (const events of sessions) {
      const [end, ...more] = events.flatMap((event) => (event.type === "SessionEnded" ? [event.data.cause] : []));
      assert.deepEqual(more, [], "a session ends once");
      assert.ok(end === "control_plane_lost" || end === "client_closed", end);
    }
    const ran = stack.target.log
      .statements(from)
      .filter(({ application }) => application === round)
      .map(({ sql, parameters }) => executed(sql, parameters));
    const authorised = sessions
      .flat()
      .flatMap((event) => (event.type === "CommandAuthorized" ? [executed(event.data.statement ?? "", printed(event.data.parameters))] : []));
    const unrecorded = surplus(ran, authorised);
    assert.ok(ran.length > 5 * WARM_TRANSACTIONS, `${ran.length} statements are too few to mean anything`);
    t.diagnostic(`${round}, ${mode}: ${ran.length} statements at the target, ${authorised.length} authorised, ${unrecorded.length} without a record`);
    return { reads: unrecorded.filter(isRead), others: unrecorded.filter((sql) => !isRead(sql)) };
  }

  it(`has recorded every command that writes, ${KILLS} times over; at most the reads under way are missing, whose results nobody saw`, async (t) => {
    for (let round = 1; round <= KILLS; round++) {
      const { reads, others } = await kill(t, `kill-${round}`, round % 2 === 0 ? "prepared" : "simple");
      assert.deepEqual(others, []);
      assert.ok(reads.length <= CLIENTS, `${reads.length} reads without a record`);
    }
  });

  it("has recorded every command, reads as well, when reads do not overlap their record", async (t) => {
    await stack.killControlPlane();
    await restart({ SALLYPORT_PG_READ_OVERLAP: "off" });
    const { reads, others } = await kill(t, "no-overlap", "simple");
    assert.deepEqual([...reads, ...others], []);
  });

  it("goes on with the history that it had", async () => {
    const client = await stack.connect();
    assert.deepEqual((await client.query("select count(*) > 0 as some from pgbench_history")).rows, [{ some: true }]);
    const started = (await stack.events("node-")).filter(({ type }) => type === "NodeStarted");
    assert.ok(started.length > KILLS);
  });
});

/** Events of each session that this application opened. */
function sessionsOf(events: readonly Recorded[], application: string): Recorded[][] {
  const own = events.flatMap((event) => (event.type === "SessionRequested" && event.data.application === application ? [event.stream] : []));
  return own.map((stream) => events.filter((event) => event.stream === stream));
}

const executed = (sql: string, parameters: string | undefined): Executed => `${sql}${parameters === undefined || parameters === "" ? "" : ` (${parameters})`}`;
const isRead = (sql: Executed): boolean => /^select/iu.test(sql);
const printed = (parameters: readonly { readonly value?: string | null }[]): string =>
  parameters.map(({ value }, index) => `$${index + 1} = ${value === null || value === undefined ? "NULL" : `'${value}'`}`).join(", ");

/** What is in `of` more often than in `than`. */
function surplus(of: readonly string[], than: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const each of than) left.set(each, (left.get(each) ?? 0) + 1);
  return of.filter((each) => {
    const count = left.get(each) ?? 0;
    left.set(each, count - 1);
    return count <= 0;
  });
}
