import { type Command, Option } from "commander";
import { findGrant, tellGrant } from "./grants.ts";
import { toJson, tone } from "./io.ts";
import { instant, printable } from "./table.ts";
import { nonBlank, parseDuration, runVerb } from "./verb.ts";

export function breakGlassVerb(program: Command): void {
  const breakGlass = program.command("break-glass").description("open a resource at once in an emergency; somebody else must review it afterwards");
  breakGlass
    .command("open", { isDefault: true })
    .argument("<resource>", "what you need at once")
    .requiredOption("--reason <text>", "why; everybody who is alerted sees it, and whoever reviews it", nonBlank)
    .option("--for <duration>", "for how long: 30m, 2h; policy sets the bound", "30m")
    .option("--ticket <id>", "where the incident is described", "")
    .description("access without anybody's approval, where policy lets you; it is recorded, others are alerted, and somebody else must review it")
    .action((resource: string, { for: duration, reason, ticket }: { for: string; reason: string; ticket: string }, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const asked = { resource, durationSeconds: parseDuration(duration), reason, ticket };
        const { grant } = await api().grants.breakGlass(asked);
        tellGrant(io, grant);
        if (io.json || grant === undefined) return;
        io.out(`${tone("red", "Break-glass")}: others are told. Somebody else must review it by ${instant(grant.reviewBy)}.`);
      }),
    );
  breakGlass
    .command("review")
    .argument("<id>", "the grant, or the first characters of its id")
    .addOption(new Option("--verdict <verdict>", "what it was").choices(["justified", "misused"]).makeOptionMandatory())
    .requiredOption("--comment <text>", "what you found", nonBlank)
    .description("say what you think of somebody else's break-glass, after its end")
    .addHelpText("after", "\nWhat was done with it: sallyport events export --stream grant-<id> names its sessions; sallyport sessions replay shows each.")
    .action((id: string, { verdict: said, comment }: { verdict: string; comment: string }, command: Command) =>
      runVerb(command, async (verb) => {
        const { id: grantId } = await findGrant(verb, id);
        const { grant } = await verb.api().grants.reviewBreakGlass({ grantId, verdict: said, comment });
        if (verb.io.json || grant === undefined) return verb.io.out(toJson(grant));
        verb.io.out(`${grant.id}: ${grant.verdict} by ${grant.reviewedBy}: ${printable(grant.reviewComment)}`);
      }),
    );
}
