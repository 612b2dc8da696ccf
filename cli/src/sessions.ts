import type { ListSessionsResponse, RecordedEvent, Session } from "@sallyport/proto/gen/sallyport/api/v1/api";
import type { Command } from "commander";
import { Misuse } from "./exit-status.ts";
import { bold, toJson, tone } from "./io.ts";
import { parseInstant, parseLimit } from "./moment.ts";
import { replayLine } from "./replay.ts";
import { answerLines, sentLines } from "./answer-lines.ts";
import { ReplayInput } from "./replay-input.ts";
import { ReplayOutput } from "./replay-output.ts";
import { instant, writeTable } from "./table.ts";
import { runVerb, type Verb } from "./verb.ts";

export function sessionsVerb(program: Command): void {
  const sessions = program.command("sessions").description("what was, and is, done through the gateway");
  sessions
    .command("list", { isDefault: true })
    .description("newest first: yours, or everybody's for auditors")
    .option("--open", "only those that are open")
    .option("--identity <id>", "only this identity's")
    .option("--resource <name>", "only on this resource")
    .option("--since <when>", "begun at or after: an instant such as 2026-11-22T09:00Z, or 2h for two hours ago")
    .option("--until <when>", "begun before")
    .option("--limit <number>", "at most this many", "20")
    .option("--cursor <place>", "go on after the page before, which ended with its cursor")
    .action((options: ListOptions, command: Command) =>
      runVerb(command, async (verb) => {
        const { sessions: found, nextCursor } = await list(verb, options);
        if (verb.io.json) return verb.io.out(toJson(found));
        if (found.length === 0) return verb.io.out("No sessions.");
        const rows = found.map(({ id, identity, resource, state, requestedAt, cause, emergency }) => [
          id,
          instant(requestedAt),
          identity,
          resource,
          emergency ? `${state}, break-glass` : state,
          cause,
        ]);
        writeTable(verb.io, ["SESSION", "BEGAN", "IDENTITY", "RESOURCE", "STATE", "CAUSE"], rows);
        if (nextCursor !== "") verb.io.err(`There are more: --cursor ${nextCursor}`);
      }),
    );
  sessions
    .command("show")
    .argument("<id>", "the session, the first characters of its id, or `last`")
    .description("one session's state")
    .action((id: string, _options, command: Command) =>
      runVerb(command, async (verb) => {
        const session = await find(verb, id);
        if (verb.io.json) return verb.io.out(toJson(session));
        for (const [key, value] of Object.entries(session))
          verb.io.out(`${bold(key.padEnd(14))} ${value instanceof Date ? value.toISOString() : String(value)}`);
      }),
    );
  sessions
    .command("replay")
    .argument("<id>", "the session, the first characters of its id, or `last`")
    .description("everything that happened in it, from the record")
    .option(
      "--output <lines>",
      "of what was shown to the client, and of COPY data that it sent, where that was recorded: so many lines of each command, or `all`",
      "20",
    )
    .action((id: string, { output }: { output: string }, command: Command) =>
      runVerb(command, async (verb) => {
        const shown = new ReplayOutput(parseLines(output), answerLines);
        const input = new ReplayInput(parseLines(output));
        const sent = new ReplayOutput(parseLines(output), sentLines);
        const { id: sessionId } = await find(verb, id);
        for await (const { event, removed } of verb.api().sessions.replaySession({ sessionId })) {
          if (removed !== "") verb.io.out(verb.io.json ? toJson({ removed }) : tone("yellow", `Not whole: ${removed}`));
          if (event === undefined) continue;
          const { dataJson, metadataJson, ...rest } = event;
          if (verb.io.json) verb.io.out(toJson({ ...rest, metadata: JSON.parse(metadataJson) as unknown, data: JSON.parse(dataJson) as unknown }));
          else for (const line of replayed(event, input, shown, sent)) verb.io.out(line);
        }
        for (const line of [...input.rest(), ...sent.rest(), ...shown.rest()]) verb.io.out(line);
      }),
    );
  sessions
    .command("end")
    .argument("<id>", "the session, or the first characters of its id")
    .option("--reason <text>", "the client is told", "")
    .description("end it now, and what it runs at the target")
    .action((id: string, { reason }: { reason: string }, command: Command) =>
      runVerb(command, async (verb) => {
        const { id: sessionId } = await find(verb, id);
        await verb.api().sessions.endSession({ sessionId, reason });
        verb.io.out(verb.io.json ? toJson({ sessionId, ended: true }) : `Session ${sessionId} is ended.`);
      }),
    );
}

/** How a command ended may be recorded before the last of what it showed. */
function replayed(event: RecordedEvent, input: ReplayInput, shown: ReplayOutput, sent: ReplayOutput): string[] {
  // Its line names the first chunk of it.
  if (event.type === "InputRecorded") return [...sent.rest(), ...shown.rest(), ...input.lines(event, replayLine(event))];
  return [...input.rest(), ...afterInput(event, shown, sent)];
}

function afterInput(event: RecordedEvent, shown: ReplayOutput, sent: ReplayOutput): string[] {
  if (event.type === "CopyDataRecorded") return [...shown.rest(), ...replayLine(event), ...sent.lines(event)];
  if (event.type === "OutputRecorded") return [...sent.rest(), ...replayLine(event), ...shown.lines(event)];
  return [...sent.rest(), ...(event.type === "CommandCompleted" ? [] : shown.rest()), ...replayLine(event)];
}

function parseLines(text: string): number {
  const lines = text === "all" ? Infinity : Number(text);
  if (lines !== Infinity && (!Number.isInteger(lines) || lines < 0)) throw new Misuse("--output is a whole number from 0, or all.");
  return lines;
}

interface ListOptions {
  readonly open?: boolean;
  readonly identity?: string;
  readonly resource?: string;
  readonly since?: string;
  readonly until?: string;
  readonly limit: string;
  readonly cursor?: string;
}

async function list({ api }: Verb, { open, identity = "", resource = "", since, until, limit, cursor = "" }: ListOptions): Promise<ListSessionsResponse> {
  const request = { limit: parseLimit(limit), openOnly: open === true, identity, resource, since: parseInstant(since), until: parseInstant(until), cursor };
  return api().sessions.listSessions(request);
}

export async function find(verb: Verb, id: string): Promise<Session> {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) {
    const { session } = await verb.api().sessions.getSession({ sessionId: id });
    if (session !== undefined) return session;
  }
  const { sessions: found } = await list(verb, { limit: "500" });
  const [session, other] = id === "last" ? found.slice(0, 1) : found.filter((each) => each.id.startsWith(id));
  if (session === undefined) throw new Misuse(`There is no session "${id}" that you may see.`);
  if (other !== undefined) throw new Misuse(`"${id}" begins more than one session: give more of it.`);
  return session;
}
