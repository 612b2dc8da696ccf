import { SallyportError } from "@sallyport/proto/errors";
import type { ForwardingEvent } from "./forwarding.events.ts";

export interface ForwardingCommand {
  readonly type: "Attest";
  readonly statement: ForwardingEvent["data"];
}

export interface ForwardingState {
  /** Empty until the first statement: the session's other statements are this agent's too. */
  readonly agentId: string;
  readonly sequence: number;
  readonly commands: number;
  readonly bytes: number;
  readonly final: boolean;
}

export const initialState: ForwardingState = { agentId: "", sequence: 0, commands: 0, bytes: 0, final: false };

/** A statement that is known already changes nothing, so that an agent may say it until it is heard. */
export function decide({ statement }: ForwardingCommand, state: ForwardingState): ForwardingEvent[] {
  if (state.agentId !== "" && state.agentId !== statement.agentId) throw contradiction("Another agent has made statements about this session.");
  if (statement.sequence <= state.sequence) return [];
  if (state.final) throw contradiction("The agent has made its last statement about this session.");
  if (statement.commands < state.commands || statement.bytes < state.bytes) throw contradiction("The agent takes back what it has stated.");
  return [{ type: "ForwardingAttested", data: statement }];
}

export function evolve(_state: ForwardingState, { data: { agentId, sequence, commands, bytes, final } }: ForwardingEvent): ForwardingState {
  return { agentId, sequence, commands, bytes, final };
}

const contradiction = (message: string): SallyportError => new SallyportError("tunnel.violation", message);
