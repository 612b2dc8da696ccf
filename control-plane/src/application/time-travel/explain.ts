import { SallyportError } from "@sallyport/proto/errors";
import { type ApprovalEvent, approvalStream } from "../../domain/approval/approval.events.ts";
import { upcast } from "../../domain/catalogue.ts";
import { type ByGrant, grantedIn, type Purpose } from "../../domain/decision.ts";
import type { DomainEvent } from "../../domain/events.ts";
import { type SessionEvent, sessionStream } from "../../domain/session/session.events.ts";
import type { Ledger, RecordedEvent } from "../../ledger/ledger.ts";
import { removalNote, sessionNotFound } from "../retention/removed.ts";
import { evolveView } from "../approval-view.ts";
import type { ApprovalView } from "../approval-ports.ts";
import { decideAgain, type ExplainedDecision, type ExplainedVote, type Taken } from "./decide-again.ts";
import { type ExplainedAccess, accessOf } from "./explain-access.ts";
import type { PolicyVersions } from "./policy-versions.ts";

/** What happened, in the order of the record. */
export interface Step {
  readonly recorded: RecordedEvent;
  readonly event: DomainEvent;
  /** What the client had said by then about why. */
  readonly purpose: Purpose;
}

export interface ExplainedApproval {
  readonly view: ApprovalView;
  readonly votes: readonly ExplainedVote[];
}

export interface Explanation {
  readonly sessionId: string;
  /** 0: of the session itself. */
  readonly commandId: number;
  readonly requested: Extract<SessionEvent, { type: "SessionRequested" }>["data"];
  readonly steps: readonly Step[];
  /** Absent when the record holds none: what was refused before policy was asked. */
  readonly decision: ExplainedDecision | undefined;
  readonly approval: ExplainedApproval | undefined;
  /** By which run and when, if there was one and it is gone. */
  readonly approvalRemoved: string | undefined;
  /** The grant that the session used then. */
  readonly access: ExplainedAccess | undefined;
  /** That it might go on with it, where it had begun with another one. */
  readonly continued: ExplainedDecision | undefined;
}

export interface ExplainDeps {
  readonly ledger: Ledger;
  readonly policies: PolicyVersions;
}

/** Why a session was opened or refused, or what was decided on one of its commands. Fails with `session.not_found`, `input.invalid`. */
export async function explain(deps: ExplainDeps, sessionId: string, commandId: number): Promise<Explanation> {
  const { requested, steps, continued, grantId, granted } = await stepsOf(deps.ledger, sessionId, commandId);
  if (steps.length === 0)
    throw new SallyportError("input.invalid", `Session ${sessionId} has no command ${String(commandId)} in its record.`, { command: String(commandId) });
  const taken = steps.map((step) => takenIn(step, requested, granted)).find((each) => each !== undefined);
  const approvalId = steps
    .map(({ event }) =>
      event.type === "CommandHeld" || event.type === "CommandDenied" || event.type === "CommandAuthorized" ? event.data.approvalId : undefined,
    )
    .find((id) => id !== undefined);
  const approval = approvalId === undefined ? undefined : await approvalOf(deps, approvalId);
  // What was approved for a while, or in a plan, was asked for by another decision.
  const held = steps.some(({ event }) => event.type === "CommandHeld") ? approval?.view : undefined;
  const asked = taken === undefined || held === undefined ? taken : { ...taken, terms: held };
  return {
    sessionId,
    commandId,
    requested,
    steps,
    decision: asked === undefined ? undefined : { taken: asked, again: await decideAgain(deps.ledger, deps.policies, asked) },
    approval,
    approvalRemoved: approvalId === undefined || approval !== undefined ? undefined : await removalNote(deps.ledger, approvalStream(approvalId)),
    access: grantId === undefined ? undefined : await accessOf(deps, grantId),
    continued: continued && { taken: continued, again: await decideAgain(deps.ledger, deps.policies, continued) },
  };
}

async function stepsOf(
  ledger: Ledger,
  sessionId: string,
  commandId: number,
): Promise<
  Pick<Explanation, "requested" | "steps"> & { readonly continued: Taken | undefined; readonly grantId: string | undefined; readonly granted: ByGrant }
> {
  let requested: Explanation["requested"] | undefined;
  let grantId: string | undefined;
  let continued: Taken | undefined;
  let granted: ByGrant = false;
  let purpose: Purpose = { reason: "", ticket: "" };
  const steps: Step[] = [];
  for await (const recorded of ledger.readStream(sessionStream(sessionId))) {
    const event = upcast(recorded) as SessionEvent;
    if (event.type === "SessionRequested") requested = event.data;
    if (event.type === "PurposeStated") purpose = { reason: event.data.reason, ticket: event.data.ticket };
    if (event.type === "SessionOpened" || event.type === "SessionRefused") {
      ({ grantId } = event.data);
      granted = grantedIn(event.data);
    }
    if (event.type === "SessionContinued" && requested !== undefined && steps.length === 0) {
      ({ grantId } = event.data);
      continued = takenIn({ recorded, event, purpose }, requested, grantedIn(event.data));
    }
    const concerns = "commandId" in event.data ? event.data.commandId === commandId : commandId === 0 && event.type !== "SessionEnded";
    if (concerns) steps.push({ recorded, event, purpose });
    // Nothing of it follows; a session may go on for a million commands.
    if (concerns && (event.type === "CommandCompleted" || event.type === "SessionOpened")) break;
  }
  if (requested === undefined) throw await sessionNotFound(ledger, sessionId);
  return { requested, steps, continued, grantId, granted };
}

/** The decision that an event holds. What kind of event it is tells what was decided, but for a denial that had another reason than policy. */
function takenIn({ recorded, event, purpose }: Step, { identity, resource, clientAddress }: Explanation["requested"], granted: ByGrant): Taken | undefined {
  const circumstances = { clientAddress, purpose };
  const open = { action: "open", principal: identity, resource, granted, circumstances, in: recorded } as const;
  const run = { action: "run", principal: identity.id, resource, granted, circumstances, in: recorded } as const;
  switch (event.type) {
    case "SessionOpened":
      return { ...open, recorded: event.data.decision, effect: "allow" };
    case "SessionContinued":
      // By who the requester was by then, not as they had come.
      return { ...open, principal: identity.id, recorded: event.data.decision, effect: "allow" };
    case "SessionRefused":
      return event.data.decision === undefined
        ? undefined
        : { ...open, recorded: event.data.decision, effect: event.data.code.startsWith("policy.") ? "deny" : "allow" };
    case "CommandAuthorized":
      return {
        ...run,
        facts: event.data.facts,
        recorded: event.data.decision,
        effect: event.data.approvalId === undefined ? "allow" : "not_deny",
        obligations: event.data.obligations,
      };
    case "CommandHeld":
      return { ...run, facts: event.data.facts, recorded: event.data.decision, effect: "needs_approval" };
    case "CommandDenied":
      return { ...run, facts: event.data.facts, recorded: event.data.decision, effect: event.data.code.startsWith("policy.") ? "deny" : undefined };
    default:
      return undefined;
  }
}

async function approvalOf({ ledger, policies }: ExplainDeps, approvalId: string): Promise<ExplainedApproval | undefined> {
  let view: ApprovalView | undefined;
  const votes: ExplainedApproval["votes"][number][] = [];
  for await (const recorded of ledger.readStream(approvalStream(approvalId))) {
    const event = upcast(recorded) as ApprovalEvent;
    view = evolveView(view, event, recorded.metadata.at);
    if (view === undefined || (event.type !== "ApprovalGiven" && event.type !== "ApprovalDenied")) continue;
    const { by, onBehalfOf = by, comment, decision } = event.data;
    const taken: Taken = {
      action: "approve",
      // Whoever took somebody's place was decided on as them.
      principal: onBehalfOf,
      resource: view.resource,
      facts: view.command.facts,
      recorded: decision,
      // Who refuses for a group that may needs no permission to decide.
      effect: event.type === "ApprovalDenied" && event.data.vetoOf !== undefined ? undefined : "allow",
      in: recorded,
    };
    votes.push({ by, comment, agreed: event.type === "ApprovalGiven", taken, again: await decideAgain(ledger, policies, taken) });
  }
  return view === undefined ? undefined : { view, votes };
}

/** Every decision of an explanation was taken again to the same answer. */
export const holds = ({ decision, approval, access, continued }: Explanation): boolean =>
  decision?.again.verdict !== "different" &&
  continued?.again.verdict !== "different" &&
  access?.asked.again.verdict !== "different" &&
  [...(approval?.votes ?? []), ...(access?.votes ?? [])].every(({ again }) => again.verdict === "same");
