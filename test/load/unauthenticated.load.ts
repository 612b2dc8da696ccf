import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { stderr, stdout } from "node:process";
import { parseArgs } from "node:util";
import { Client } from "pg";
import type { Cleanup } from "../support/cleanup.ts";
import { Stack } from "../support/stack.ts";
import { openFiles, residentBytes } from "../support/process-usage.ts";
import { UnauthenticatedConnections } from "./unauthenticated-connections.ts";

/**
 * 10,000 connections that never sign in, first against the default bound on them, then all of them held open at once. Meanwhile
 * somebody signs in and asks; memory stays bounded; each is sent away in time. Prints one JSON line for each; fails if not so.
 */
const MIB = 1_048_576;
/** What the default bound of 512 may cost, sockets and TLS and all. */
const BOUNDED_GROWTH_MIB = 128;
/** A connection in TLS that waits for a password costs the most, about 60 KiB. */
const GROWTH_KIB_EACH = 48;
/** On a machine that is busy with the clients' side. */
const SIGN_IN_MILLIS = 5_000;
/** Between a connection's time limit and its end, as seen from outside. */
const LATE_MILLIS = 5_000;
const LIMIT_SECONDS = 30;
/** Of files, besides one for each connection. */
const SPARE_FILES = 1_000;

const steps: (() => Promise<void>)[] = [];
const cleanup: Cleanup = { after: (run) => void steps.push(run) };

/** Each process has one end of every connection. Children inherit the limit, and Node takes all of what it may have. */
function allowFiles(count: number): void {
  const [, hard] = /^Max open files\s+\d+\s+(\d+|unlimited)/mu.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
  if (hard === "unlimited" || Number(hard) >= count) return;
  try {
    execFileSync("prlimit", [`--pid=${process.pid}`, `--nofile=${count}:${count}`], { stdio: "pipe" });
  } catch {
    throw new Error(`${count} open files are needed, ${hard} are allowed, and raising the limit is not: run as root, or after \`ulimit -Hn ${count}\`.`);
  }
}

/** Milliseconds from nothing to an answer, as somebody with a token. */
async function askedIn(stack: Stack): Promise<number> {
  const start = performance.now();
  const client = new Client(stack.gateway());
  await client.connect();
  assert.deepEqual((await client.query("select 1 as one")).rows, [{ one: 1 }]);
  await client.end();
  return Math.round(performance.now() - start);
}

async function against(name: string, count: number, bound: number | undefined): Promise<void> {
  const env = bound === undefined ? {} : { SALLYPORT_PG_MAX_UNAUTHENTICATED: String(bound) };
  const stack = await Stack.start(cleanup, { env: { ...env, SALLYPORT_PG_AUTH_TIMEOUT_SECONDS: String(LIMIT_SECONDS) } });
  const { pid } = stack.controlPlane;
  await askedIn(stack);
  const before = { bytes: residentBytes(pid), files: openFiles(pid) };
  const connections = new UnauthenticatedConnections(cleanup, stack.gatewayPort);
  const asked: number[] = [];
  const start = performance.now();
  for (let arrived = 0; arrived < count; arrived += count / 10) {
    await connections.arrive(count / 10);
    asked.push(await askedIn(stack));
  }
  const arrivedMillis = Math.round(performance.now() - start);
  const most = { connections: connections.open, files: openFiles(pid), growthMib: Math.round((residentBytes(pid) - before.bytes) / MIB) };
  await connections.gone();
  asked.push(await askedIn(stack));
  const left = openFiles(pid) - before.files;
  stdout.write(
    `${JSON.stringify({ load: "unauthenticated", name, count, arrivedMillis, most, askedMillis: asked, longestSeconds: Math.round(connections.longestMillis / 100) / 10, filesLeft: left })}\n`,
  );
  assert.ok(Math.max(...asked) < SIGN_IN_MILLIS, "somebody who signs in is kept waiting");
  assert.ok(connections.longestMillis < LIMIT_SECONDS * 1_000 + LATE_MILLIS, "a connection stays longer than the limit");
  assert.ok(left < 20, `${left} more files are open than before`);
  assert.ok(most.growthMib < (bound === undefined ? BOUNDED_GROWTH_MIB : BOUNDED_GROWTH_MIB + (count * GROWTH_KIB_EACH) / 1_024), "memory is not bounded");
  if (bound !== undefined) assert.equal(most.connections, count, "not all of them were connected at once");
}

const { values } = parseArgs({ options: { count: { type: "string", default: "10000" } } });
const count = Number(values.count);
if (!Number.isSafeInteger(count) || count < 10) throw new Error("--count is a number from 10 on.");
try {
  allowFiles(count + SPARE_FILES);
  await against("as bounded by default", count, undefined);
  await against("all held open at once", count, 2 * count);
  stderr.write("Somebody who signed in was served all the while.\n");
} finally {
  for (const step of steps.toReversed()) await step();
}
