import { SallyportError } from "@sallyport/proto/errors";
import { upcast } from "../domain/catalogue.ts";
import { recordingStream } from "../domain/session/recording.events.ts";
import type { RecordedCommand } from "../domain/session/session.events.ts";
import type { Ledger } from "../ledger/ledger.ts";

/** A stretch of what a command is: of its statement, or of the parameter of that index. */
export interface CommandPiece {
  readonly part: "statement" | number;
  readonly bytes: Buffer;
}

/** Whether a command's own event has all of it: the long ones are in the recording. */
export const isWhole = ({ statement, parameters }: RecordedCommand): boolean => statement !== undefined && parameters.every(({ value }) => value !== undefined);

/**
 * A command as it would stand in its event if that had room for all of it. Above `limit` bytes, and where something was withheld, as it is:
 * it is then not whole.
 */
export async function wholeCommand(ledger: Pick<Ledger, "readStream">, sessionId: string, command: RecordedCommand, limit: number): Promise<RecordedCommand> {
  const { statementBytes, parameters, redacted } = command;
  if (isWhole(command) || redacted || parameters.reduce((sum, { bytes }) => sum + bytes, statementBytes) > limit) return command;
  const texts = new Map<CommandPiece["part"], Buffer[]>();
  for await (const { part, bytes } of commandText(ledger, sessionId, command)) texts.set(part, [...(texts.get(part) ?? []), bytes]);
  const textOf = (part: CommandPiece["part"], encoding: "utf8" | "hex"): string => Buffer.concat(texts.get(part) ?? []).toString(encoding);
  return {
    ...command,
    statement: textOf("statement", "utf8"),
    parameters: parameters.map((parameter, part) =>
      parameter.value === undefined ? { ...parameter, value: textOf(part, "hex"), encoding: "hex" } : parameter,
    ),
  };
}

/**
 * All of a command, as it may be recorded: what its event has, then what is in the recording of its session. One chunk is in memory at a
 * time. Fails when the recording does not have all of it any more: nobody is to take a part for the whole.
 */
export async function* commandText(ledger: Pick<Ledger, "readStream">, sessionId: string, command: RecordedCommand): AsyncGenerator<CommandPiece> {
  if (command.statement !== undefined) yield { part: "statement", bytes: Buffer.from(command.statement, "utf8") };
  for (const [part, { value, encoding }] of command.parameters.entries())
    if (value !== undefined && value !== null) yield { part, bytes: Buffer.from(value, encoding ?? "utf8") };
  const { recording } = command;
  if (recording === undefined) return;
  let missing = recording.to - recording.from;
  for await (const recorded of ledger.readStream(recordingStream(sessionId))) {
    if (recorded.type !== "InputRecorded") continue;
    const event = upcast(recorded);
    if (event.type !== "InputRecorded" || event.data.sequence < recording.from || event.data.sequence >= recording.to) continue;
    yield { part: event.data.part, bytes: Buffer.from(event.data.base64, "base64") };
    if (--missing === 0) return;
  }
  throw new SallyportError("session.not_found", "The recording does not have all of this command any more.", { sessionId });
}
