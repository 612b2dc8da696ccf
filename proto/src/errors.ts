/** gRPC status numbers (grpc.io/docs/guides/status-codes), so that this table needs no gRPC library. */
const grpc = {
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

interface ErrorKind {
  readonly grpc: number;
  readonly http: number;
  /** SQLSTATE that a PostgreSQL client sees (PostgreSQL, appendix A). */
  readonly sqlstate: string;
  readonly retryable: boolean;
  /** One line for the error reference. */
  readonly meaning: string;
}

/** Every failure that a caller may branch on. Adding one is a contract change; the reference page is generated from here. */
export const errorCodes = {
  "input.invalid": {
    grpc: grpc.invalidArgument,
    http: 400,
    sqlstate: "22023",
    retryable: false,
    meaning: "A value that was given is malformed or out of range.",
  },
  "config.invalid": {
    grpc: grpc.failedPrecondition,
    http: 500,
    sqlstate: "F0000",
    retryable: false,
    meaning: "The configuration of a process is wrong; every problem is listed.",
  },
  "wire.malformed": {
    grpc: grpc.invalidArgument,
    http: 400,
    sqlstate: "08P01",
    retryable: false,
    meaning: "A peer sent bytes that its protocol does not allow.",
  },
  "wire.too_large": { grpc: grpc.resourceExhausted, http: 413, sqlstate: "54000", retryable: false, meaning: "A message is larger than the configured bound." },
  "statement.encoding": {
    grpc: grpc.invalidArgument,
    http: 400,
    sqlstate: "22021",
    retryable: false,
    meaning: "The statement is not text in the encoding that the client said it is in.",
  },
  "tls.required": {
    grpc: grpc.unauthenticated,
    http: 400,
    sqlstate: "28000",
    retryable: false,
    meaning: "The client did not ask for TLS; tokens are accepted over TLS only.",
  },
  "auth.failed": {
    grpc: grpc.unauthenticated,
    http: 401,
    sqlstate: "28P01",
    retryable: false,
    meaning: "The token is unknown, revoked, or belongs to another identity.",
  },
  "auth.expired": { grpc: grpc.unauthenticated, http: 401, sqlstate: "28P01", retryable: false, meaning: "The token has expired." },
  "auth.forbidden": { grpc: grpc.permissionDenied, http: 403, sqlstate: "42501", retryable: false, meaning: "The identity may not do this." },
  "identity.not_found": { grpc: grpc.notFound, http: 404, sqlstate: "28000", retryable: false, meaning: "No such identity." },
  "resource.not_found": {
    grpc: grpc.notFound,
    http: 404,
    sqlstate: "3D000",
    retryable: false,
    meaning: "No such resource, or the identity may not know of it.",
  },
  "resource.conflict": {
    grpc: grpc.alreadyExists,
    http: 409,
    sqlstate: "42710",
    retryable: false,
    meaning: "Another agent already serves a resource of this name.",
  },
  "agent.not_found": { grpc: grpc.notFound, http: 404, sqlstate: "08001", retryable: false, meaning: "No such agent." },
  "agent.offline": { grpc: grpc.unavailable, http: 503, sqlstate: "08001", retryable: true, meaning: "The agent that serves the resource is not connected." },
  "agent.revoked": { grpc: grpc.permissionDenied, http: 403, sqlstate: "08001", retryable: false, meaning: "The agent was revoked and must be enrolled anew." },
  "agent.name_taken": { grpc: grpc.alreadyExists, http: 409, sqlstate: "42710", retryable: false, meaning: "An agent of this name is already enrolled." },
  "agent.version": {
    grpc: grpc.failedPrecondition,
    http: 409,
    sqlstate: "08001",
    retryable: false,
    meaning: "The agent's release and the control plane's do not fit each other; one of them must be updated.",
  },
  "join.invalid": {
    grpc: grpc.unauthenticated,
    http: 401,
    sqlstate: "28000",
    retryable: false,
    meaning: "The join token is malformed, unknown, used up or expired.",
  },
  "target.unreachable": { grpc: grpc.unavailable, http: 502, sqlstate: "08006", retryable: true, meaning: "The agent could not reach the target." },
  "target.refused": {
    grpc: grpc.failedPrecondition,
    http: 502,
    sqlstate: "08004",
    retryable: false,
    meaning: "The target refused the agent's login, or the agent's TLS checks refused the target.",
  },
  "target.credential": {
    grpc: grpc.failedPrecondition,
    http: 502,
    sqlstate: "08004",
    retryable: false,
    meaning: "The agent could not read the target's credential.",
  },
  "tunnel.violation": {
    grpc: grpc.permissionDenied,
    http: 403,
    sqlstate: "08P01",
    retryable: false,
    meaning: "An agent touched a session that was not opened on it, or broke the tunnel protocol.",
  },
  "session.limit": { grpc: grpc.resourceExhausted, http: 429, sqlstate: "53300", retryable: true, meaning: "Too many connections or sessions at once." },
  "session.timeout": {
    grpc: grpc.deadlineExceeded,
    http: 408,
    sqlstate: "57014",
    retryable: true,
    meaning: "The client, or the target, took longer than the configured bound.",
  },
  "session.ended": {
    grpc: grpc.unavailable,
    http: 503,
    sqlstate: "57P01",
    retryable: true,
    meaning: "The session was ended by the gateway; the cause is in the message.",
  },
  "session.read_only": {
    grpc: grpc.failedPrecondition,
    http: 403,
    sqlstate: "25006",
    retryable: false,
    meaning: "Policy opened the session read-only, and the command could lead out of that.",
  },
  "session.not_found": { grpc: grpc.notFound, http: 404, sqlstate: "02000", retryable: false, meaning: "No such session." },
  "command.timeout": {
    grpc: grpc.deadlineExceeded,
    http: 408,
    sqlstate: "57014",
    retryable: false,
    meaning: "A command ran longer than policy allows, and was cancelled at the target.",
  },
  "policy.purpose_required": {
    grpc: grpc.failedPrecondition,
    http: 403,
    sqlstate: "42501",
    retryable: false,
    meaning: "Policy requires a reason or a ticket to be given first; the message says which.",
  },
  "policy.denied": { grpc: grpc.permissionDenied, http: 403, sqlstate: "42501", retryable: false, meaning: "Policy refuses this; the deciding rule is named." },
  "policy.invalid": {
    grpc: grpc.invalidArgument,
    http: 400,
    sqlstate: "F0000",
    retryable: false,
    meaning: "A policy does not parse or does not validate against the schema.",
  },
  "policy.missing": {
    grpc: grpc.failedPrecondition,
    http: 503,
    sqlstate: "42501",
    retryable: false,
    meaning: "No policy is published; everything is refused until one is.",
  },
  "policy.not_found": { grpc: grpc.notFound, http: 404, sqlstate: "02000", retryable: false, meaning: "No policy of this version was ever proposed." },
  "policy.unapproved": {
    grpc: grpc.failedPrecondition,
    http: 409,
    sqlstate: "55000",
    retryable: false,
    meaning: "The policy is proposed; somebody else must agree before it can be published.",
  },
  "policy.stale": {
    grpc: grpc.aborted,
    http: 409,
    sqlstate: "40001",
    retryable: false,
    meaning: "Another policy was published since this one was proposed; it must be proposed again.",
  },
  "approval.denied": { grpc: grpc.permissionDenied, http: 403, sqlstate: "42501", retryable: false, meaning: "A human denied the held command." },
  "approval.expired": { grpc: grpc.deadlineExceeded, http: 403, sqlstate: "42501", retryable: true, meaning: "Nobody decided on the held command in time." },
  "approval.withdrawn": {
    grpc: grpc.aborted,
    http: 409,
    sqlstate: "57014",
    retryable: true,
    meaning: "The requester cancelled the held command, or went away.",
  },
  "approval.drift": {
    grpc: grpc.aborted,
    http: 409,
    sqlstate: "42501",
    retryable: true,
    meaning: "What was approved is no longer what would run: policy, digest or requester changed.",
  },
  "approval.not_found": { grpc: grpc.notFound, http: 404, sqlstate: "02000", retryable: false, meaning: "No such approval." },
  "approval.already_decided": {
    grpc: grpc.failedPrecondition,
    http: 409,
    sqlstate: "55000",
    retryable: false,
    meaning: "The approval is already granted, denied, expired, withdrawn or used.",
  },
  "approval.self": { grpc: grpc.permissionDenied, http: 403, sqlstate: "42501", retryable: false, meaning: "Nobody approves their own request." },
  "approval.step": {
    grpc: grpc.failedPrecondition,
    http: 403,
    sqlstate: "42501",
    retryable: false,
    meaning: "The approval waits for somebody of other groups: this person's turn comes later, or not at all.",
  },
  "approval.hours": {
    grpc: grpc.failedPrecondition,
    http: 403,
    sqlstate: "42501",
    retryable: true,
    meaning: "It is outside the hours in which an approval counts.",
  },
  "approval.unreadable": {
    grpc: grpc.failedPrecondition,
    http: 403,
    sqlstate: "42501",
    retryable: false,
    meaning: "The command needs approval, and part of it that could be code would have to be withheld from whoever approves.",
  },
  "approval.machine": { grpc: grpc.permissionDenied, http: 403, sqlstate: "42501", retryable: false, meaning: "A machine identity never approves." },
  "preview.unsafe": {
    grpc: grpc.failedPrecondition,
    http: 409,
    sqlstate: "0A000",
    retryable: false,
    meaning: "Looking at the effect of this command could itself have an effect that is not undone; the message says which.",
  },
  "preview.failed": {
    grpc: grpc.failedPrecondition,
    http: 409,
    sqlstate: "22000",
    retryable: false,
    meaning: "The target gave no preview: the command would fail, or it took longer than a preview may; the message says which.",
  },
  "grant.expired": {
    grpc: grpc.permissionDenied,
    http: 403,
    sqlstate: "57P01",
    retryable: false,
    meaning: "The access was granted for a time, which is over.",
  },
  "grant.revoked": { grpc: grpc.permissionDenied, http: 403, sqlstate: "57P01", retryable: false, meaning: "Somebody took back the access that was granted." },
  "stream.conflict": { grpc: grpc.aborted, http: 409, sqlstate: "40001", retryable: true, meaning: "Somebody else changed this first." },
  "ledger.unavailable": { grpc: grpc.unavailable, http: 503, sqlstate: "58030", retryable: true, meaning: "The record cannot be written, so nothing may run." },
  "ledger.corrupt": { grpc: grpc.internal, http: 500, sqlstate: "58P01", retryable: false, meaning: "The ledger file is damaged or is not a ledger." },
  "ledger.newer": {
    grpc: grpc.failedPrecondition,
    http: 503,
    sqlstate: "55000",
    retryable: true,
    meaning: "A later release wrote into this part of the record, so this release decides nothing on it. Upgrade the control plane.",
  },
  "ledger.too_large": { grpc: grpc.resourceExhausted, http: 413, sqlstate: "54000", retryable: false, meaning: "An event is larger than the ledger accepts." },
  "recording.full": {
    grpc: grpc.resourceExhausted,
    http: 413,
    sqlstate: "54000",
    retryable: false,
    meaning: "Policy has output or COPY data recorded, and the session's recording takes no more of it.",
  },
  "read_models.unavailable": {
    grpc: grpc.unavailable,
    http: 503,
    sqlstate: "58030",
    retryable: true,
    meaning: "The lists made of the ledger are behind it, being rebuilt, or cannot be read; nothing is lost.",
  },
  "feature.unsupported": {
    grpc: grpc.failedPrecondition,
    http: 501,
    sqlstate: "0A000",
    retryable: false,
    meaning: "The gateway does not carry this part of the protocol.",
  },
  "internal": {
    grpc: grpc.internal,
    http: 500,
    sqlstate: "XX000",
    retryable: false,
    meaning: "A defect of the gateway; the log of the process has the cause.",
  },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof errorCodes;

export const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(errorCodes, code);

/**
 * The one error class that may cross a module boundary.
 * `message` and `details` may be shown to people; causes stay in `cause`; secrets are in neither.
 */
export class SallyportError extends Error {
  override readonly name = "SallyportError";
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, string>>;

  constructor(code: ErrorCode, message: string, details: Readonly<Record<string, string>> = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.details = details;
  }

  get retryable(): boolean {
    return errorCodes[this.code].retryable;
  }

  /** The error itself when it already is one of ours; otherwise `internal` with the original as cause. */
  static from(error: unknown): SallyportError {
    if (error instanceof SallyportError) return error;
    return new SallyportError("internal", "Internal error.", {}, error);
  }
}
