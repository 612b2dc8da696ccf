/** Bounds of the PostgreSQL gateway; each can be set in the configuration, which documents it. */
export interface PostgresLimits {
  /** From accept to the end of authentication, in milliseconds. */
  readonly authenticationMillis: number;
  /** Connections that have not authenticated yet; beyond it the oldest of them is cut. */
  readonly unauthenticatedConnections: number;
  /** Sessions at once. */
  readonly sessions: number;
  /** Of one identity. */
  readonly sessionsPerIdentity: number;
  /** One message of a client. */
  readonly messageBytes: number;
  /** Client messages over 1 MiB being collected, over all sessions. */
  readonly largeMessageBytes: number;
  /** From Open to the target's greeting, in milliseconds. */
  readonly openMillis: number;
  /** How long a held command waits for a human, in milliseconds. */
  readonly holdMillis: number;
  /** The same inside an open transaction, which keeps its locks while it waits, in milliseconds. */
  readonly transactionHoldMillis: number;
  /** A client that takes no byte of a result for this long is cut, in milliseconds. */
  readonly clientStallMillis: number;
  /** Bytes of output that are recorded as one, where policy has it recorded. At most a quarter of the tunnel's window, which they hold. */
  readonly outputChunkBytes: number;
}

/** Extended-protocol messages collected before they are judged together, even without Sync or Flush. */
export const GROUP_BYTES = 1_048_576;

/** And as many executions: a longer pipeline is judged in parts, so that none of them holds up other sessions. */
export const GROUP_COMMANDS = 128;

/** Client bytes waiting behind the command in hand; above it the client's socket is paused. */
export const INPUT_QUEUE_BYTES = 2 * GROUP_BYTES;
