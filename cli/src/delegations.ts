import type { Delegation } from "@sallyport/proto/gen/sallyport/api/v1/delegation";
import type { Command } from "commander";
import { byPrefix } from "./by-prefix.ts";
import { bold, toJson } from "./io.ts";
import { parseComing } from "./moment.ts";
import { instant, printable, writeTable } from "./table.ts";
import { nonBlank, parseDuration, runVerb, type Verb } from "./verb.ts";

export function delegateVerb(program: Command): void {
  program
    .command("delegate")
    .argument("<person>", "who decides in your place")
    .requiredOption("--for <duration>", "for how long: 8h, 5d; 30d at most", nonBlank)
    .option("--from <instant>", "from when on, such as 2026-12-21T08:00Z, half a year ahead at most; without it, from now on")
    .requiredOption("--reason <text>", "why; the record has it", nonBlank)
    .description("let somebody decide in your place for a while, on what you may decide on")
    .addHelpText("after", "\nYou can still decide; of the two of you one counts. Nobody decides on their own request, in nobody's place.")
    .action((to: string, { for: duration, from, reason }: { for: string; from?: string; reason: string }, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const startsAt = from === undefined ? undefined : parseComing(from);
        const asked = { to, durationSeconds: parseDuration(duration), reason, startsAt };
        const { delegation } = await api().delegations.delegate(asked);
        if (io.json) return io.out(toJson(delegation));
        const begins = startsAt === undefined ? "" : ` from ${instant(delegation?.startsAt)}`;
        io.out(`${bold(delegation?.id ?? "")}: ${to} decides in your place${begins} until ${instant(delegation?.endsAt)}`);
      }),
    );
}

export function delegationsVerb(program: Command): void {
  const delegations = program.command("delegations").description("see and end who decides in whose place");
  delegations
    .command("list", { isDefault: true })
    .description("what is open or to come, newest first: your own, and everybody's for auditors")
    .option("--all", "those that are over too")
    .action(({ all }: { all?: boolean }, command: Command) =>
      runVerb(command, async (verb) => {
        const found = await listed(verb, all !== true);
        if (verb.io.json) return verb.io.out(toJson(found));
        if (found.length === 0) return verb.io.out("Nobody decides in another's place.");
        const rows = found.map(({ id, state, from, to, startsAt, endsAt, reason }) => [
          id,
          state,
          from,
          to,
          instant(startsAt),
          instant(endsAt),
          printable(reason),
        ]);
        writeTable(verb.io, ["DELEGATION", "STATE", "IN THE PLACE OF", "DECIDES", "FROM", "UNTIL", "REASON"], rows);
      }),
    );
  delegations
    .command("end")
    .argument("<id>", "the delegation, or the first characters of its id")
    .option("--reason <text>", "why; the record has it", "")
    .description("take it back, or give it back")
    .action((id: string, { reason }: { reason: string }, command: Command) =>
      runVerb(command, async (verb) => {
        const { id: delegationId } = byPrefix("delegation", await listed(verb, false), id);
        const { delegation } = await verb.api().delegations.endDelegation({ delegationId, reason });
        verb.io.out(verb.io.json ? toJson(delegation) : `${delegationId}: ${delegation?.state ?? ""}`);
      }),
    );
}

async function listed({ api }: Verb, openOnly: boolean): Promise<readonly Delegation[]> {
  const { delegations } = await api().delegations.listDelegations({ openOnly, limit: 0 });
  return delegations;
}
