import type { Erasure } from "@sallyport/proto/gen/sallyport/api/v1/api";
import type { Command } from "commander";
import { byPrefix } from "./by-prefix.ts";
import { bold, type Io, toJson, tone } from "./io.ts";
import { printable, writeTable } from "./table.ts";
import { nonBlank, runVerb, type Verb } from "./verb.ts";

export function forgetVerb(program: Command): void {
  const forget = program
    .command("forget")
    .description("make a person unreadable in the whole record; two administrators agree besides whoever asks")
    .addHelpText(
      "after",
      "\nNames, addresses and comments of the person are gone, also in copies of the record; what was done, and when, stays and still verifies.\n" +
        "Statements stay as they are: they are evidence, and go with retention. There is no way back.",
    );
  forget
    .command("request", { isDefault: true })
    .argument("<identity>", "whom")
    .requiredOption("--reason <text>", "why; those who decide see it, and auditors", nonBlank)
    .description("ask for it; it waits seven days for two others")
    .action((identityId: string, { reason }: { reason: string }, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const { erasure } = await api().erasures.requestErasure({ identityId, reason });
        tell(io, erasure);
      }),
    );
  forget
    .command("list")
    .description("what was asked, newest first")
    .action((_options, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const { erasures } = await api().erasures.listErasures({});
        if (io.json) return io.out(toJson(erasures));
        if (erasures.length === 0) return io.out("Nobody was to be forgotten.");
        const rows = erasures.map(({ id, state, identityId, requestedBy, approvers, quorum, reason }) => [
          id,
          state,
          identityId,
          requestedBy,
          `${approvers.length} of ${quorum}${approvers.length > 0 ? `: ${approvers.join(", ")}` : ""}`,
          printable(reason),
        ]);
        writeTable(io, ["ERASURE", "STATE", "WHO", "ASKED BY", "AGREED", "REASON"], rows);
      }),
    );
  for (const decision of ["approve", "deny"] as const) {
    forget
      .command(decision)
      .argument("<id>", "the erasure, or the first characters of its id")
      .option("--comment <text>", "why", "")
      .description(decision === "approve" ? "agree; the second one to agree carries it out" : "refuse it; whoever asked may do so too")
      .action((id: string, { comment }: { comment: string }, command: Command) =>
        runVerb(command, async (verb) => {
          const { erasures: service } = verb.api();
          const erasureId = await find(verb, id);
          const { erasure } = decision === "approve" ? await service.approveErasure({ erasureId, comment }) : await service.denyErasure({ erasureId, comment });
          tell(verb.io, erasure);
        }),
      );
  }
}

async function find({ api }: Verb, id: string): Promise<string> {
  if (/^[0-9a-f-]{36}$/u.test(id)) return id;
  const { erasures } = await api().erasures.listErasures({});
  return byPrefix("erasure", erasures, id).id;
}

function tell(io: Io, erasure: Erasure | undefined): void {
  if (io.json || erasure === undefined) return io.out(toJson(erasure));
  const { id, state, identityId, approvers, quorum } = erasure;
  const next: Readonly<Record<string, string>> = {
    pending: ` (${approvers.length} of ${quorum}); another administrator: sallyport forget approve ${id.slice(0, 8)}`,
    granted: "; it is carried out at the control plane's next start",
    destroyed: `; what the record holds of them cannot be read any more. They are ${identityId} from now on`,
  };
  io.out(`${bold(id)}: ${state === "destroyed" ? tone("green", state) : state}${next[state] ?? ""}`);
}
