import { SallyportError } from "@sallyport/proto/errors";
import type { Principal } from "../../domain/decision.ts";
import type { PolicyFile } from "../../domain/policy/policy.events.ts";
import { canonicalFiles } from "../policy-version.ts";
import type { PolicyService } from "../policy-changes.ts";
import type { Clock, CommandContext } from "../ports.ts";
import type { WhatIfProgress, WhatIfQuestion, WhatIfReport } from "./report.ts";
import { spokenDuration } from "../../domain/spoken-duration.ts";

/** The port: runs one trial where it delays nobody. Rejects with `session.ended` when `signal` aborts. */
export interface WhatIf {
  run(question: WhatIfQuestion, progressed: (progress: WhatIfProgress) => void, signal: AbortSignal): Promise<WhatIfReport>;
  close(): Promise<void>;
}

export interface TrialRequest {
  /** Of a version that was proposed; empty where `files` are given. */
  readonly version: string;
  readonly files: readonly PolicyFile[];
  readonly sinceSeconds: number;
  readonly identity: string;
  readonly resource: string;
}

export type TrialStep =
  | { readonly kind: "progress"; readonly progress: WhatIfProgress }
  | { readonly kind: "report"; readonly report: WhatIfReport; readonly isRecorded: boolean };

export interface Trials {
  /** Fails with `policy.invalid`, `policy.not_found`, `input.invalid`, `session.limit`. */
  run(request: TrialRequest, by: Principal, context: CommandContext, signal: AbortSignal): AsyncGenerator<TrialStep>;
  close(): Promise<void>;
}

/** Each reads the whole log: two would only make each other slower. */
export const MAX_TRIALS = 1;
/** Ten years: further back is a mistake in the unit. */
export const MAX_SINCE_SECONDS = 10 * 366 * 86_400;
/** Rules that the event of a trial names. */
export const MAX_RECORDED_RULES = 20;

/** Tries policies on history. What a trial of a proposal showed is recorded with it, when it looked at everybody and everything. */
export function createTrials({ whatIf, policies, clock }: { readonly whatIf: WhatIf; readonly policies: PolicyService; readonly clock: Clock }): Trials {
  let running = 0;

  async function filesOf({ version, files }: TrialRequest): Promise<{ readonly version: string; readonly files: readonly PolicyFile[] }> {
    if (files.length === 0) return { version, files: await policies.filesOf(version) };
    const checked = await policies.check(files);
    const errors = checked.problems.filter(({ severity }) => severity === "error");
    if (errors.length > 0) {
      throw new SallyportError("policy.invalid", errors.map(({ file, line, message }) => `${file}:${String(line)}: ${message}`).join("\n"), {
        problems: String(errors.length),
      });
    }
    return { version: checked.version, files: canonicalFiles(files) };
  }

  async function record(report: WhatIfReport, by: Principal, context: CommandContext): Promise<boolean> {
    const state = policies.find(report.version)?.state;
    if (state !== "proposed" && state !== "tried" && state !== "approved") return false;
    const { version, since, until, decisions, unreproducible, differences, byRule } = report;
    const rules = byRule.top.slice(0, MAX_RECORDED_RULES).map(({ kind, name, count }) => ({ kind, rule: name, count }));
    await policies.recordTrial({ version, by: by.id, since, until, decisions, unreproducible, differences, rules }, context);
    return true;
  }

  return {
    async *run(request, by, context, signal) {
      const { sinceSeconds, identity, resource } = request;
      if (!Number.isSafeInteger(sinceSeconds) || sinceSeconds < 1 || sinceSeconds > MAX_SINCE_SECONDS)
        throw new SallyportError("input.invalid", `Between 1 s and ${spokenDuration(MAX_SINCE_SECONDS)} back.`, { field: "since" });
      const rules = await filesOf(request);
      if (running >= MAX_TRIALS) throw new SallyportError("session.limit", "Another policy is being tried just now; try again in a moment.");
      running += 1;
      const stop = new AbortController();
      try {
        const until = clock.now();
        const question = { ...rules, since: new Date(until.getTime() - sinceSeconds * 1_000), until, identity, resource };
        const report = yield* following((progressed) => whatIf.run(question, progressed, AbortSignal.any([signal, stop.signal])));
        const isRecorded = identity === "" && resource === "" ? await record(report, by, context) : false;
        yield { kind: "report", report, isRecorded };
      } finally {
        stop.abort();
        running -= 1;
      }
    },
    close: () => whatIf.close(),
  };
}

/** The last word of progress whenever the caller is ready for one, then the answer. */
async function* following<T>(run: (progressed: (progress: WhatIfProgress) => void) => Promise<T>): AsyncGenerator<TrialStep, T> {
  let latest: WhatIfProgress | undefined;
  let wake = (): void => undefined;
  let isOver = false;
  const over = (): boolean => isOver; // it changes while the progress is with the caller
  const answer = run((progress) => {
    latest = progress;
    wake();
  }).finally(() => {
    isOver = true;
    wake();
  });
  answer.catch(() => undefined); // told below
  while (!over()) {
    const next = new Promise<void>((resolve) => (wake = resolve));
    if (latest === undefined) await next;
    else {
      const progress = latest;
      latest = undefined;
      yield { kind: "progress", progress };
    }
  }
  return answer;
}
