import { type Decision, type Obligations, recordDecision } from "../../domain/decision.ts";
import { recordsInput, recordsOutput } from "../../domain/obligations.ts";
import type { RecordedCommand, SessionEvent } from "../../domain/session/session.events.ts";
import type { CommandFacts } from "../../domain/facts.ts";
import type { Executable } from "./command-record.ts";
import { runsUnseenCode } from "./facts/unseen-code.ts";

/** A command with what was decided on it. */
export interface DecidedCommand {
  readonly executable: Executable;
  readonly command: RecordedCommand;
  readonly decision: Decision;
  /** Another one of its unit runs before it, and may change what is set. */
  readonly unclear?: boolean;
  /** Set when it was held, or runs by what was approved for a while. */
  readonly approvalId?: string;
}

/** Something that they show, or that is sent for them, is known to go to the recording. Where it turns out only later, it is refused then. */
export const fillsRecording = (decided: readonly DecidedCommand[], obligations: Obligations): boolean =>
  recordsOutput(obligations) || (recordsInput(obligations) && decided.some(({ executable }) => copiesIn(executable.facts)));

const copiesIn = ({ verbs, relationsWritten }: CommandFacts): boolean => verbs.includes("COPY") && relationsWritten.length > 0;

export const authorization = ({ command, decision, approvalId }: DecidedCommand, obligations: Obligations): SessionEvent => ({
  type: "CommandAuthorized",
  data: { ...command, decision: recordDecision(decision), obligations, ...(approvalId === undefined ? {} : { approvalId }) },
});

export const denial = ({ command, decision, approvalId }: DecidedCommand, code: string): SessionEvent => ({
  type: "CommandDenied",
  data: { ...command, decision: recordDecision(decision), code, ...(approvalId === undefined ? {} : { approvalId }) },
});

/** In its text, or in a parameter that it may make code of. */
export const hidesCode = ({ executable, command }: DecidedCommand): boolean =>
  executable.hidesCode === true || (command.redacted && !executable.redacted && runsUnseenCode(executable.facts));
