import { setTimeout as pause } from "node:timers/promises";
import type { Command } from "commander";
import type { Grant } from "@sallyport/proto/gen/sallyport/api/v1/grant";
import type { ApiClient } from "./api-client.ts";
import { exitStatus, type ExitStatus } from "./exit-status.ts";
import { tellGrant } from "./grants.ts";
import { nonBlank, parseDuration, runVerb } from "./verb.ts";

/** People take minutes to decide; a second more is not noticed, and a hundred who wait cost nothing. */
const POLL_MILLIS = 1_000;

export function requestVerb(program: Command): void {
  program
    .command("request")
    .argument("<resource>", "what you need access to")
    .requiredOption("--for <duration>", "for how long, from when it is granted: 30m, 8h; policy sets the bound", nonBlank)
    .requiredOption("--reason <text>", "why; whoever decides sees it, and auditors", nonBlank)
    .option("--ticket <id>", "where the work is described", "")
    .option("--wait", "wait until somebody has decided; status 1 unless it is granted")
    .description("ask for access to a resource for a while; it ends by itself")
    .addHelpText(
      "after",
      "\nTo extend it, ask again before its end: sessions that are open go on with the new grant. Ctrl-C while waiting leaves the request as it is.",
    )
    .action((resource: string, { for: duration, reason, ticket, wait }: Options, command: Command) =>
      runVerb(command, async ({ io, api }): Promise<ExitStatus> => {
        const client = api();
        const asked = { resource, durationSeconds: parseDuration(duration), reason, ticket };
        let { grant } = await client.grants.requestAccess(asked);
        if (wait === true && grant?.state === "pending") {
          if (!io.json) tellGrant(io, grant);
          grant = await decided(client, grant);
        }
        tellGrant(io, grant);
        return wait !== true || grant?.state === "open" ? exitStatus.done : exitStatus.refused;
      }),
    );
}

interface Options {
  readonly for: string;
  readonly reason: string;
  readonly ticket: string;
  readonly wait?: boolean;
}

/** The request expires at the latest, so this ends. */
async function decided(client: ApiClient, asked: Grant): Promise<Grant | undefined> {
  let grant: Grant | undefined = asked;
  while (grant?.state === "pending") {
    await pause(POLL_MILLIS);
    ({ grant } = await client.grants.getGrant({ grantId: asked.id }));
  }
  return grant;
}
