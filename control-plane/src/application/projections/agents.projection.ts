import type { AgentEvent } from "../../domain/agent/agent.events.ts";
import type { Change, Projected } from "./change.ts";

export interface AgentWrites {
  readonly agentInvited: readonly [id: string, name: string, at: string];
  readonly agentEnrolled: readonly [at: string, id: string];
  readonly agentCertified: readonly [notAfter: string, id: string];
  readonly agentConnected: readonly [nodeId: string, version: string, address: string, at: string, id: string];
  readonly agentDisconnected: readonly [cause: string, at: string, id: string];
  readonly agentRevoked: readonly [reason: string, at: string, id: string];
}

export function projectAgent({ event, metadata: { at } }: Projected<AgentEvent>): Change[] {
  const { agentId } = event.data;
  switch (event.type) {
    case "JoinTokenIssued":
      return [["agentInvited", agentId, event.data.name, at]];
    case "AgentEnrolled":
      return [["agentEnrolled", at, agentId]];
    case "AgentCertificateIssued":
      return [["agentCertified", event.data.notAfter, agentId]];
    case "AgentConnected":
      return [["agentConnected", event.data.nodeId, event.data.version, event.data.address, at, agentId]];
    case "AgentDisconnected":
      return [["agentDisconnected", event.data.cause, at, agentId]];
    case "AgentRevoked":
      return [["agentRevoked", event.data.reason, at, agentId]];
  }
}
