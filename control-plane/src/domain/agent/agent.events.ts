export type AgentEvent =
  | {
      readonly type: "JoinTokenIssued";
      readonly data: { readonly agentId: string; readonly name: string; readonly tokenHash: string; readonly expiresAt: string };
    }
  /** Uses the join token up. */
  | { readonly type: "AgentEnrolled"; readonly data: { readonly agentId: string; readonly name: string } }
  | {
      readonly type: "AgentCertificateIssued";
      readonly data: { readonly agentId: string; readonly serial: string; readonly fingerprint: string; readonly notBefore: string; readonly notAfter: string };
    }
  | {
      readonly type: "AgentConnected";
      readonly data: {
        readonly agentId: string;
        /** The control-plane node that it dialled. */
        readonly nodeId: string;
        readonly version: string;
        readonly address: string;
        readonly certificateFingerprint: string;
        readonly resources: readonly string[];
      };
    }
  | {
      readonly type: "AgentDisconnected";
      readonly data: {
        readonly agentId: string;
        readonly cause: "closed" | "lost" | "drained" | "revoked" | "replaced" | "protocol_violation" | "shutdown" | "control_plane_lost";
      };
    }
  | { readonly type: "AgentRevoked"; readonly data: { readonly agentId: string; readonly reason: string } };

/** The last one of its stream says whose the name is. */
export type AgentNameEvent = { readonly type: "AgentNameReserved"; readonly data: { readonly nameHash: string; readonly agentId: string } };

export const agentStream = (agentId: string): string => `agent-${agentId}`;
/** Reserved with `none`, so that a name is given once over all agents. */
export const agentNameStream = (nameHash: string): string => `agentname-${nameHash}`;
