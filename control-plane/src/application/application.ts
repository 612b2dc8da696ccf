import { SallyportError } from "@sallyport/proto/errors";
import type { Logger } from "pino";
import type { ConfiguredApprovals } from "../domain/policy/approvals-required.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { createAgents } from "./agents.ts";
import { deadlineOf as approvalDeadline } from "./approval-view.ts";
import { type ApprovalService, createApprovals } from "./approvals.ts";
import { escalatesAt } from "./approvable.ts";
import { deadlineOf as delegationEnd } from "./delegation-view.ts";
import { createDelegations, type Delegations } from "./delegations.ts";
import { createErasures, type ErasureService } from "./erasures.ts";
import { createExecute } from "./execute-command.ts";
import { startExpiry } from "./expiry.process.ts";
import { FailClosed } from "./fail-closed.ts";
import { createForwarding } from "./forwarding.ts";
import { dueAt } from "./grant-view.ts";
import { createGrants, type GrantService } from "./grants.ts";
import { createIdentities } from "./identities.ts";
import { LiveState } from "./live-state.ts";
import { createPolicies } from "./policies.ts";
import { cannotRehearse } from "./policy-examination.ts";
import type { PolicyService } from "./policy-changes.ts";
import type { Agents, Clock, Forwarding, Identities, Resources, Subjects } from "./ports.ts";
import type { PolicyCompiler, PolicyRehearsal } from "./policy-ports.ts";
import type { Previewer, Previews } from "./preview-ports.ts";
import { createPreviews } from "./previews.ts";
import { createRecovery, type Recovery } from "./recovery.process.ts";
import { createRecordedResources, type RecordedResources } from "./recorded-resources.ts";
import { createResources } from "./resources.ts";
import { createRunningSessions, type RunningSessions } from "./running-sessions.ts";
import { type Scheduler, systemScheduler } from "./scheduler.ts";
import { SessionRecord } from "./session-record.ts";
import { createSessions, type Sessions } from "./sessions.ts";
import { createVoters } from "./voters.ts";

export interface ApplicationDeps {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly log: Logger;
  readonly compiler: PolicyCompiler;
  /** Without it nothing can run tests beside the rules, and a set that has some is refused. */
  readonly rehearse?: PolicyRehearsal;
  readonly subjects: Subjects;
  readonly nodeId: string;
  readonly scheduler?: Scheduler;
  readonly breakGlassWhileOverdue?: boolean;
  /** How many others must agree to a policy; `auto` when absent. */
  readonly policyApprovals?: ConfiguredApprovals;
}

export interface Application {
  readonly identities: Identities;
  readonly agents: Agents;
  readonly forwarding: Forwarding;
  readonly resources: Resources;
  readonly policies: PolicyService;
  readonly approvals: ApprovalService;
  readonly grants: GrantService;
  readonly delegations: Delegations;
  readonly erasures: ErasureService;
  readonly sessions: Sessions;
  readonly running: RunningSessions;
  readonly failClosed: FailClosed;
  readonly recovery: Recovery;
  /** What was decided on; broken when `failure` is set. */
  readonly live: LiveState;
  /** Once there is somebody who can look. */
  previews(previewer: Previewer): Previews;
  /** For a new session: nobody else writes its stream. */
  openRecord(sessionId: string): SessionRecord;
  readonly recordedResources: RecordedResources;
  /** Records NodeStopped and lets go of everything but the ledger. */
  close(): Promise<void>;
}

export const systemClock: Clock = { now: () => new Date() };

/** Sessions to be ended in the record when the ledger is back. One that is not among them is ended at the next start. */
export const MAX_ABANDONED_SESSIONS = 10_000;

/** Resolves when the views show everything that is in the ledger. `recovery.run` comes next, then serving. */
export async function createApplication({
  ledger,
  clock,
  log,
  compiler,
  rehearse = cannotRehearse,
  subjects,
  nodeId,
  scheduler = systemScheduler,
  breakGlassWhileOverdue = false,
  policyApprovals = "auto",
}: ApplicationDeps): Promise<Application> {
  const live = new LiveState({ ledger, scheduler, log });
  const failClosed = new FailClosed({ ledger, live, clock, scheduler, log, nodeId });
  const watched = failClosed.watch(ledger);
  const execute = createExecute({ ledger: watched, clock, applied: (events) => live.applyOwn(events) });
  const deps = { ledger: watched, live, execute, clock, log, nodeId };

  const resources = createResources(deps);
  const policies = createPolicies({ ...deps, compiler, rehearse, approvals: policyApprovals });
  const voters = createVoters({ ...deps, policies, resources });
  const approvals = createApprovals({ ...deps, policies, resources, voters });
  const grants = createGrants({ ...deps, policies, resources, scheduler, voters, breakGlassWhileOverdue });
  const delegations = createDelegations(deps);
  const recovery = createRecovery(deps);
  const running = createRunningSessions(live);

  const abandoned = new Set<string>();
  const endAbandoned = (): void => {
    for (const sessionId of abandoned) {
      abandoned.delete(sessionId);
      recovery.endSession(sessionId, "ledger_lost", "The record could not be written.").catch((error: unknown) => {
        log.warn({ err: error, sessionId }, "an abandoned session could not be ended");
        // Again when the ledger is back; any other failure would only come again.
        if (error instanceof SallyportError && error.code === "ledger.unavailable") abandon(sessionId);
      });
    }
  };
  const abandon = (sessionId: string): void => {
    if (abandoned.size < MAX_ABANDONED_SESSIONS) abandoned.add(sessionId);
    else log.error({ sessionId }, "too many abandoned sessions; this one is ended at the next start");
    if (failClosed.state().kind === "open") endAbandoned();
  };
  failClosed.onLeft(endAbandoned);

  try {
    await live.ready();
  } catch (error) {
    await live.close();
    throw error;
  }
  policies.current(); // compiled now, not for the first command
  const stop = new AbortController();
  const timed = { live, clock, scheduler, log };
  startExpiry(timed, { views: live.approvals, category: "approval", deadlineOf: approvalDeadline, expire: (id) => approvals.expire(id) }, stop.signal);
  startExpiry(timed, { views: live.approvals, category: "approval", deadlineOf: escalatesAt, expire: (id) => approvals.escalate(id) }, stop.signal);
  startExpiry(timed, { views: live.grants, category: "grant", deadlineOf: dueAt, expire: (id) => grants.expire(id) }, stop.signal);
  startExpiry(timed, { views: live.grants, category: "grant", deadlineOf: escalatesAt, expire: (id) => grants.escalate(id) }, stop.signal);
  startExpiry(timed, { views: live.delegations, category: "delegation", deadlineOf: delegationEnd, expire: (id) => delegations.expire(id) }, stop.signal);

  const recordDeps = { ledger: watched, clock, scheduler, log, refused: () => failClosed.countRefused(), abandoned: abandon };

  const identities = createIdentities(deps);
  return {
    identities,
    agents: createAgents({ ...deps, resources }),
    forwarding: createForwarding({ execute: createExecute({ ledger: watched, clock }) }),
    resources,
    policies,
    approvals,
    grants,
    delegations,
    erasures: createErasures({ ...deps, subjects }),
    sessions: createSessions(watched),
    running,
    failClosed,
    recovery,
    live,
    recordedResources: createRecordedResources(live),
    previews: (previewer) => createPreviews({ ...deps, approvals, policies, resources, identities }, previewer),
    openRecord: (sessionId) => new SessionRecord(recordDeps, sessionId),
    async close() {
      stop.abort();
      await policies.settled();
      await recovery.stopped().catch((error: unknown) => log.warn({ err: error }, "the stop could not be recorded"));
      await failClosed.close();
      await live.close();
    },
  };
}
