import type { Command } from "commander";
import { toJson } from "./io.ts";
import { parseInstant, parseLimit } from "./moment.ts";
import { instant, writeTable } from "./table.ts";
import { runVerb } from "./verb.ts";

interface SearchOptions {
  readonly identity?: string;
  readonly resource?: string;
  readonly since?: string;
  readonly until?: string;
  readonly limit: string;
  readonly cursor?: string;
}

export function searchVerb(program: Command): void {
  program
    .command("search")
    .argument("<words...>", "words that must all be there; '\"quoted words\"' as they stand; word* as a beginning")
    .option("--identity <id>", "only this identity's")
    .option("--resource <name>", "only on this resource")
    .option("--since <when>", "at or after: an instant such as 2026-11-22T09:00Z, or 2h for two hours ago")
    .option("--until <when>", "before")
    .option("--limit <number>", "at most this many", "20")
    .option("--cursor <place>", "go on after the page before, which ended with its cursor")
    .description("find commands by their text, parameters, tables, identity and resource, newest first: yours, or everybody's for auditors")
    .action((words: string[], { identity = "", resource = "", since, until, limit, cursor = "" }: SearchOptions, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const { commands, nextCursor } = await api().history.searchCommands({
          words: words.join(" "),
          identity,
          resource,
          since: parseInstant(since),
          until: parseInstant(until),
          cursor,
          limit: parseLimit(limit),
        });
        if (io.json) return io.out(toJson(commands));
        if (commands.length === 0) return io.out("No command holds all of that.");
        const rows = commands.map(({ sessionId, commandId, at, statement, ...found }) => [
          instant(at),
          `${sessionId} ${commandId}`,
          found.identity,
          found.resource,
          found.code === "" ? found.state : found.code,
          statement === "" ? "<too long to show>" : statement,
        ]);
        writeTable(io, ["AT", "SESSION AND COMMAND", "IDENTITY", "RESOURCE", "STATE", "STATEMENT"], rows);
        if (nextCursor !== "") io.err(`There are more: --cursor ${nextCursor}`);
      }),
    );
}
