import type { Command } from "commander";
import { toJson } from "./io.ts";
import { writeTable } from "./table.ts";
import { runVerb } from "./verb.ts";

export function agentsVerb(program: Command): void {
  const agents = program.command("agents").description("the fleet of edge agents");
  agents
    .command("list", { isDefault: true })
    .description("who is enrolled, connected, revoked")
    .action((_options, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const { agents: found } = await api().agents.listAgents({});
        if (io.json) return io.out(toJson(found));
        const rows = found.map(({ id, name, connected, revoked, version, resources }) => [
          id,
          name,
          revoked ? "revoked" : connected ? "connected" : "offline",
          version,
          resources.join(" "),
        ]);
        writeTable(io, ["AGENT", "NAME", "STATE", "VERSION", "RESOURCES"], rows);
      }),
    );
  agents
    .command("revoke")
    .argument("<agentId>", "as `agents list` shows it")
    .option("--reason <text>", "why; it is recorded", "")
    .description("cut an agent off for good, with every session on it")
    .action((agentId: string, { reason }: { reason: string }, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        await api().agents.revokeAgent({ agentId, reason });
        io.out(io.json ? toJson({ agentId, revoked: true }) : `Agent ${agentId} is revoked.`);
      }),
    );
}
