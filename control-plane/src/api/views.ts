import {
  Approval,
  type ApprovalStep,
  type Identity,
  type PreviewResponse,
  type RecordedEvent as EventMessage,
  type SampleRow,
  type Session,
} from "@sallyport/proto/gen/sallyport/api/v1/api";
import type { ApprovalView } from "../application/approval-ports.ts";
import type { IdentityView } from "../application/ports.ts";
import type { Preview } from "../application/preview-ports.ts";
import type { SessionRow } from "../application/projections/read-model-store.ts";
import { isWhole } from "../application/command-text.ts";
import type { SessionSummary } from "../application/session-summary.ts";
import { groupsOf, type Standing } from "../domain/approval/quorum.ts";
import { withheldOf } from "../domain/session/withheld.ts";
import type { RecordedEvent } from "../ledger/ledger.ts";

export const identityView = ({ id, kind, groups, disabled }: IdentityView): Identity => ({ id, kind, groups: [...groups], disabled });

export const eventView = ({ stream, revision, position, id, type, data, metadata, recordedAt }: RecordedEvent): EventMessage => ({
  stream,
  revision,
  position,
  id,
  type,
  dataJson: JSON.stringify(data),
  metadataJson: JSON.stringify(metadata),
  recordedAt,
});

/** For who may take it back and not look at it: that it is so, and nothing of what it is about. */
export const endedView = ({ id, resource, state }: ApprovalView): Approval => Approval.fromPartial({ id, resource, state });

export function approvalView(approval: ApprovalView): Approval {
  const { id, state, sessionId, command, resource, requestedBy, policyVersion, rules, quorum, approvers, requestedAt, expiresAt, decidedBy, comment } =
    approval;
  const { steps, votes, denyBy, approverHours, escalation, escalated, counter, counterTo = "", until, scope, uses, plan, previews, settings } = approval;
  return {
    id,
    state,
    sessionId,
    commandId: String(command.commandId),
    requestedBy,
    resource,
    statement: command.statement ?? `<${command.statementBytes} bytes, in the session's recording>`,
    parameters: command.parameters.map(({ value, encoding, bytes }) =>
      value === null ? "NULL" : value === undefined ? `<${bytes} bytes>` : encoding === "hex" ? `\\x${value}` : value,
    ),
    digest: command.digest,
    policyVersion,
    rule: rules.join(", "),
    riskClass: command.facts.riskClass,
    quorum,
    approvers: [...approvers],
    requestedAt,
    expiresAt,
    decidedBy,
    comment,
    steps: stepsView({ steps, votes, escalatedTo: escalated ? escalation?.to : undefined }),
    denyBy: [...denyBy],
    approverHours: [...approverHours],
    counter,
    counterTo,
    until,
    wholeSession: scope === "session",
    uses,
    plan: (plan?.commands ?? []).map((each) => ({ statement: each.statement, riskClass: each.facts.riskClass })),
    reason: plan?.reason ?? "",
    previews: previews.map((preview) => ({ ...preview, rows: preview.rows === undefined ? undefined : BigInt(preview.rows) })),
    verbs: [...command.facts.verbs],
    relationsRead: [...command.facts.relationsRead],
    relationsWritten: [...command.facts.relationsWritten],
    functions: [...command.facts.functions],
    hazards: [...command.facts.hazards],
    unclassifiedReason: command.facts.unclassifiedReason,
    whole: isWhole(command),
    withheld: withheldOf(command) ?? "",
    sessionSettings: [...(settings?.changedBy ?? [])],
    escalatesTo: escalated ? "" : (escalation?.to ?? ""),
    escalatesAt: escalated ? undefined : escalation?.at,
  };
}

export const stepsView = ({ steps, votes, escalatedTo }: Standing): ApprovalStep[] =>
  steps.map(({ people }, step) => ({
    people,
    groups: [...groupsOf({ steps, escalatedTo }, step)],
    approvers: votes.filter((vote) => vote.step === step).map(({ by, onBehalfOf }) => (onBehalfOf === undefined ? by : `${by} in the place of ${onBehalfOf}`)),
  }));

export const previewView = ({ previewId, previewDigest, plan, dryRun, steps = [] }: Preview): PreviewResponse => ({
  previewId,
  previewDigest,
  plan,
  dryRun:
    dryRun === undefined
      ? undefined
      : {
          rows: BigInt(dryRun.rows),
          columns: [...dryRun.columns],
          before: dryRun.before.map(sampleRow),
          after: dryRun.after.map(sampleRow),
          notes: [...dryRun.notes],
        },
  steps: steps.map(({ rows, ...step }) => ({ ...step, rows: rows === undefined ? undefined : BigInt(rows) })),
});

const sampleRow = (cells: readonly (string | null)[]): SampleRow => ({ cells: cells.map((text) => ({ text: text ?? undefined })) });

export const sessionView = ({
  id,
  identity,
  resource,
  state,
  startedAt,
  endedAt,
  cause,
  message,
  clientAddress,
  application,
  emergency,
}: Omit<SessionSummary, "cause"> & { readonly cause: string }): Session => ({
  id,
  identity,
  resource,
  state,
  requestedAt: startedAt,
  endedAt,
  cause: cause === "" ? message : cause,
  clientAddress,
  application,
  emergency,
});

export const listedSession = ({ startedAt, endedAt, emergency, ...row }: SessionRow): Session =>
  sessionView({ ...row, emergency: emergency === 1, startedAt: new Date(startedAt), endedAt: endedAt === "" ? undefined : new Date(endedAt) });
