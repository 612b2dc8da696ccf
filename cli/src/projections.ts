import type { GetReadModelsResponse, RebuildReadModelsResponse } from "@sallyport/proto/gen/sallyport/api/v1/history";
import type { Command } from "commander";
import { exitStatus } from "./exit-status.ts";
import { bold, type Io, toJson } from "./io.ts";
import { instant, writeTable } from "./table.ts";
import { runVerb } from "./verb.ts";

/** Between two lines that tell how far a rebuild is. */
const TOLD_EVERY_MILLIS = 1_000;

export function projectionsVerb(program: Command): void {
  const projections = program.command("projections").description("the lists and the search index that are made of the ledger");
  projections
    .command("status", { isDefault: true })
    .description("how far they are")
    .action((_options, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const status = await api().readModels.getReadModels({});
        if (io.json) io.out(toJson(status));
        else show(io, status);
        return status.state === "down" ? exitStatus.refused : exitStatus.done;
      }),
    );
  projections
    .command("rebuild")
    .description("make them anew from the first event; the old ones answer until the new ones are ready")
    .action((_options, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        let toldAt = 0;
        for await (const progress of api().readModels.rebuildReadModels({})) {
          if (!progress.done && Date.now() - toldAt < TOLD_EVERY_MILLIS) continue;
          toldAt = Date.now();
          io.out(io.json ? toJson(progress) : progressLine(progress));
        }
      }),
    );
}

function show(
  io: Io,
  { state, why, position, recordedAt, headPosition, headRecordedAt, lagMillis, events, unreadable, rows, rebuild }: GetReadModelsResponse,
): void {
  io.out(`${bold("State")}     ${state}${why === "" ? "" : `: ${why}`}`);
  io.out(`${bold("Position")}  ${position}  ${instant(recordedAt)}`);
  io.out(`${bold("Ledger")}    ${headPosition}  ${instant(headRecordedAt)}`);
  io.out(`${bold("Lag")}       ${(Number(lagMillis) / 1_000).toFixed(1)} s`);
  io.out(`${bold("Events")}    ${events}${unreadable === 0n ? "" : `, ${unreadable} of them unreadable (the control plane's log names them)`}`);
  if (rebuild !== undefined) io.out(`${bold("Rebuild")}   ${progressLine(rebuild)}`);
  const models = Object.entries(rows).map(([name, count]) => [name, String(count)]);
  writeTable(io, ["READ MODEL", "ROWS"], models);
}

function progressLine({ events, expected, upTo, done }: RebuildReadModelsResponse): string {
  if (done) return `Rebuilt from ${events} events.`;
  const percent = expected === 0n ? "" : ` of about ${expected} (${(events * 100n) / expected} %)`;
  return `${events} events${percent}, up to ${upTo?.toISOString() ?? "the beginning"}`;
}
