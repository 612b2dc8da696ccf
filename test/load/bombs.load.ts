import assert from "node:assert/strict";
import { performance } from "node:perf_hooks";
import { stderr, stdout } from "node:process";
import { parseArgs } from "node:util";
import type { Client } from "pg";
import type { Cleanup } from "../support/cleanup.ts";
import { Stack } from "../support/stack.ts";
import { bomb, deadly } from "./bombs.ts";

/**
 * Sessions that run short statements, each text a new one, alone at first and then beside somebody who sends statements that are
 * hard to parse; `--deadly`: of those alone that end their parser. Prints how much slower they were in each second, as a ratio to the time before; fails when a bomb is not decided.
 */
const steps: (() => Promise<void>)[] = [];
const cleanup: Cleanup = { after: (run) => void steps.push(run) };
const { values } = parseArgs({
  options: { bombs: { type: "string", default: "200" }, sessions: { type: "string", default: "4" }, deadly: { type: "boolean", default: false } },
});
const WINDOW_MS = 1_000;
/** Of time before the first bomb. */
const BEFORE_MS = 5_000;

const median = (of: readonly number[]): number => of.toSorted((a, b) => a - b)[Math.floor(of.length / 2)] ?? Number.NaN;

try {
  const stack = await Stack.start(cleanup);
  const sessions = await Promise.all(Array.from({ length: Number(values.sessions) }, () => stack.connect("bo")));
  const taken: { readonly at: number; readonly millis: number }[] = [];
  let over = false;
  let n = 0;
  const busy = sessions.map(async (session) => {
    while (!over) {
      const start = performance.now();
      // Its column's name makes each text one that was never parsed.
      await session.query(`select 1 as c${n++}`);
      taken.push({ at: performance.now(), millis: performance.now() - start });
    }
  });
  await new Promise((resolve) => setTimeout(resolve, BEFORE_MS));
  const begin = performance.now();
  const hostile = await stack.connect("bo");
  const outcomes = new Map<string, number>();
  for (let sent = 0; sent < Number(values.bombs); sent++) {
    const outcome = await decided(hostile, (values.deadly ? deadly : bomb)(sent));
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  const end = performance.now();
  over = true;
  await Promise.all(busy);
  const before = median(taken.filter(({ at }) => at > begin - BEFORE_MS / 2 && at < begin).map(({ millis }) => millis));
  const ratios: number[] = [];
  for (let from = begin; from + WINDOW_MS < end; from += WINDOW_MS)
    ratios.push(median(taken.filter(({ at }) => at >= from && at < from + WINDOW_MS).map(({ millis }) => millis)) / before);
  const slow = ratios.filter((ratio) => ratio > 1.2).length;
  stdout.write(
    `${JSON.stringify({ load: "bombs", bombs: Number(values.bombs), outcomes: Object.fromEntries(outcomes), seconds: ratios.length, secondsOver1_2: slow, medianRatio: median(ratios), worstRatio: Math.max(...ratios), medianMillisBefore: before })}\n`,
  );
  assert.equal(
    [...outcomes.values()].reduce((sum, count) => sum + count, 0),
    Number(values.bombs),
    "not every bomb was decided",
  );
} catch (error) {
  stderr.write(`${String(error)}\n`);
  process.exitCode = 1;
} finally {
  for (const step of steps.toReversed()) await step();
}

/** Refused by us, or let through as the read that it is: then the server has its own opinion. */
async function decided(session: Client, sql: string): Promise<string> {
  try {
    await session.query(sql);
    return "answered";
  } catch (error) {
    const { detail = "", code = "" } = error as { readonly detail?: string; readonly code?: string };
    return /code: (?<ours>[a-z_.]+)/.exec(detail)?.groups?.["ours"] ?? `server ${code}`;
  }
}
