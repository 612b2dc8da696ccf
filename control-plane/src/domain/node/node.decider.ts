import type { NodeEvent } from "./node.events.ts";

export type NodeCommand =
  | { readonly type: "Start"; readonly nodeId: string; readonly version: string }
  /** Both at once: while the ledger refuses, nothing can be said; what was known since is said when it accepts again. */
  | { readonly type: "RecordFailClosed"; readonly nodeId: string; readonly cause: string; readonly since: string; readonly refusedCommands: number }
  | { readonly type: "RecordPolicyLoadFailed"; readonly nodeId: string; readonly policyVersion: string; readonly keeps: string; readonly cause: string }
  | { readonly type: "Stop"; readonly nodeId: string };

/** The first problems of a policy tell; all of them are in the log. */
const MAX_CAUSE_LENGTH = 2_000;

export interface NodeState {
  readonly status: "absent" | "running" | "stopped";
  readonly failClosed: boolean;
}

export const initialState: NodeState = { status: "absent", failClosed: false };

export function decide(command: NodeCommand, state: NodeState): NodeEvent[] {
  const { nodeId } = command;
  switch (command.type) {
    case "Start":
      return [{ type: "NodeStarted", data: { nodeId, version: command.version } }];
    case "RecordFailClosed":
      return [
        { type: "FailClosedEntered", data: { nodeId, cause: command.cause, since: command.since } },
        { type: "FailClosedLeft", data: { nodeId, refusedCommands: command.refusedCommands } },
      ];
    case "RecordPolicyLoadFailed": {
      const { policyVersion, keeps, cause } = command;
      return [{ type: "PolicyLoadFailed", data: { nodeId, policyVersion, keeps, cause: cause.toWellFormed().slice(0, MAX_CAUSE_LENGTH) } }];
    }
    case "Stop":
      return state.status === "running" ? [{ type: "NodeStopped", data: { nodeId } }] : [];
  }
}

export function evolve(state: NodeState, event: NodeEvent): NodeState {
  switch (event.type) {
    case "NodeStarted":
      return { status: "running", failClosed: false };
    case "FailClosedEntered":
      return { ...state, failClosed: true };
    case "FailClosedLeft":
      return { ...state, failClosed: false };
    case "PolicyLoadFailed":
      return state;
    case "NodeStopped":
      return { ...state, status: "stopped" };
  }
}
