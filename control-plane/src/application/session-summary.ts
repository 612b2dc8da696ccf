import type { SessionEndCause, SessionEvent } from "../domain/session/session.events.ts";

export interface SessionSummary {
  readonly id: string;
  readonly state: "requested" | "open" | "refused" | "ended";
  readonly identity: string;
  readonly resource: string;
  readonly protocol: string;
  readonly application: string;
  readonly clientAddress: string;
  readonly startedAt: Date;
  readonly endedAt: Date | undefined;
  /** Empty while it runs. */
  readonly cause: SessionEndCause | "";
  /** Why it ended or was refused. */
  readonly message: string;
  /** Opened by break-glass. */
  readonly emergency: boolean;
}

export interface SessionDetail extends SessionSummary {
  readonly commands: { readonly authorized: number; readonly denied: number; readonly held: number; readonly released: number; readonly completed: number };
  readonly rows: number;
  readonly maskedCells: number;
}

const unstarted = { state: "requested", endedAt: undefined, cause: "", message: "", emergency: false } as const;
const untouched = { commands: { authorized: 0, denied: 0, held: 0, released: 0, completed: 0 }, rows: 0, maskedCells: 0 } as const;

/** Undefined until the session was requested. */
export function evolveDetail(detail: SessionDetail | undefined, event: SessionEvent, at: string): SessionDetail | undefined {
  if (event.type === "SessionRequested") {
    const { sessionId: id, identity, resource, protocol, application, clientAddress } = event.data;
    return { id, identity: identity.id, resource, protocol, application, clientAddress, startedAt: new Date(at), ...unstarted, ...untouched };
  }
  if (detail === undefined) return undefined;
  const { commands } = detail;
  switch (event.type) {
    case "PurposeStated":
    case "SessionContinued":
      return detail;
    case "SessionOpened":
      return { ...detail, state: "open", emergency: event.data.emergency === true };
    case "SessionRefused":
      return { ...detail, state: "refused", endedAt: new Date(at), message: event.data.message };
    case "SessionEnded":
      return { ...detail, state: "ended", endedAt: new Date(at), cause: event.data.cause, message: event.data.message };
    case "CommandAuthorized":
      return { ...detail, commands: { ...commands, authorized: commands.authorized + 1 } };
    case "CommandDenied":
      return { ...detail, commands: { ...commands, denied: commands.denied + 1 } };
    case "CommandHeld":
      return { ...detail, commands: { ...commands, held: commands.held + 1 } };
    case "CommandReleased":
      return { ...detail, commands: { ...commands, released: commands.released + 1 } };
    case "CommandCompleted": {
      const masked = Object.values(event.data.maskedCells).reduce((sum, cells) => sum + cells, 0);
      return {
        ...detail,
        commands: { ...commands, completed: commands.completed + 1 },
        rows: detail.rows + event.data.rows,
        maskedCells: detail.maskedCells + masked,
      };
    }
  }
}
