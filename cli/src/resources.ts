import type { ResourceAccess } from "@sallyport/proto/gen/sallyport/api/v1/api";
import type { Command } from "commander";
import { toJson, tone } from "./io.ts";
import { table } from "./table.ts";
import { runVerb } from "./verb.ts";

export function resourcesVerb(program: Command): void {
  program
    .command("resources")
    .description("list the resources that you may open, and those that you may ask for access to")
    .action((_options, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const { resources, access } = await api().resources.listResources({});
        if (io.json) return io.out(toJson(resources.map((resource, index) => ({ ...resource, access: access[index] }))));
        if (resources.length === 0) return io.out("There is no resource that you may open, or ask for.");
        const rows = resources.map(({ name, protocol, online, labels }, index) => [
          name,
          protocol,
          online ? "online" : "offline",
          accessText(access[index]),
          Object.entries(labels)
            .map(([key, value]) => `${key}=${value}`)
            .join(" "),
        ]);
        for (const line of table(["RESOURCE", "PROTOCOL", "AGENT", "ACCESS", "LABELS"], rows)) io.out(line.replace(/\boffline\b/, tone("red", "offline")));
      }),
    );
}

/** Standing access is told as such: nobody asked for it, and it does not end. */
function accessText(access: ResourceAccess | undefined): string {
  const ways = [
    ...(access?.standing === true ? ["standing"] : []),
    ...(access?.grantedUntil === undefined ? [] : [`until ${access.grantedUntil.toISOString()}`]),
    ...(access?.requestable === true && !access.standing && access.grantedUntil === undefined ? ["on request"] : []),
  ];
  return ways.join(", ");
}
