import assert from "node:assert/strict";
import { performance } from "node:perf_hooks";
import { stderr, stdout } from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { Client } from "pg";
import type { Cleanup } from "../support/cleanup.ts";
import { Stack } from "../support/stack.ts";
import { bomb, deadly } from "./bombs.ts";
import { Others } from "./others.ts";

/**
 * Sessions that run short statements, each text a new one, while somebody sends statements that are hard to parse; `--deadly`: of those
 * alone that end their parser. Bombs come in volleys, and each second of a volley is compared with the calm before and after it, so that
 * what else the machine does falls on both. What was let through is then fired again at the server itself, past the gateway: what it costs
 * the others there is the server's own work. Fails when a bomb is not decided.
 */
const { values } = parseArgs({
  options: {
    bombs: { type: "string", default: "200" },
    volley: { type: "string", default: "10" },
    sessions: { type: "string", default: "4" },
    deadly: { type: "boolean", default: false },
  },
});
const bombs = Number(values.bombs);
const UNDECIDED = "undecided";
/** Enough statements for a median that stands still. */
const CALM_MS = 3_000;
/** What the machine does by itself shows in less than a long volley. */
const MAX_NOTHING_MS = 10_000;

const steps: (() => void | Promise<void>)[] = [];
const cleanup: Cleanup = { after: (run) => void steps.push(run) };
try {
  const stack = await Stack.start(cleanup, { settings: { log_statement: "none" } });
  // Made beforehand: this process has work to do beside them.
  const texts = Array.from({ length: bombs }, (_, n) => (values.deadly ? deadly : bomb)(n));
  const others = new Others(await Promise.all(Array.from({ length: Number(values.sessions) }, () => stack.connect("bo"))));
  const hostile = await stack.connect("bo");
  const direct = await stack.connectDirect();
  const outcomes = new Map<string, number>();
  const through: number[] = [];
  const past: number[] = [];
  const nothing: number[] = [];
  await pause(CALM_MS);
  for (let first = 0; first < bombs; first += Number(values.volley)) {
    const volley = texts.slice(first, first + Number(values.volley));
    const passed: string[] = [];
    const begun = performance.now();
    through.push(
      ...(await others.during(CALM_MS, async () => {
        for (const text of volley) {
          const outcome = await decided(hostile, text);
          outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
          if (outcome === "answered" || outcome.startsWith("server")) passed.push(text);
        }
      })),
    );
    const took = performance.now() - begun - 2 * CALM_MS;
    nothing.push(...(await others.during(CALM_MS, () => pause(Math.min(took, MAX_NOTHING_MS)))));
    if (passed.length === 0) continue;
    past.push(
      ...(await others.during(CALM_MS, async () => {
        for (const text of passed) await direct.query(text).catch(() => undefined);
      })),
    );
  }
  await others.stop();
  const figures = { load: "bombs", bombs, deadly: values.deadly, outcomes: Object.fromEntries(outcomes) };
  stdout.write(
    `${JSON.stringify({ ...figures, throughTheGateway: summary(through), atTheServerAlone: summary(past), withNothing: summary(nothing), calmMillis: others.calmMillis, othersRefused: others.refused })}\n`,
  );
  assert.equal(outcomes.get(UNDECIDED), undefined, "not every bomb was decided");
} catch (error) {
  stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = 1;
} finally {
  for (const step of steps.toReversed()) await step();
}

/** Of the seconds of all volleys: how much slower the others were than in the calm. */
function summary(ratios: readonly number[]): Record<string, number> {
  const sorted = ratios.toSorted((a, b) => a - b);
  const round = (value: number | undefined): number => Number((value ?? Number.NaN).toFixed(2));
  return {
    seconds: ratios.length,
    over1_2: ratios.filter(isSlow).length,
    longestOver1_2: longestRun(ratios),
    median: round(sorted[Math.floor(sorted.length / 2)]),
    worst: round(sorted.at(-1)),
  };
}

function isSlow(ratio: number): boolean {
  return ratio > 1.2;
}

/** Seconds in a row that were slow. */
function longestRun(ratios: readonly number[]): number {
  let [run, longest] = [0, 0];
  for (const ratio of ratios) {
    run = isSlow(ratio) ? run + 1 : 0;
    longest = Math.max(longest, run);
  }
  return longest;
}

/** Refused by us, or let through as the read that it is: then the server has its own opinion. What ends the connection without a word is neither. */
async function decided(session: Client, sql: string): Promise<string> {
  try {
    await session.query(sql);
    return "answered";
  } catch (error) {
    const { detail = "", code = "" } = error as { readonly detail?: string; readonly code?: string };
    if (!/^[0-9A-Z]{5}$/.test(code)) return UNDECIDED;
    return /code: (?<ours>[a-z_.]+)/.exec(detail)?.groups?.["ours"] ?? `server ${code}`;
  }
}
