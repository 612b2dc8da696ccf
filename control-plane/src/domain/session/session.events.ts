import type { Obligations, Principal, Purpose, RecordedDecision } from "../decision.ts";
import type { CommandFacts } from "../facts.ts";

/** A bound parameter as the client sent it. */
export interface RecordedParameter {
  /** Type OID that the client or the server gave, 0 when unknown. */
  readonly typeOid: number;
  readonly format: "text" | "binary";
  /** UTF-8 text; hex for binary or for bytes that are not UTF-8; null for SQL NULL; absent when it is in the recording. */
  readonly value?: string | null;
  readonly encoding?: "utf8" | "hex";
  readonly bytes: number;
}

/** What is to run: the same in every event that asks, so that a digest can be taken over it. */
export interface RecordedCommand {
  /** Unique within the session, from 1. */
  readonly commandId: number;
  /** `parse`: refused before it could be executed. */
  readonly via: "simple" | "parse" | "execute" | "bind" | "function_call";
  /** Literals that hold passwords are replaced. Absent when it is in the recording. */
  readonly statement?: string;
  readonly statementBytes: number;
  readonly redacted: boolean;
  readonly parameters: readonly RecordedParameter[];
  /** First and one-past-last sequence numbers of the InputRecorded events that hold what is too long to stand here. */
  readonly recording?: { readonly from: number; readonly to: number };
  /** Hex SHA-256 over the exact bytes (statement and parameters), resource and requester. */
  readonly digest: string;
  readonly facts: CommandFacts;
}

export type CommandLimit = "rows" | "bytes" | "time";

export type CommandOutcome = "succeeded" | "failed" | "cancelled" | "unknown";

export type SessionEndCause =
  | "client_closed"
  | "client_lost"
  | "client_timeout"
  | "protocol_violation"
  | "target_closed"
  | "agent_lost"
  | "ledger_lost"
  | "ended_by_administrator"
  | "identity_disabled"
  | "token_revoked"
  | "token_expired"
  | "grant_expired"
  | "grant_revoked"
  | "policy_changed"
  | "shutdown"
  | "control_plane_lost"
  | "internal_error";

export type SessionEvent =
  | {
      readonly type: "SessionRequested";
      readonly data: {
        readonly sessionId: string;
        /** The control-plane node that holds the client's connection. */
        readonly nodeId: string;
        readonly identity: Principal;
        readonly tokenId: string;
        readonly resource: string;
        readonly protocol: string;
        readonly clientAddress: string;
        readonly application: string;
        /** Negotiated with the client, e.g. `TLSv1.3 TLS_AES_256_GCM_SHA384`. */
        readonly transport: string;
        readonly parameters: Readonly<Record<string, string>>;
      };
    }
  /** Holds for every decision of the session that is recorded behind it, up to the next one. */
  | {
      readonly type: "PurposeStated";
      readonly data: Purpose & { readonly sessionId: string; readonly by: string };
    }
  | {
      readonly type: "SessionOpened";
      readonly data: {
        readonly sessionId: string;
        readonly agentId: string;
        readonly decision: RecordedDecision;
        /** That it uses at first, so that every decision of it was taken with `granted`. */
        readonly grantId?: string;
        /** That grant is one of break-glass. */
        readonly emergency?: true;
        /** The target was told to run all of it in read-only transactions. */
        readonly readOnly?: true;
      };
    }
  /** The grant that it used is over by time, and it goes on with another one of the same kind. */
  | {
      readonly type: "SessionContinued";
      readonly data: {
        readonly sessionId: string;
        /** Whether it might be opened now. */
        readonly decision: RecordedDecision;
        /** That it uses from here on. */
        readonly grantId: string;
        readonly formerGrantId: string;
        readonly emergency?: true;
      };
    }
  | {
      readonly type: "SessionRefused";
      readonly data: {
        readonly sessionId: string;
        readonly code: string;
        readonly message: string;
        readonly decision?: RecordedDecision;
        /** That it would have used. */
        readonly grantId?: string;
        readonly emergency?: true;
      };
    }
  | {
      readonly type: "CommandAuthorized";
      readonly data: RecordedCommand & {
        readonly decision: RecordedDecision;
        readonly obligations: Obligations;
        /**
         * What was approved before, for a while or in a plan, and was used for it. Policy need not have asked for that: the next command of
         * a plan takes its turn also where it is allowed without anybody. The rules and the reason of the decision tell which.
         */
        readonly approvalId?: string;
      };
    }
  | {
      readonly type: "CommandDenied";
      readonly data: RecordedCommand & { readonly decision: RecordedDecision; readonly code: string; readonly approvalId?: string };
    }
  | {
      readonly type: "CommandHeld";
      readonly data: RecordedCommand & { readonly decision: RecordedDecision; readonly approvalId: string; readonly expiresAt: string };
    }
  | {
      readonly type: "CommandReleased";
      readonly data: {
        readonly commandId: number;
        readonly approvalId: string;
        readonly digest: string;
        readonly approvers: readonly string[];
        readonly obligations: Obligations;
      };
    }
  | {
      readonly type: "CommandCompleted";
      readonly data: {
        readonly commandId: number;
        readonly outcome: CommandOutcome;
        /** SQLSTATE or its like in the target's protocol, when it failed. */
        readonly errorCode?: string;
        readonly tag: string;
        readonly rows: number;
        readonly withheldRows: number;
        /** Of the result, as it left the agent. */
        readonly bytes: number;
        readonly maskedCells: Readonly<Record<string, number>>;
        /** Hex SHA-256 of the result rows as they left the agent. */
        readonly resultDigest: string;
        readonly durationMicros: number;
        /** Of policy, that cut it short. */
        readonly limit?: CommandLimit;
      };
    }
  | {
      readonly type: "SessionEnded";
      readonly data: {
        readonly sessionId: string;
        readonly cause: SessionEndCause;
        readonly message: string;
        readonly commands: number;
        readonly bytesToTarget: number;
        readonly bytesToClient: number;
      };
    };

export const sessionStream = (sessionId: string): string => `session-${sessionId}`;
