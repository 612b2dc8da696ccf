import { SallyportError } from "@sallyport/proto/errors";
import type { RecordedCommand, SessionEvent } from "./session.events.ts";

/**
 * The rules of one session. Called for every command, so the state is only what is in flight.
 *
 * S1. Command ids rise; one is used for one command only.
 * S2. A command is released only when it was held under the same digest and approval.
 * S3. A command completes once, and only after it was authorised or released.
 * S4. Nothing follows the end; what was running then is completed as `unknown`, so that every execution leaves a pair.
 *
 * A command that breaks S1 to S3 is a defect of the caller, hence a plain `Error`.
 */
type DataOf<T extends SessionEvent["type"]> = Extract<SessionEvent, { type: T }>["data"];

export type SessionCommand =
  | { readonly type: "Request"; readonly data: DataOf<"SessionRequested"> }
  | { readonly type: "StatePurpose"; readonly data: DataOf<"PurposeStated"> }
  | { readonly type: "Open"; readonly data: DataOf<"SessionOpened"> }
  | { readonly type: "Continue"; readonly data: DataOf<"SessionContinued"> }
  | { readonly type: "Refuse"; readonly data: DataOf<"SessionRefused"> }
  | { readonly type: "Authorize"; readonly data: DataOf<"CommandAuthorized"> }
  /** Of a new command, of a held one, or, with `ledger.unavailable`, of an authorised one that was never sent. */
  | { readonly type: "Deny"; readonly data: DataOf<"CommandDenied"> }
  | { readonly type: "Hold"; readonly data: DataOf<"CommandHeld"> }
  | { readonly type: "Release"; readonly data: DataOf<"CommandReleased"> }
  | { readonly type: "Complete"; readonly data: DataOf<"CommandCompleted"> }
  | { readonly type: "End"; readonly data: Omit<DataOf<"SessionEnded">, "commands"> };

interface InFlight {
  readonly commandId: number;
  readonly status: "held" | "running";
  readonly digest: string;
  readonly approvalId: string;
}

export interface SessionState {
  readonly phase: "absent" | "requested" | "open" | "refused" | "ended";
  readonly commands: number;
  readonly lastCommandId: number;
  /** In order of their ids; almost always one. An array, since copying a few pointers is cheaper than any map. */
  readonly inFlight: readonly InFlight[];
}

export const initialState: SessionState = { phase: "absent", commands: 0, lastCommandId: 0, inFlight: [] };

/** Commands sent and not yet answered. A client may pipeline; at this depth a copy of the list still costs about 2 µs. */
export const MAX_IN_FLIGHT_COMMANDS = 4_096;

export function decide(command: SessionCommand, state: SessionState): SessionEvent[] {
  switch (command.type) {
    case "Request":
      requirePhase("absent", state);
      return [{ type: "SessionRequested", data: command.data }];
    case "StatePurpose":
      if (state.phase !== "requested") requirePhase("open", state);
      return [{ type: "PurposeStated", data: command.data }];
    case "Open":
      requirePhase("requested", state);
      return [{ type: "SessionOpened", data: command.data }];
    case "Continue":
      requirePhase("open", state);
      return [{ type: "SessionContinued", data: command.data }];
    case "Refuse":
      requirePhase("requested", state);
      return [{ type: "SessionRefused", data: command.data }];
    case "Authorize":
      requireNew(command.data, state);
      return [{ type: "CommandAuthorized", data: command.data }];
    case "Deny":
      requireDeniable(command.data, state);
      return [{ type: "CommandDenied", data: command.data }];
    case "Hold":
      requireNew(command.data, state);
      return [{ type: "CommandHeld", data: command.data }];
    case "Release":
      requireReleasable(command.data, state);
      return [{ type: "CommandReleased", data: command.data }];
    case "Complete":
      requirePhase("open", state);
      if (find(state, command.data.commandId)?.status !== "running") throw new Error(`Command ${String(command.data.commandId)} is not running.`);
      return [{ type: "CommandCompleted", data: command.data }];
    case "End":
      return end(command.data, state);
  }
}

export function evolve(state: SessionState, event: SessionEvent): SessionState {
  switch (event.type) {
    case "SessionRequested":
      return { ...state, phase: "requested" };
    case "PurposeStated":
    case "SessionContinued":
      return state;
    case "SessionOpened":
      return { ...state, phase: "open" };
    case "SessionRefused":
      return { ...state, phase: "refused" };
    case "CommandAuthorized":
      return begin(state, { commandId: event.data.commandId, status: "running", digest: event.data.digest, approvalId: "" });
    case "CommandHeld":
      return begin(state, { commandId: event.data.commandId, status: "held", digest: event.data.digest, approvalId: event.data.approvalId });
    case "CommandDenied": {
      const { commandId } = event.data;
      if (commandId > state.lastCommandId) return { ...state, commands: state.commands + 1, lastCommandId: commandId };
      return settle(state, commandId);
    }
    case "CommandReleased": {
      const { commandId } = event.data;
      return { ...state, inFlight: state.inFlight.map((each) => (each.commandId === commandId ? { ...each, status: "running" } : each)) };
    }
    case "CommandCompleted":
      return settle(state, event.data.commandId);
    case "SessionEnded":
      return { ...state, phase: "ended", inFlight: [] };
  }
}

function begin(state: SessionState, started: InFlight): SessionState {
  return {
    phase: state.phase,
    commands: state.commands + 1,
    lastCommandId: started.commandId,
    inFlight: state.inFlight.length === 0 ? [started] : [...state.inFlight, started],
  };
}

function settle(state: SessionState, commandId: number): SessionState {
  const { inFlight } = state;
  // Targets answer in order, so it is nearly always the first.
  const rest = inFlight[0]?.commandId === commandId ? inFlight.slice(1) : inFlight.filter((each) => each.commandId !== commandId);
  return { phase: state.phase, commands: state.commands, lastCommandId: state.lastCommandId, inFlight: rest };
}

function find({ inFlight }: SessionState, commandId: number): InFlight | undefined {
  const first = inFlight[0];
  return first?.commandId === commandId ? first : inFlight.find((each) => each.commandId === commandId);
}

function requirePhase(phase: SessionState["phase"], state: SessionState): void {
  if (state.phase === phase) return;
  if (state.phase === "ended") throw new SallyportError("session.ended", "The session has ended.");
  throw new Error(`The session is ${state.phase}, not ${phase}.`);
}

function requireNew({ commandId }: RecordedCommand, state: SessionState): void {
  requirePhase("open", state);
  if (!Number.isSafeInteger(commandId) || commandId <= state.lastCommandId) {
    throw new Error(`Command id ${String(commandId)} does not follow ${String(state.lastCommandId)}.`);
  }
  if (state.inFlight.length >= MAX_IN_FLIGHT_COMMANDS) {
    throw new SallyportError("session.limit", `More than ${String(MAX_IN_FLIGHT_COMMANDS)} commands wait for their results.`);
  }
}

function requireDeniable(data: DataOf<"CommandDenied">, state: SessionState): void {
  requirePhase("open", state);
  const known = find(state, data.commandId);
  if (known === undefined) {
    // A denied command never is in flight, so the bound of `requireNew` on those does not concern it.
    if (!Number.isSafeInteger(data.commandId) || data.commandId <= state.lastCommandId)
      throw new Error(`Command id ${String(data.commandId)} was used before.`);
    return;
  }
  if (known.digest !== data.digest) throw new Error(`Command ${String(data.commandId)} is denied under another digest.`);
  if (known.status === "running" && data.code !== "ledger.unavailable") throw new Error(`Command ${String(data.commandId)} is already running.`);
}

function requireReleasable({ commandId, digest, approvalId }: DataOf<"CommandReleased">, state: SessionState): void {
  requirePhase("open", state);
  const held = find(state, commandId);
  if (held?.status !== "held") throw new Error(`Command ${String(commandId)} is not held.`);
  if (held.digest !== digest || held.approvalId !== approvalId) {
    throw new SallyportError("approval.drift", "What was approved is not what is held.", { approvalId });
  }
}

function end(data: Omit<DataOf<"SessionEnded">, "commands">, state: SessionState): SessionEvent[] {
  if (state.phase === "ended" || state.phase === "refused") return [];
  if (state.phase === "absent") throw new Error("The session was never requested.");
  const running = state.inFlight.filter(({ status }) => status === "running");
  return [...running.map(({ commandId }) => unanswered(commandId)), { type: "SessionEnded", data: { ...data, commands: state.commands } }];
}

const unanswered = (commandId: number): SessionEvent => ({
  type: "CommandCompleted",
  data: { commandId, outcome: "unknown", tag: "", rows: 0, withheldRows: 0, bytes: 0, maskedCells: {}, resultDigest: "", durationMicros: 0 },
});
