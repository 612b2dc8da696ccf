import type { BoundParameter } from "@sallyport/proto/wire/postgres/extended";
import type { RecordedCommand } from "../../../domain/session/session.events.ts";
import { commandDigest } from "../command-record.ts";

export interface Restored {
  readonly statement: string;
  readonly parameterTypes: readonly number[];
  readonly parameters: readonly BoundParameter[];
}

/**
 * What a record says of a command, as it was sent. Undefined when that is not all of it: where a password was cut out, where it stands in
 * the recording, or where the client's encoding was another. The digest tells, so that nobody is shown the effect of another command.
 */
export function restoreCommand(command: RecordedCommand, bound: { readonly resource: string; readonly requester: string }): Restored | undefined {
  const { via, statement, redacted, facts } = command;
  if (statement === undefined || redacted) return undefined;
  const parameterTypes = command.parameters.map(({ typeOid }) => typeOid);
  const parameters: BoundParameter[] = [];
  for (const { value, encoding, format } of command.parameters) {
    if (value === undefined) return undefined;
    parameters.push({ format, value: value === null ? undefined : Buffer.from(value, encoding ?? "utf8") });
  }
  const executable = { via, sql: Buffer.from(statement, "utf8"), parameterTypes, parameters, facts, recordable: statement, redacted, leavesReadOnly: false };
  return commandDigest(executable, bound) === command.digest ? { statement, parameterTypes, parameters } : undefined;
}
