import { parentPort, workerData } from "node:worker_threads";
import { analyseText } from "./extract.ts";
import { CURRENT, type Job, type Reply, SINCE_CPU, type WorkerSettings } from "./parser-messages.ts";
import { ownThread } from "./thread-cpu.ts";

/**
 * A parser thread that dies of the texts `hang`, `spin`, `exit`, `throw`, `overflow` and `broken`, each in its own way, and answers all others:
 * `doze` after a while in which it does nothing.
 */
const { progress } = workerData as WorkerSettings;
const port = parentPort;
const DOZE_MS = 500;
const parser = { parse: () => ({ version: 18, stmts: [] }), fingerprint: () => "" };

const overflow = (depth: number): number => overflow(depth + 1) + 1;

port?.on("message", ({ number, text }: Job) => {
  const { user, system } = process.threadCpuUsage();
  Atomics.store(progress, SINCE_CPU, Math.round((user + system) / 1_000));
  Atomics.store(progress, CURRENT, number);
  if (text === "hang") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  if (text === "doze") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, DOZE_MS);
  while (text === "spin");
  if (text === "exit") process.exit(1);
  if (text === "throw") throw new Error("thrown by the fixture");
  if (text === "overflow") overflow(0);
  const { recordable: _, ...analysis } = analyseText(parser, text, new Set());
  port.postMessage((text === "broken" ? { kind: "broken", number } : { kind: "analysed", number, analysis }) satisfies Reply);
});
port?.postMessage({ kind: "ready", thread: ownThread() } satisfies Reply);
