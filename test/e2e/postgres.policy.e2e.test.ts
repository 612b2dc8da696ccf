import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { TestProcess } from "../support/process.ts";
import { isType, type Person, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";

const HANG_MS = 60_000;

const rules = `
  @id("engineers-open") @reasonRequired @notify("security")
  permit (principal in Group::"engineers", action == Action::"open", resource)
  when { context.hour >= 0 && context.clientAddress.isLoopback() };
  @id("robots-look") @readOnly
  permit (principal, action == Action::"open", resource) when { principal.kind == "machine" };
  @id("run-all") @timeout("1s") @byteCap("10KB")
  permit (principal, action == Action::"run", resource);
  @id("deletes-say-why") @ticketRequired
  permit (principal, action == Action::"run", resource) when { context.verbs.contains("DELETE") && context.purpose like "*stuck*" };`;

describe("what a policy asks for, with psql and our own command line", { timeout: 4 * HANG_MS }, () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup, { policy: [{ name: "p.cedar", text: rules }] });
    await (await stack.connectDirect()).query("create table orders (id int)");
  });

  async function psql(person: Person, options: string, ...commands: readonly string[]): Promise<string> {
    const args = commands.flatMap((command) => ["-c", command]);
    const env = { ...stack.gatewayEnv(person), PGOPTIONS: options };
    const run = TestProcess.start(cleanup, "psql", ["-X", "-At", "-v", "VERBOSITY=verbose", ...args], { env });
    await run.exited;
    return run.stdout + run.stderr;
  }

  it("lets psql give the reason in PGOPTIONS, and the ticket by SET; each decision is explained to the same answer", { timeout: HANG_MS }, async () => {
    const shut = await psql("ana", "", "select 1");
    assert.match(shut, /policy\.purpose_required; rule: engineers-open.*-c sallyport\.reason=/s);
    const why = String.raw`-c sallyport.reason=orders\ are\ stuck`;
    const said = await psql("ana", why, "delete from orders", "set sallyport.ticket = 'OPS-7'", "delete from orders");
    assert.match(said, /^SET\nDELETE 0\n.*policy\.purpose_required; rule: deletes-say-why/s);
    const { data } = await stack.event("session-", isType("SessionOpened"));
    assert.deepEqual([data.decision.notify, typeof data.decision.seen?.hour], [["security"], "number"]);
    await stack.event(`session-${data.sessionId}`, isType("SessionEnded"));
    for (const command of [[], ["1"], ["2"], ["3"]]) {
      const run = stack.cli("bo", "explain", data.sessionId, ...command);
      assert.equal((await run.exited).status, 0, run.stdout + run.stderr);
    }
  });

  it("cancels at its time, caps bytes, and keeps the robot from writing", { timeout: HANG_MS }, async () => {
    const said = await psql(
      "robot",
      "-c sallyport.reason=nightly",
      "select pg_sleep(60)",
      "select repeat('x', 900) from generate_series(1, 20)",
      "insert into orders values (1)",
    );
    assert.match(said, /57014: Stopped by policy: a command may run for 1 s\./);
    assert.match(said, /rows were withheld: policy allows at most 10000 bytes of rows per command/);
    assert.match(said, /25006: cannot execute INSERT in a read-only transaction/);
    await stack.event(
      "session-",
      isType("SessionEnded", ({ data }) => data.commands === 3),
    );
    const limits = (await stack.events("session-")).flatMap((event) => (event.type === "CommandCompleted" ? (event.data.limit ?? []) : []));
    assert.deepEqual(limits, ["time", "bytes"]);
  });

  it("is checked with its tests, and compared with what is in force, on the command line", { timeout: HANG_MS }, async () => {
    const folder = join(stack.folder, "policies");
    mkdirSync(folder);
    const tests = (decision: string): string =>
      JSON.stringify({
        principals: { ana: { groups: ["engineers"] } },
        resources: { db: {} },
        tests: [{ name: "reads", as: "ana", action: "run", on: "db", sql: "select 1", expect: decision }],
      });
    const changed = rules
      .replace(`@timeout("1s")`, `@timeout("2s")`)
      .replace(`(principal, action == Action::"open"`, `(principal in Group::"robots", action == Action::"open"`);
    writeFileSync(join(folder, "p.cedar"), changed);
    writeFileSync(join(folder, "p.test.json"), tests("allow"));
    const good = stack.cli("bo", "policy", "check", folder);
    assert.equal((await good.exited).status, 0, good.stdout);
    assert.match(good.stdout, /warning: Nobody is in the group "robots"[^]*good; 1 decision as its tests expect/);
    const diff = stack.cli("bo", "policy", "diff", folder);
    assert.equal((await diff.exited).status, 0, diff.stderr);
    assert.match(
      diff.stdout,
      /~ robots-look[^]*scope\n\s+- principal, action[^]*\+ principal in Group::"robots"[^]*~ run-all[^]*@timeout\n\s+- 1s\n\s+\+ 2s\n0 added, 0 removed, 2 changed\./,
    );

    writeFileSync(join(folder, "p.test.json"), tests("deny"));
    const bad = stack.cli("bo", "policy", "check", folder);
    assert.equal((await bad.exited).status, 1);
    assert.match(bad.stdout, /p\.test\.json:1: error: Test "reads": expected decision deny, got allow\./);
    await assert.rejects(
      stack.publish([
        { name: "p.cedar", text: rules },
        { name: "p.test.json", text: tests("deny") },
      ]),
      /expected decision deny, got allow/,
    );
    const stranger = `${rules} @id("x") permit (principal == Identity::"nobody", action == Action::"open", resource);`;
    await assert.rejects(stack.publish([{ name: "p.cedar", text: stranger }]), /There is no identity "nobody"/);
  });
});
