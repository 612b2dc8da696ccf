import { z } from "zod";
import { open, personal, sensitive } from "./classification.ts";
import type { DataOf, EventType } from "./events.ts";
import { weekdays } from "./decision.ts";
import { hazards, riskClasses, transactionStates } from "./facts.ts";
import { reviewVerdicts } from "./grant/grant.events.ts";
import { approvalRules, differenceKinds } from "./policy/policy.events.ts";
import { retainedCategories } from "./retention/retention-rules.ts";

/**
 * The shape of each event's data at its current version, with the class of every field. Strict: an unknown field is an error.
 * The types and these schemas are held together by the compiler, in both directions (`Schemas`, and `exactly` in the test).
 */
type Schemas = { readonly [T in EventType]: z.ZodType<DataOf<T>> };

const id = () => open(z.string());
const instant = () => open(z.iso.datetime({ precision: 3 }));
const word = () => open(z.string());
const count = () => open(z.int().min(0));
/** Names of people and machines. */
const who = () => personal(z.string());
const people = () => z.array(who()).readonly();
/** What tells about the person that is named there. */
const about = (owner: string) => personal(z.string(), owner);
const prose = () => sensitive(z.string());
const digest = () => open(z.string().regex(/^[0-9a-f]{64}$/));
const words = () => open(z.array(z.string()).readonly());
const privateWords = () => sensitive(z.array(z.string()).readonly());

const digestOrNone = () => open(z.string().regex(/^([0-9a-f]{64})?$/));
const difference = () => open(z.enum(differenceKinds));

const category = () => open(z.enum(retainedCategories));

const decision = z.strictObject({
  policyVersion: word(),
  rules: words(),
  reason: word(),
  notify: words().exactOptional(),
  seen: z.strictObject({ hour: open(z.int().min(0).max(23)), weekday: open(z.enum(weekdays)) }).exactOptional(),
});

const obligations = z.strictObject({
  maskColumns: z.array(z.strictObject({ column: word(), table: word(), kind: open(z.enum(["full", "partial", "hash", "null", "token", "round"])) })).readonly(),
  detectors: open(z.array(z.enum(["email", "card", "ssn", "phone", "iban"])).readonly()),
  rowCap: count(),
  computed: open(z.literal("show")).exactOptional(),
  byteCap: count().exactOptional(),
  timeoutMillis: count().exactOptional(),
  readOnly: open(z.literal(true)).exactOptional(),
  record: open(z.array(z.enum(["input", "output"])).readonly()).exactOptional(),
});

const facts = z.strictObject({
  verbs: words(),
  riskClass: open(z.enum(riskClasses)),
  relationsRead: privateWords(),
  relationsWritten: privateWords(),
  functions: privateWords(),
  hazards: open(z.array(z.enum(hazards)).readonly()),
  statementCount: count(),
  fingerprint: word(),
  columnsRead: privateWords(),
  columnsFiltered: privateWords(),
  columnsMatched: privateWords(),
  columnsWritten: privateWords(),
  columnsCopied: privateWords(),
  rowLimit: count(),
  settings: words(),
  transaction: open(z.enum(transactionStates)),
  unclassifiedReason: word(),
});

const parameter = z.strictObject({
  typeOid: count(),
  format: open(z.enum(["text", "binary"])),
  value: sensitive(z.string().nullable()).exactOptional(),
  encoding: open(z.enum(["utf8", "hex"])).exactOptional(),
  bytes: count(),
});

const command = z.strictObject({
  commandId: open(z.int().min(1)),
  via: open(z.enum(["simple", "parse", "execute", "bind", "function_call"])),
  statement: prose().exactOptional(),
  statementBytes: count(),
  redacted: open(z.boolean()),
  parameters: z.array(parameter).readonly(),
  recording: z.strictObject({ from: count(), to: count() }).exactOptional(),
  digest: digest(),
  facts,
});

const resource = z.strictObject({ name: word(), protocol: word(), labels: open(z.record(z.string(), z.string())), agentId: id() });

export const schemas = {
  JoinTokenIssued: z.strictObject({ agentId: id(), name: word(), tokenHash: sensitive(z.string()), expiresAt: instant() }),
  AgentEnrolled: z.strictObject({ agentId: id(), name: word() }),
  AgentCertificateIssued: z.strictObject({ agentId: id(), serial: word(), fingerprint: word(), notBefore: instant(), notAfter: instant() }),
  AgentConnected: z.strictObject({ agentId: id(), nodeId: id(), version: word(), address: prose(), certificateFingerprint: word(), resources: words() }),
  AgentDisconnected: z.strictObject({
    agentId: id(),
    cause: open(z.enum(["closed", "lost", "drained", "revoked", "replaced", "protocol_violation", "shutdown", "control_plane_lost"])),
  }),
  AgentRevoked: z.strictObject({ agentId: id(), reason: prose() }),
  AgentNameReserved: z.strictObject({ nameHash: id(), agentId: id() }),

  ApprovalRequested: z.strictObject({
    approvalId: id(),
    sessionId: id(),
    command,
    resource: word(),
    requestedBy: who(),
    onBehalfOf: who().exactOptional(),
    decision,
    quorum: open(z.int().min(1)),
    steps: z.array(z.strictObject({ people: open(z.int().min(1)), groups: words() })).readonly(),
    denyBy: words(),
    approverHours: words(),
    escalation: z.strictObject({ to: word(), at: instant() }).exactOptional(),
    expiresAt: instant(),
    counterTo: id().exactOptional(),
    plan: z
      .strictObject({
        commands: z.array(z.strictObject({ statement: prose(), digest: digest(), facts, rules: words() })).readonly(),
        forSeconds: open(z.int().min(1)),
        reason: about("requestedBy"),
      })
      .exactOptional(),
  }),
  ApprovalGiven: z.strictObject({
    approvalId: id(),
    by: who(),
    comment: about("by"),
    decision,
    step: count(),
    groups: words(),
    forSeconds: open(z.int().min(1)).exactOptional(),
  }),
  ApprovalCounterProposed: z.strictObject({ approvalId: id(), by: who(), comment: about("by"), statement: prose(), digest: digest(), facts, decision }),
  ApprovalCounterAccepted: z.strictObject({ approvalId: id(), by: who(), digest: digest() }),
  ApprovalPreviewRequested: z.strictObject({
    approvalId: id(),
    previewId: id(),
    by: who(),
    kind: open(z.enum(["plan", "dry_run"])),
    digest: digest(),
    decision,
  }),
  ApprovalPreviewed: z.strictObject({
    approvalId: id(),
    previewId: id(),
    // Holds constants of the statement.
    plan: prose(),
    dryRun: z.strictObject({ rows: count(), before: count(), after: count() }).exactOptional(),
    previewDigest: digest(),
  }),
  ApprovalPreviewFailed: z.strictObject({ approvalId: id(), previewId: id(), code: word(), message: prose() }),
  ApprovalEscalated: z.strictObject({ approvalId: id(), to: word() }),
  ApprovalGranted: z.strictObject({ approvalId: id(), approvers: people(), until: instant().exactOptional() }),
  ApprovalUsed: z.strictObject({ approvalId: id(), sessionId: id(), commandId: open(z.int().min(1)), digest: digest() }),
  ApprovalDenied: z.strictObject({ approvalId: id(), by: who(), comment: about("by"), decision, vetoOf: word().exactOptional() }),
  ApprovalExpired: z.strictObject({ approvalId: id(), expiresAt: instant() }),
  ApprovalWithdrawn: z.strictObject({ approvalId: id(), cause: open(z.enum(["client_gone", "cancelled", "drift", "control_plane_lost"])) }),
  ApprovalConsumed: z.strictObject({ approvalId: id(), sessionId: id(), commandId: open(z.int().min(1)), digest: digest() }),
  ApprovalRevoked: z.strictObject({ approvalId: id(), by: who(), reason: about("by") }),

  ErasureRequested: z.strictObject({
    erasureId: id(),
    subject: id(),
    identityId: who(),
    requestedBy: who(),
    reason: about("requestedBy"),
    quorum: open(z.int().min(1)),
    expiresAt: instant(),
  }),
  ErasureApproved: z.strictObject({ erasureId: id(), by: who(), comment: about("by") }),
  ErasureGranted: z.strictObject({ erasureId: id(), subject: id(), approvers: people() }),
  ErasureDenied: z.strictObject({ erasureId: id(), by: who(), comment: about("by") }),
  SubjectKeyDestroyed: z.strictObject({ erasureId: id(), subject: id() }),

  ForwardingAttested: z.strictObject({
    agentId: id(),
    sessionId: id(),
    sequence: open(z.int().min(1)),
    commands: count(),
    bytes: count(),
    digest: digest(),
    final: open(z.boolean()),
    statedAt: instant(),
    certificate: word(),
    signature: word(),
  }),

  AccessRequested: z.strictObject({
    grantId: id(),
    requestedBy: who(),
    onBehalfOf: who().exactOptional(),
    resource: word(),
    durationSeconds: open(z.int().min(1)),
    reason: about("requestedBy"),
    ticket: about("requestedBy"),
    decision,
    quorum: count(),
    emergency: open(z.literal(true)).exactOptional(),
    expiresAt: instant(),
  }),
  AccessApproved: z.strictObject({ grantId: id(), by: who(), comment: about("by"), decision }),
  AccessDenied: z.strictObject({ grantId: id(), by: who(), comment: about("by"), decision }),
  AccessRequestWithdrawn: z.strictObject({ grantId: id(), by: who() }),
  AccessRequestExpired: z.strictObject({ grantId: id(), expiresAt: instant() }),
  AccessGranted: z.strictObject({ grantId: id(), requestedBy: who(), resource: word(), approvers: people(), startsAt: instant(), endsAt: instant() }),
  BreakGlassOpened: z.strictObject({
    grantId: id(),
    requestedBy: who(),
    resource: word(),
    endsAt: instant(),
    reviewBy: instant(),
    notify: words().exactOptional(),
  }),
  BreakGlassReviewed: z.strictObject({ grantId: id(), by: who(), verdict: open(z.enum(reviewVerdicts)), comment: about("by"), decision }),
  BreakGlassReviewOverdue: z.strictObject({
    grantId: id(),
    reviewBy: instant(),
    escalation: open(z.int().min(1)),
    nextAt: instant().exactOptional(),
    notify: words().exactOptional(),
  }),
  GrantUsed: z.strictObject({ grantId: id(), sessionId: id() }),
  GrantExpired: z.strictObject({ grantId: id(), endsAt: instant() }),
  GrantRevoked: z.strictObject({ grantId: id(), by: who(), reason: about("by") }),

  IdentityProvisioned: z.strictObject({ identityId: who(), kind: open(z.enum(["human", "machine"])), groups: words() }),
  RolesChanged: z.strictObject({ identityId: who(), groups: words() }),
  TokenIssued: z.strictObject({ identityId: who(), tokenId: id(), tokenHash: sensitive(z.string()), expiresAt: instant(), note: about("identityId") }),
  TokenRevoked: z.strictObject({ identityId: who(), tokenId: id() }),
  SignInFailed: z.strictObject({ identityId: who(), address: about("identityId"), code: word() }),
  IdentityDisabled: z.strictObject({ identityId: who(), reason: about("identityId") }),

  CheckpointSigned: z.strictObject({
    treeSize: open(z.int().min(1)),
    root: word(),
    time: instant(),
    position: word(),
    leaves: word(),
    key: word(),
    signature: word(),
  }),
  SigningKeyRotated: z.strictObject({ oldKey: word(), newKey: word(), time: instant(), oldSignature: word(), newSignature: word() }),

  NodeStarted: z.strictObject({ nodeId: id(), version: word() }),
  FailClosedEntered: z.strictObject({ nodeId: id(), cause: word(), since: instant() }),
  FailClosedLeft: z.strictObject({ nodeId: id(), refusedCommands: count() }),
  PolicyLoadFailed: z.strictObject({ nodeId: id(), policyVersion: word(), keeps: word(), cause: prose() }),
  NodeStopped: z.strictObject({ nodeId: id() }),

  NotificationFailed: z.strictObject({ notificationId: id(), channel: word(), eventId: id(), eventType: word(), attempts: count(), failure: word() }),
  NotificationRetried: z.strictObject({ notificationId: id(), by: who() }),

  PolicyProposed: z.strictObject({
    version: word(),
    digest: digestOrNone(),
    // Policies name people and where the valuables are.
    files: sensitive(z.array(z.strictObject({ name: z.string(), text: z.string() })).readonly()),
    names: z.strictObject({ groups: words(), labels: words() }),
    reason: prose(),
    base: word(),
    proposedBy: who(),
    onBehalfOf: who().exactOptional(),
    required: count(),
  }),
  PolicyTried: z.strictObject({
    version: word(),
    by: who(),
    since: instant(),
    until: instant(),
    decisions: count(),
    unreproducible: count(),
    differences: z.array(z.strictObject({ kind: difference(), count: count() })).readonly(),
    rules: z.array(z.strictObject({ kind: difference(), rule: word(), count: count() })).readonly(),
  }),
  PolicyApproved: z.strictObject({ version: word(), digest: digestOrNone(), by: who(), comment: about("by") }),
  PolicyRejected: z.strictObject({ version: word(), by: who(), comment: about("by") }),
  PolicyProposalWithdrawn: z.strictObject({ version: word(), by: who() }),
  PolicySuperseded: z.strictObject({ version: word(), replacedBy: word() }),
  PolicyPublished: z.strictObject({
    version: word(),
    digest: digestOrNone(),
    required: count(),
    rule: open(z.enum(approvalRules)),
    approvers: people(),
  }),
  PolicyRetired: z.strictObject({ version: word(), replacedBy: word() }),

  InputRecorded: z.strictObject({
    sequence: count(),
    commandId: open(z.int().min(1)),
    part: open(z.union([z.literal("statement"), z.int().min(0)])),
    offset: count(),
    base64: prose(),
  }),
  OutputRecorded: z.strictObject({ sequence: count(), commandId: count(), bytes: count(), gzipBase64: prose() }),

  ResourceRegistered: resource,
  ResourceChanged: resource,
  ResourceRetired: z.strictObject({ name: word(), agentId: id() }),

  RetentionStarted: z.strictObject({
    runId: id(),
    trigger: open(z.enum(["schedule", "administrator"])),
    rules: z.array(z.strictObject({ category: category(), keepSeconds: count(), cutOff: instant() })).readonly(),
  }),
  StreamsRemoved: z.strictObject({
    runId: id(),
    category: category(),
    cutOff: instant(),
    streams: z.array(z.strictObject({ stream: word(), events: count(), leaves: word() })).readonly(),
  }),
  RetentionFinished: z.strictObject({
    runId: id(),
    outcome: open(z.enum(["completed", "failed"])),
    failure: word().exactOptional(),
    streams: count(),
    events: count(),
  }),

  SessionRequested: z.strictObject({
    sessionId: id(),
    nodeId: id(),
    identity: z.strictObject({ id: who(), kind: open(z.enum(["human", "machine"])), groups: words() }),
    tokenId: id(),
    resource: word(),
    protocol: word(),
    clientAddress: about("identity.id"),
    application: about("identity.id"),
    transport: word(),
    parameters: personal(z.record(z.string(), z.string()), "identity.id"),
  }),
  PurposeStated: z.strictObject({ sessionId: id(), by: who(), reason: about("by"), ticket: about("by") }),
  SessionOpened: z.strictObject({
    sessionId: id(),
    agentId: id(),
    decision,
    grantId: id().exactOptional(),
    emergency: open(z.literal(true)).exactOptional(),
    readOnly: open(z.literal(true)).exactOptional(),
  }),
  SessionRefused: z.strictObject({
    sessionId: id(),
    code: word(),
    message: prose(),
    decision: decision.exactOptional(),
    grantId: id().exactOptional(),
    emergency: open(z.literal(true)).exactOptional(),
  }),
  CommandAuthorized: command.extend({ decision, obligations, approvalId: id().exactOptional() }),
  CommandDenied: command.extend({ decision, code: word(), approvalId: id().exactOptional() }),
  CommandHeld: command.extend({ decision, approvalId: id(), expiresAt: instant() }),
  CommandReleased: z.strictObject({ commandId: open(z.int().min(1)), approvalId: id(), digest: digest(), approvers: people(), obligations }),
  CommandCompleted: z.strictObject({
    commandId: open(z.int().min(1)),
    outcome: open(z.enum(["succeeded", "failed", "cancelled", "unknown"])),
    errorCode: word().exactOptional(),
    tag: word(),
    rows: count(),
    withheldRows: count(),
    bytes: count(),
    // Column names can tell what is stored about people.
    maskedCells: sensitive(z.record(z.string(), z.int().min(0))),
    resultDigest: open(z.string().regex(/^([0-9a-f]{64})?$/)),
    durationMicros: count(),
    limit: open(z.enum(["rows", "bytes", "time"])).exactOptional(),
  }),
  SessionEnded: z.strictObject({
    sessionId: id(),
    cause: open(
      z.enum([
        "client_closed",
        "client_lost",
        "client_timeout",
        "protocol_violation",
        "target_closed",
        "agent_lost",
        "ledger_lost",
        "ended_by_administrator",
        "identity_disabled",
        "token_revoked",
        "token_expired",
        "grant_expired",
        "grant_revoked",
        "policy_changed",
        "shutdown",
        "control_plane_lost",
        "internal_error",
      ]),
    ),
    message: prose(),
    commands: count(),
    bytesToTarget: count(),
    bytesToClient: count(),
  }),
} as const satisfies Schemas;

/** Each name whose schema says less, or other, than the type does. Empty; the test holds the compiler to it. */
export type SchemaMismatch = { [T in EventType]: DataOf<T> extends z.infer<(typeof schemas)[T]> ? never : T }[EventType];
