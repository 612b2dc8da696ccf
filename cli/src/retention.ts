import type { GetRetentionResponse, RunRetentionResponse } from "@sallyport/proto/gen/sallyport/api/v1/audit";
import type { Command } from "commander";
import { type Io, toJson, tone } from "./io.ts";
import { parseLimit } from "./moment.ts";
import { instant, writeTable } from "./table.ts";
import { runVerb } from "./verb.ts";

/** A run over years of record takes minutes; it goes on in the control plane when this one stops waiting. */
const RUN_MILLIS = 3_600_000;
const DAY_SECONDS = 86_400;

export function retentionVerb(program: Command): void {
  const retention = program.command("retention").description("how long the record is kept, and what was removed of it");
  retention
    .command("show", { isDefault: true })
    .description("the rules, and the last runs")
    .option("--runs <number>", "how many runs", "10")
    .action(({ runs }: { runs: string }, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const answer = await api().audit.getRetention({ runs: parseLimit(runs, "--runs") });
        if (io.json) io.out(toJson(answer));
        else show(io, answer);
      }),
    );
  retention
    .command("run")
    .option("--dry-run", "only tell what would be removed")
    .description("remove now what is no longer kept; for administrators")
    .action(({ dryRun = false }: { dryRun?: boolean }, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const answer = await api().audit.runRetention({ dryRun }, RUN_MILLIS);
        if (io.json) io.out(toJson(answer));
        else tell(io, answer);
      }),
    );
}

function show(io: Io, { rules, runs }: GetRetentionResponse): void {
  if (rules.length === 0) io.out("Everything is kept (SALLYPORT_RETENTION is not set).");
  for (const { category, keepSeconds } of rules) io.out(`${category.padEnd(11)}kept ${Number(keepSeconds) / DAY_SECONDS} days after its end`);
  if (runs.length === 0) return;
  const lines = runs.map(({ runId, startedAt, trigger, by, outcome, failure, streams, events }) => {
    const ended = failure === "" ? outcome : `${outcome}: ${failure}`;
    return [instant(startedAt), runId, trigger === "schedule" ? `schedule (${by})` : by, ended, String(streams), String(events)];
  });
  writeTable(io, ["STARTED", "RUN", "BY", "OUTCOME", "STREAMS", "EVENTS"], lines);
}

function tell(io: Io, { runId, counts }: RunRetentionResponse): void {
  const lines = counts.map(({ category, cutOff, streams, events, oldest, newest }) => [
    category,
    instant(cutOff),
    String(streams),
    String(events),
    instant(oldest),
    instant(newest),
  ]);
  writeTable(io, ["CATEGORY", "ENDED BEFORE", "STREAMS", "EVENTS", "OLDEST", "NEWEST"], lines);
  io.out(runId === "" ? tone("yellow", "Nothing was removed: this was a dry run.") : `Removed by run ${runId}.`);
}
