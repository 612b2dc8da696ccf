import { parentPort, workerData } from "node:worker_threads";
import { fingerprintSync, loadModule, parseSync } from "libpg-query";
import { analyseText, type Extracted, type Parser } from "./extract.ts";
import { redact } from "./redact.ts";

/**
 * The thread that parses; parser-lane.ts guards it. Texts come in order and are answered in order.
 * `current[0]` is the number of the text that is being worked on, so that whoever finds this thread dead knows which text did it.
 */
export interface WorkerSettings {
  readonly current: Int32Array;
  readonly harmlessFunctions: readonly string[];
}

export interface Job {
  readonly number: number;
  readonly text: string;
  /** `redact`: the text is too long to be parsed, or its parser was killed. */
  readonly task: "analyse" | "redact";
}

export type Reply =
  | { readonly kind: "ready" }
  | { readonly kind: "analysed"; readonly number: number; readonly analysis: Omit<Extracted, "recordable">; readonly recordable?: string }
  | { readonly kind: "searched"; readonly number: number; readonly redacted: boolean; readonly recordable?: string }
  /** The parser cannot be trusted any longer: a stack or a heap overflowed in it. */
  | { readonly kind: "broken"; readonly number: number };

const port = parentPort;
if (port === null) throw new Error("parser-worker.ts runs as a worker thread only");

const { current, harmlessFunctions } = workerData as WorkerSettings;
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
  Atomics.store(current, 0, job.number);
  port.postMessage(work(job));
});
port.postMessage({ kind: "ready" } satisfies Reply);
