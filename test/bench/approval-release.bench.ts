import { once } from "node:events";
import { argv, stdout } from "node:process";
import type { Cleanup } from "../support/cleanup.ts";
import { Stack } from "../support/stack.ts";

/**
 * From an approver's click to the held command's answer at its client, through the real processes: the call of the API, the
 * approval's events, the release's, the bytes to the target, the target's work, and the answer. So an upper bound of what
 * "approval to released bytes" is. `node test/bench/approval-release.bench.ts [rounds] [waiting]`: `waiting` other sessions hold
 * something all the while.
 */
const rounds = Number(argv[2] ?? 300);
const waiting = Number(argv[3] ?? 0);
const WARM_UP = 20;

const cleanups: (() => Promise<void>)[] = [];
const cleanup: Cleanup = { after: (run) => void cleanups.push(run) };
try {
  const stack = await Stack.start(cleanup);
  await (await stack.connectDirect()).query("create table t (id int); create table u (id int)");
  const approver = stack.api("bo");
  cleanups.push(async () => approver.close());
  for (let n = 0; n < waiting; n++) {
    const idle = await stack.connect();
    const held = once(idle, "notice");
    idle.query("truncate u").catch(() => undefined); // ends with the stack
    await held;
  }
  const client = await stack.connect();
  const took: number[] = [];
  for (let round = 0; round < WARM_UP + rounds; round++) {
    const noticed = once(client, "notice") as Promise<[{ message: string }]>;
    const answered = client.query("truncate t");
    const [, approvalId = ""] = /Approval (\S+)/u.exec((await noticed)[0].message) ?? [];
    const start = process.hrtime.bigint();
    await Promise.all([approver.approvals.approve({ approvalId, comment: "", digest: "", forSeconds: 0, wholeSession: false }), answered]);
    if (round >= WARM_UP) took.push(Number(process.hrtime.bigint() - start) / 1e6);
  }
  const sorted = took.toSorted((a, b) => a - b);
  const at = (share: number): number => Number((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(2));
  stdout.write(`${JSON.stringify({ bench: "approval.release", unit: "ms", rounds, waiting, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) })}\n`);
} finally {
  for (const run of cleanups.toReversed()) await run();
}
