import { parentPort, workerData } from "node:worker_threads";
import { analyseText } from "./extract.ts";
import type { Job, Reply, WorkerSettings } from "./parser-worker.ts";

/** A parser thread that dies of the texts `hang`, `exit`, `throw`, `overflow` and `broken`, each in its own way, and answers all others. */
const { current } = workerData as WorkerSettings;
const port = parentPort;
const parser = { parse: () => ({ version: 18, stmts: [] }), fingerprint: () => "" };

const overflow = (depth: number): number => overflow(depth + 1) + 1;

port?.on("message", ({ number, text }: Job) => {
  Atomics.store(current, 0, number);
  if (text === "hang") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  if (text === "exit") process.exit(1);
  if (text === "throw") throw new Error("thrown by the fixture");
  if (text === "overflow") overflow(0);
  const { recordable: _, ...analysis } = analyseText(parser, text, new Set());
  port.postMessage((text === "broken" ? { kind: "broken", number } : { kind: "analysed", number, analysis }) satisfies Reply);
});
port?.postMessage({ kind: "ready" } satisfies Reply);
