import { parentPort, workerData } from "node:worker_threads";
import { fingerprintSync, loadModule, parseSync } from "libpg-query";
import { analyseText, type Parser } from "./extract.ts";
import { CURRENT, type Job, type Reply, SINCE_CPU, type WorkerSettings } from "./parser-messages.ts";
import { redact } from "./redact.ts";
import { ownThread } from "./thread-cpu.ts";

/** The thread that parses; parser-lane.ts guards it. Texts come in order and are answered in order. */
const port = parentPort;
if (port === null) throw new Error("parser-worker.ts runs as a worker thread only");

const { progress, harmlessFunctions } = workerData as WorkerSettings;
const alsoHarmless = new Set(harmlessFunctions);
const fingerprintDigits = /^[0-9a-f]{16}$/;

const parser: Parser = {
  parse: parseSync,
  fingerprint(text) {
    const digits = fingerprintSync(text);
    // On some errors the library returns the message instead of throwing it.
    if (!fingerprintDigits.test(digits)) throw new Error("no fingerprint of a text that parses");
    return digits;
  },
};

function work({ number, text, task }: Job): Reply {
  try {
    if (task === "redact") {
      const { recordable, redacted } = redact(text, false);
      return redacted ? { kind: "searched", number, redacted, recordable } : { kind: "searched", number, redacted };
    }
    const { recordable, ...analysis } = analyseText(parser, text, alsoHarmless);
    // Most texts are recorded as they came: no need to send them back.
    return analysis.redacted ? { kind: "analysed", number, analysis, recordable } : { kind: "analysed", number, analysis };
  } catch {
    return { kind: "broken", number };
  }
}

await loadModule();
port.on("message", (job: Job) => {
  const { user, system } = process.threadCpuUsage();
  Atomics.store(progress, SINCE_CPU, Math.round((user + system) / 1_000));
  Atomics.store(progress, CURRENT, job.number);
  port.postMessage(work(job));
});
port.postMessage({ kind: "ready", thread: ownThread() } satisfies Reply);
