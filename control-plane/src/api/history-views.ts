import type {
  Access as AccessMessage,
  AccessDecision,
  AsOf as AsOfMessage,
  ExplainDecisionResponse,
  ExplainedDecision as DecisionMessage,
  ExplainedVote as VoteMessage,
  FoundCommand,
  GetStateAsOfResponse,
  OwnAccess as OwnAccessMessage,
} from "@sallyport/proto/gen/sallyport/api/v1/history";
import type { CommandRow } from "../application/projections/read-model-store.ts";
import type { Access } from "../application/time-travel/access-as-of.ts";
import type { OwnAccess } from "../application/time-travel/authority-as-of.ts";
import type { ExplainedDecision, ExplainedVote } from "../application/time-travel/decide-again.ts";
import { type Explanation, holds } from "../application/time-travel/explain.ts";
import type { AsOf, StateAsOf } from "../application/time-travel/state-as-of.ts";
import type { AgentState } from "../domain/agent/agent.decider.ts";
import type { Decision } from "../domain/decision.ts";
import { grantView } from "./grant-view.ts";
import { approvalView, eventView, identityView, sessionView } from "./views.ts";

export const foundCommand = ({ session, command, at, ...row }: CommandRow): FoundCommand => ({
  ...row,
  sessionId: session,
  commandId: command,
  at: new Date(at),
  rows: BigInt(row.rows),
});

export const asOfView = (asOf: AsOf | undefined): AsOfMessage => ({ position: asOf?.position ?? 0n, recordedAt: asOf?.recordedAt });

export function stateView(state: StateAsOf): GetStateAsOfResponse {
  const resources = [...state.resources.states()].filter(({ status }) => status === "registered");
  const agents = [...state.agents.states()];
  const isUp = ({ status, connected }: AgentState): boolean => status === "enrolled" && connected;
  return {
    asOf: asOfView(state.asOf),
    removed: state.removed.map(({ category, cutOff, runId }) => ({ category, endedBefore: new Date(cutOff), runId })),
    policyVersion: state.policy.published?.version ?? "",
    identities: [...state.identities.states()].map(({ identityId: id, kind, groups, status }) =>
      identityView({ id, kind, groups, disabled: status === "disabled" }),
    ),
    agents: agents.map((agent) => ({
      id: agent.agentId,
      name: agent.name,
      connected: isUp(agent),
      revoked: agent.status === "revoked",
      version: agent.version,
      resources: resources.filter(({ agentId }) => agentId === agent.agentId).map(({ name }) => name),
      certificateExpiresAt: agent.certificateNotAfter === "" ? undefined : new Date(agent.certificateNotAfter),
    })),
    resources: resources.map(({ name, protocol, labels, agentId }) => ({
      name,
      protocol,
      labels: { ...labels },
      agentId,
      online: agents.some((agent) => agent.agentId === agentId && isUp(agent)),
    })),
    sessions: state.openSessions().map(sessionView),
    approvals: state.openApprovals().map(approvalView),
    grants: state.openGrants().map(grantView),
    delegations: [...state.openDelegations()],
  };
}

export const accessView = ({ principal, resource, agent, decisions, grant, inPlaceOf }: Access): AccessMessage => ({
  identity: identityView({ ...principal, disabled: false }),
  resource: resource.name,
  agentId: resource.agentId,
  agentState: agent,
  grantedUntil: grant?.endsAt,
  decisions: decisions.map(({ action, riskClass, decision }) => accessDecision(action, decision, { riskClass: riskClass ?? "", area: "" })),
  inPlaceOf: inPlaceOf.map(({ from, until, approve }) => ({ from, until, approve: accessDecision("approve", approve, { riskClass: "", area: "" }) })),
});

export const ownAccessView = ({ principal, decisions }: OwnAccess): OwnAccessMessage => ({
  identity: identityView({ ...principal, disabled: false }),
  decisions: decisions.map(({ action, area, decision }) => accessDecision(action, decision, { riskClass: "", area })),
});

const accessDecision = (
  action: string,
  { effect, quorum, rules, reason }: Decision,
  more: { readonly riskClass: string; readonly area: string },
): AccessDecision => ({ action, effect, quorum, rules: [...rules], reason, ...more });

export function explanationView(explanation: Explanation): ExplainDecisionResponse {
  const { sessionId, commandId, requested, steps, decision, approval, approvalRemoved, access, continued } = explanation;
  const { principal, resource } = decision?.again ?? {};
  const command = steps.map(({ event }) => event.data).find((data) => "statementBytes" in data);
  return {
    verdict: decision === undefined ? "none" : holds(explanation) ? "same" : "different",
    sessionId,
    commandId,
    identity: identityView({ ...(principal ?? requested.identity), disabled: decision !== undefined && principal === undefined }),
    resource: {
      name: requested.resource,
      protocol: resource?.protocol ?? requested.protocol,
      labels: { ...resource?.labels },
      agentId: "",
      online: false,
    },
    statement: command === undefined ? "" : (command.statement ?? `<${command.statementBytes} bytes, in the session's recording>`),
    digest: command?.digest ?? "",
    factsJson: command === undefined ? "" : JSON.stringify(command.facts),
    decision: decision && decisionView(decision),
    approval: approval && approvalView(approval.view),
    approvalRemoved: approvalRemoved ?? "",
    votes: (approval?.votes ?? []).map(voteView),
    grant: access && grantView(access.view),
    grantDecision: access && decisionView(access.asked),
    grantVotes: (access?.votes ?? []).map(voteView),
    continued: continued && decisionView(continued),
    events: steps.map(({ recorded }) => eventView(recorded)),
  };
}

const voteView = (vote: ExplainedVote): VoteMessage => ({
  by: vote.by,
  agreed: vote.agreed,
  comment: vote.comment,
  at: new Date(vote.taken.in.metadata.at),
  decision: decisionView(vote),
});

const decisionView = ({ taken, again }: ExplainedDecision): DecisionMessage => ({
  verdict: again.verdict,
  recordedEffect: taken.effect ?? "",
  policyVersion: taken.recorded.policyVersion,
  recordedRules: [...taken.recorded.rules],
  recordedReason: taken.recorded.reason,
  effect: again.decision?.effect ?? "",
  rules: [...(again.decision?.rules ?? [])],
  reason: again.decision?.reason ?? "",
  quorum: again.decision?.quorum ?? 0,
  differences: [...again.differences],
  beforeChangeAt: again.verdict === "same" ? again.beforeChangeAt : undefined,
});
