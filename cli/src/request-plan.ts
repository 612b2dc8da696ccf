import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { toJson } from "./io.ts";
import { nonBlank, parseDuration, runVerb } from "./verb.ts";

export function requestPlanVerb(program: Command): void {
  program
    .command("request-plan")
    .argument("<resource>", "where it is to run")
    .argument("<file>", "a script as psql reads it, without backslash commands")
    .requiredOption("--for <duration>", "how long you may take, from when it is granted: 30m, 8h at most")
    .requiredOption("--reason <text>", "why; whoever decides sees it, and auditors", nonBlank)
    .description("ask for commands in advance: each runs once, in their order, by you alone")
    .addHelpText(
      "after",
      "\nRun the script with `psql -v ON_ERROR_STOP=1 -f`. A command that is not the next one of the plan is held as ever. Withdraw with `approvals revoke`.",
    )
    .action((resource: string, file: string, { for: duration, reason }: { for: string; reason: string }, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const asked = { resource, text: readFileSync(file, "utf8"), forSeconds: parseDuration(duration), reason };
        const { approval } = await api().approvals.requestPlan(asked);
        if (io.json) return io.out(toJson(approval));
        const id = approval?.id ?? "";
        io.out(`${id}: ${approval?.state ?? ""}, ${approval?.plan.length ?? 0} commands; somebody else: sallyport approvals approve ${id.slice(0, 8)}`);
      }),
    );
}
