/** What an agent signed about one session: an account of what reached the target that the control plane cannot have made up. */
export type ForwardingEvent = {
  readonly type: "ForwardingAttested";
  readonly data: {
    readonly agentId: string;
    readonly sessionId: string;
    /** From 1; each statement covers what those before it did, so that one may be missing. */
    readonly sequence: number;
    /** Messages that made the target execute something. */
    readonly commands: number;
    /** Of the client, as they were forwarded, and the hex SHA-256 over all of them. */
    readonly bytes: number;
    readonly digest: string;
    /** The session is over. */
    readonly final: boolean;
    /** By the agent's clock. */
    readonly statedAt: string;
    /** X.509, DER, base64: whose key signed. */
    readonly certificate: string;
    /** ECDSA, base64; over the lines of proto/src/tunnel/forwarding-statement.ts. */
    readonly signature: string;
  };
};

/** A stream of its own: the session's has one writer, which is gone when the last statement comes. */
export const forwardingStream = (sessionId: string): string => `forwarding-${sessionId}`;
