import type { Command } from "commander";
import { toJson } from "./io.ts";
import { writeTable } from "./table.ts";
import { nonBlank, runVerb } from "./verb.ts";

export function identitiesVerb(program: Command): void {
  const identities = program.command("identities").description("people and programs that the gateway knows");
  identities
    .command("list", { isDefault: true })
    .description("who they are, and in which groups")
    .action((_options, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const { identities: found } = await api().identities.listIdentities({});
        if (io.json) return io.out(toJson(found));
        const rows = found
          .toSorted((a, b) => (a.id < b.id ? -1 : 1))
          .map(({ id, kind, groups, disabled }) => [id, kind, disabled ? "disabled" : "active", groups.join(" ")]);
        writeTable(io, ["IDENTITY", "KIND", "STATE", "GROUPS"], rows);
      }),
    );
  identities
    .command("put")
    .argument("<identity>", "its name: letters, digits and . _ @ + -")
    .option("--kind <kind>", "human or machine, which it stays", "human")
    .option("--group <name...>", "all of its groups; left out, it is in none")
    .description("create an identity, or change its groups")
    .action((id: string, { kind, group = [] }: { kind: string; group?: string[] }, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const { identity } = await api().identities.putIdentity({ id, kind, groups: group });
        const groups = identity?.groups ?? [];
        io.out(io.json ? toJson(identity) : `${id} is in ${groups.length === 0 ? "no group" : groups.join(", ")}.`);
      }),
    );
  identities
    .command("disable")
    .argument("<identity>", "as `identities list` shows it")
    .requiredOption("--reason <text>", "why; it is recorded", nonBlank)
    .description("let it in no more, for good, and end its sessions")
    .action((id: string, { reason }: { reason: string }, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        await api().identities.disableIdentity({ id, reason });
        io.out(io.json ? toJson({ identity: id, disabled: true }) : `${id} is disabled.`);
      }),
    );
}
