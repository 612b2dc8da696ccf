import { type Decision, type Obligations, recordDecision } from "../../domain/decision.ts";
import type { RecordedCommand, SessionEvent } from "../../domain/session/session.events.ts";
import type { Executable } from "./command-record.ts";

/** A command with what was decided on it. */
export interface Judged {
  readonly executable: Executable;
  readonly command: RecordedCommand;
  readonly decision: Decision;
  /** Set when it was held, or runs by what was approved for a while. */
  readonly approvalId?: string;
}

export const authorised = ({ command, decision, approvalId }: Judged, obligations: Obligations): SessionEvent => ({
  type: "CommandAuthorized",
  data: { ...command, decision: recordDecision(decision), obligations, ...(approvalId === undefined ? {} : { approvalId }) },
});

export const denial = ({ command, decision, approvalId }: Judged, code: string): SessionEvent => ({
  type: "CommandDenied",
  data: { ...command, decision: recordDecision(decision), code, ...(approvalId === undefined ? {} : { approvalId }) },
});
