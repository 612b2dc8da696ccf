import type { Command } from "commander";
import { toJson, tone } from "./io.ts";
import { table } from "./table.ts";
import { runVerb } from "./verb.ts";

export function resourcesVerb(program: Command): void {
  program
    .command("resources")
    .description("list the resources that you may open")
    .action((_options, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const client = api();
        const { resources } = await client.call(client.resources.listResources.bind(client.resources), {});
        if (io.json) return io.out(toJson(resources));
        if (resources.length === 0) return io.out("There is no resource that you may open.");
        const rows = resources.map(({ name, protocol, online, labels }) => [
          name,
          protocol,
          online ? "online" : "offline",
          Object.entries(labels)
            .map(([key, value]) => `${key}=${value}`)
            .join(" "),
        ]);
        for (const line of table(["RESOURCE", "PROTOCOL", "AGENT", "LABELS"], rows)) io.out(line.replace(/\boffline\b/, tone("red", "offline")));
      }),
    );
}
