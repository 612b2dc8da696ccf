import { Worker } from "node:worker_threads";
import { SallyportError } from "@sallyport/proto/errors";
import type { Logger } from "pino";
import type { WhatIfProgress, WhatIfQuestion, WhatIfReport } from "../application/what-if/report.ts";
import type { WhatIf } from "../application/what-if/trials.ts";
import type { Reply, ThreadSettings } from "./messages.ts";

/** A trial holds some tens of MB; one that would hold more is wrong, and dies alone. */
export const MAX_TRIAL_HEAP_MB = 512;

/** Takes history's decisions again in a thread of its own, which the sessions do not wait for. Its death fails the trial, and nothing else. */
export class WhatIfThread implements WhatIf {
  readonly #place: Omit<ThreadSettings, "question">;
  readonly #log: Logger;
  readonly #running = new Set<Worker>();

  constructor(place: Omit<ThreadSettings, "question">, log: Logger) {
    this.#place = place;
    this.#log = log;
  }

  async run(question: WhatIfQuestion, progressed: (progress: WhatIfProgress) => void, signal: AbortSignal): Promise<WhatIfReport> {
    signal.throwIfAborted();
    const worker = new Worker(new URL("../what-if.worker.ts", import.meta.url), {
      workerData: { ...this.#place, question } satisfies ThreadSettings,
      name: "what-if",
      resourceLimits: { maxOldGenerationSizeMb: MAX_TRIAL_HEAP_MB },
    });
    this.#running.add(worker);
    const cut = (): void => void worker.terminate();
    signal.addEventListener("abort", cut, { once: true });
    try {
      return await new Promise<WhatIfReport>((resolve, reject) => {
        worker.on("message", (reply: Reply) => {
          if (reply.kind === "progress") progressed(reply.progress);
          else if (reply.kind === "report") resolve(reply.report);
          else reject(new SallyportError(reply.failure.code, reply.failure.message, reply.failure.details));
        });
        worker.on("error", (error: unknown) => {
          this.#log.error({ err: error }, "the thread of a trial failed");
          reject(new SallyportError("internal", "The trial failed; the log says why.", {}, error));
        });
        worker.on("exit", () => reject(new SallyportError("session.ended", "The trial was given up.")));
      });
    } finally {
      signal.removeEventListener("abort", cut);
      this.#running.delete(worker);
      await worker.terminate();
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running].map((worker) => worker.terminate()));
  }
}
