import { idOfStream } from "../../domain/record-streams.ts";
import type { RecordedCommand, RecordedParameter, SessionEvent } from "../../domain/session/session.events.ts";
import type { RecordedDecision } from "../../domain/decision.ts";
import type { Change, Projected } from "./change.ts";

/** What became of it so far; once it has run, how that ended. */
export type CommandState = "authorized" | "denied" | "held" | "released" | "succeeded" | "failed" | "cancelled" | "unknown";

export interface CommandWrites {
  /**
   * A command, when it is first heard of, or what is said of it again. The texts are searched, and kept from the first time only.
   * Nothing is written for a session that was never requested.
   */
  readonly commandDecided: readonly [
    position: bigint,
    session: string,
    command: number,
    at: string,
    state: CommandState,
    code: string,
    riskClass: string,
    digest: string,
    policyVersion: string,
    rules: string,
    approval: string,
    statement: string,
    parameters: string,
    names: string,
  ];
  readonly commandReleased: readonly [session: string, command: number];
  readonly commandCompleted: readonly [
    state: CommandState,
    errorCode: string,
    tag: string,
    rows: number,
    bytes: number,
    maskedCells: number,
    durationMicros: number,
    session: string,
    command: number,
  ];
}

/** Of a command's parameters together. Whoever looks for a value looks for a name or a number, not for a document. */
export const MAX_SEARCHED_PARAMETER_CHARACTERS = 4_096;

export function projectCommand({ event, recorded, metadata: { at } }: Projected<SessionEvent>): Change[] {
  const session = idOfStream(recorded.stream);
  const decided = (state: CommandState, data: RecordedCommand & { readonly decision: RecordedDecision }, code = "", approval = ""): Change[] => {
    const { commandId, facts, digest, decision, statement = "", parameters } = data;
    const { policyVersion, rules } = decision;
    const texts = [statement, textOf(parameters), namesOf(facts)] as const;
    return [
      [
        "commandDecided",
        recorded.position,
        session,
        commandId,
        at,
        state,
        code,
        facts.riskClass,
        digest,
        policyVersion,
        JSON.stringify(rules),
        approval,
        ...texts,
      ],
    ];
  };
  switch (event.type) {
    case "CommandAuthorized":
      return decided("authorized", event.data);
    case "CommandHeld":
      return decided("held", event.data, "", event.data.approvalId);
    case "CommandDenied":
      return decided("denied", event.data, event.data.code, event.data.approvalId);
    case "CommandReleased":
      return [["commandReleased", session, event.data.commandId]];
    case "CommandCompleted": {
      const { commandId, outcome, errorCode = "", tag, rows, bytes, maskedCells, durationMicros } = event.data;
      let masked = 0;
      for (const cells of Object.values(maskedCells)) masked += cells;
      return [["commandCompleted", outcome, errorCode, tag, rows, bytes, masked, durationMicros, session, commandId]];
    }
    default:
      return []; // of its session, which has a model of its own
  }
}

function textOf(parameters: readonly RecordedParameter[]): string {
  let text = "";
  for (const { value, encoding } of parameters) {
    if (value === undefined || value === null || encoding === "hex") continue;
    if (text.length + value.length > MAX_SEARCHED_PARAMETER_CHARACTERS) break;
    text += text === "" ? value : ` ${value}`;
  }
  return text;
}

/** What it does and to what, so that a statement that is too long to stand in its event is found by that. */
const namesOf = ({ verbs, relationsRead, relationsWritten, functions }: RecordedCommand["facts"]): string =>
  [...verbs, ...relationsRead, ...relationsWritten, ...functions].join(" ");
