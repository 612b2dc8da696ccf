import { SallyportError } from "@sallyport/proto/errors";
import { reached } from "../decider.ts";
import { requireName, requireText } from "../names.ts";
import type { AgentEvent } from "./agent.events.ts";

type DataOf<T extends AgentEvent["type"]> = Extract<AgentEvent, { type: T }>["data"];

export type AgentCommand =
  | { readonly type: "IssueJoinToken"; readonly agentId: string; readonly name: string; readonly tokenHash: string; readonly expiresAt: string }
  | { readonly type: "Enrol"; readonly name: string; readonly tokenHash: string }
  | { readonly type: "RecordCertificate"; readonly certificate: Omit<DataOf<"AgentCertificateIssued">, "agentId"> }
  | { readonly type: "Connect"; readonly link: Omit<DataOf<"AgentConnected">, "agentId"> }
  | { readonly type: "Disconnect"; readonly cause: DataOf<"AgentDisconnected">["cause"] }
  | { readonly type: "Revoke"; readonly reason: string };

export interface AgentState {
  readonly status: "absent" | "invited" | "enrolled" | "revoked";
  readonly agentId: string;
  readonly name: string;
  readonly tokenHash: string;
  readonly tokenExpiresAt: string;
  readonly connected: boolean;
  /** Where it is, or was last, connected; empty until then. */
  readonly nodeId: string;
  readonly version: string;
  /** Empty until a certificate was issued. */
  readonly certificateNotAfter: string;
}

export const initialState: AgentState = {
  status: "absent",
  agentId: "",
  name: "",
  tokenHash: "",
  tokenExpiresAt: "",
  connected: false,
  nodeId: "",
  version: "",
  certificateNotAfter: "",
};

/** A reason is a line or two for people; an event stays small. */
export const MAX_REASON_LENGTH = 500;

export function decide(command: AgentCommand, state: AgentState, at: string): AgentEvent[] {
  switch (command.type) {
    case "IssueJoinToken": {
      const { agentId, name, tokenHash, expiresAt } = command;
      requireName("agent", name);
      if (reached(expiresAt, at)) throw new SallyportError("input.invalid", "The token would be expired at birth.", { field: "expiresAt" });
      // A new token for an agent that has not enrolled yet replaces the one before.
      if (state.status === "absent" || state.status === "invited") return [{ type: "JoinTokenIssued", data: { agentId, name, tokenHash, expiresAt } }];
      throw new SallyportError("agent.name_taken", `An agent named ${name} is already enrolled.`, { name });
    }
    case "Enrol":
      // One message for every reason: whoever guesses must not learn which part was right.
      if (state.status !== "invited" || state.name !== command.name || state.tokenHash !== command.tokenHash || reached(state.tokenExpiresAt, at)) {
        throw new SallyportError("join.invalid", "The join token is unknown, used up or expired. Ask for a new one.");
      }
      return [{ type: "AgentEnrolled", data: { agentId: state.agentId, name: state.name } }];
    case "RecordCertificate":
      requireEnrolled(state);
      return [{ type: "AgentCertificateIssued", data: { agentId: state.agentId, ...command.certificate } }];
    case "Connect": {
      requireEnrolled(state);
      const connected: AgentEvent = { type: "AgentConnected", data: { agentId: state.agentId, ...command.link } };
      return state.connected ? [{ type: "AgentDisconnected", data: { agentId: state.agentId, cause: "replaced" } }, connected] : [connected];
    }
    case "Disconnect":
      // `Connect` has already recorded that it replaced the link before; a late report of that must not end the new one.
      if (!state.connected || command.cause === "replaced") return [];
      return [{ type: "AgentDisconnected", data: { agentId: state.agentId, cause: command.cause } }];
    case "Revoke":
      if (state.status === "absent") throw new SallyportError("agent.not_found", "No such agent.");
      if (state.status === "revoked") return [];
      requireText("reason", command.reason, MAX_REASON_LENGTH);
      return [{ type: "AgentRevoked", data: { agentId: state.agentId, reason: command.reason } }];
  }
}

export function evolve(state: AgentState, event: AgentEvent): AgentState {
  switch (event.type) {
    case "JoinTokenIssued": {
      const { agentId, name, tokenHash, expiresAt } = event.data;
      return { ...state, status: "invited", agentId, name, tokenHash, tokenExpiresAt: expiresAt };
    }
    case "AgentEnrolled":
      return { ...state, status: "enrolled", tokenHash: "", tokenExpiresAt: "" };
    case "AgentCertificateIssued":
      return { ...state, certificateNotAfter: event.data.notAfter };
    case "AgentConnected":
      return { ...state, connected: true, nodeId: event.data.nodeId, version: event.data.version };
    case "AgentDisconnected":
      return { ...state, connected: false };
    case "AgentRevoked":
      return { ...state, status: "revoked", tokenHash: "", tokenExpiresAt: "" };
  }
}

export function requireEnrolled({ status, name }: AgentState): void {
  if (status === "enrolled") return;
  if (status === "revoked") throw new SallyportError("agent.revoked", `Agent ${name} was revoked and must be enrolled anew.`, { name });
  throw new SallyportError("agent.not_found", "No such agent.");
}
