import { createHash, hash } from "node:crypto";
import { SallyportError } from "@sallyport/proto/errors";
import type { BoundParameter } from "@sallyport/proto/wire/postgres/extended";
import type { StatedPurpose } from "./facts/analysis.ts";
import type { CommandFacts } from "../../domain/facts.ts";
import type { RecordedCommand } from "../../domain/session/session.events.ts";
import type { RecordingEvent } from "../../domain/session/recording.events.ts";
import { recordParameters } from "./recorded-parameters.ts";

/** What is to run, exactly as the client sent it. */
export interface Executable {
  readonly via: RecordedCommand["via"];
  readonly sql: Buffer;
  readonly parameterTypes: readonly number[];
  readonly parameters: readonly BoundParameter[];
  readonly facts: CommandFacts;
  /** Those of the text alone, where what the target says of its names came to `facts`. */
  readonly ofText?: CommandFacts;
  /** The statement as it may be recorded. */
  readonly recordable: string;
  readonly redacted: boolean;
  /** What was replaced in it may be code: nobody is asked to approve it. */
  readonly hidesCode?: boolean;
  /** Its words ask for transactions that may write. */
  readonly leavesReadOnly: boolean;
  readonly stated?: StatedPurpose | undefined;
  /** Schemas that it may put on the search path; undefined: it leaves the path alone. */
  readonly searchPath?: readonly string[] | undefined;
  readonly makesTemporary?: boolean;
  /** What it runs was bound in a group before: its names were looked up then. */
  readonly boundBefore?: boolean;
  /** Not text in the client's encoding: the target refuses it. */
  readonly garbled?: boolean;
}

/** A statement, or the parameters of one command together, above this go to the recording: events stay under 64 KiB. */
const INLINE_BYTES = 16_384;

/** One InputRecorded holds this many bytes before base64, so that an append of one stays well under the ledger's bound. */
export const RECORDING_CHUNK_BYTES = 196_608;

/** Of more the event cannot be written: what it says of each, besides the value, has 40 bytes, and an append 1 MiB. */
const MAX_PARAMETERS = 26_000;

export interface CommandRecord {
  readonly command: RecordedCommand;
  /** To be durable before `command` is; empty for all but long commands. Made one at a time: they may be many. */
  readonly input: Iterable<RecordingEvent>;
}

/** `sequence`: the recording's next number. */
export function recordCommand(
  commandId: number,
  executable: Executable,
  bound: { readonly resource: string; readonly requester: string },
  sequence: number,
): CommandRecord {
  const { via, sql, parameters, facts, recordable, redacted } = executable;
  if (parameters.length > MAX_PARAMETERS) {
    throw new SallyportError("ledger.too_large", `A command of ${parameters.length} parameters does not fit into the event that records it.`, {
      parameters: String(parameters.length),
    });
  }
  const parameterBytes = parameters.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
  const longStatement = Buffer.byteLength(recordable) > INLINE_BYTES;
  const recorded = recordParameters(parameters, executable.parameterTypes, parameterBytes <= INLINE_BYTES);
  const parts: { readonly part: "statement" | number; readonly bytes: Buffer }[] = [];
  if (longStatement) parts.push({ part: "statement", bytes: Buffer.from(recordable, "utf8") });
  parts.push(...recorded.apart);
  const chunks = parts.reduce((sum, { bytes }) => sum + Math.ceil(bytes.length / RECORDING_CHUNK_BYTES), 0);
  return {
    command: {
      commandId,
      via,
      ...(longStatement ? {} : { statement: recordable }),
      statementBytes: sql.length,
      redacted: redacted || recorded.withheld,
      parameters: recorded.parameters,
      ...(chunks === 0 ? {} : { recording: { from: sequence, to: sequence + chunks } }),
      digest: commandDigest(executable, bound),
      facts,
    },
    input: inputRecording(commandId, parts, sequence),
  };
}

function* inputRecording(
  commandId: number,
  parts: readonly { readonly part: "statement" | number; readonly bytes: Buffer }[],
  first: number,
): Generator<RecordingEvent> {
  let sequence = first;
  for (const { part, bytes } of parts) {
    for (let offset = 0; offset < bytes.length; offset += RECORDING_CHUNK_BYTES) {
      const base64 = bytes.toString("base64", offset, Math.min(offset + RECORDING_CHUNK_BYTES, bytes.length));
      yield { type: "InputRecorded", data: { sequence: sequence++, commandId, part, offset, base64 } };
    }
  }
}

/** Above this a digest is taken piece by piece instead of over one copy. */
const ONE_SHOT_BYTES = 65_536;

/**
 * What an approval is bound to (I4): SHA-256 over a JSON header line (way of execution, resource, requester, parameter
 * types, formats and lengths), then the statement's bytes and each parameter's bytes.
 */
export function commandDigest(
  { via, sql, parameterTypes, parameters }: Executable,
  { resource, requester }: { readonly resource: string; readonly requester: string },
): string {
  const shape = parameters.map(({ format, value }, index) => [parameterTypes[index] ?? 0, format, value?.length ?? -1]);
  const header = Buffer.from(`${JSON.stringify({ via: via === "simple" ? via : "extended", resource, requester, sql: sql.length, shape })}\n`, "utf8");
  const pieces = [header, sql, ...parameters.flatMap(({ value }) => (value === undefined ? [] : [value]))];
  const total = pieces.reduce((sum, piece) => sum + piece.length, 0);
  if (total <= ONE_SHOT_BYTES) return hash("sha256", Buffer.concat(pieces, total));
  const running = createHash("sha256");
  for (const piece of pieces) running.update(piece);
  return running.digest("hex");
}
