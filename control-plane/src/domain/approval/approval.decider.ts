import { SallyportError } from "@sallyport/proto/errors";
import { initialTransition, type SnapshotFrom, transition } from "xstate";
import { reached } from "../decider.ts";
import type { Decision } from "../decision.ts";
import { type CommandFacts, sameFacts } from "../facts.ts";
import { requireSaid, requireStatement, requireText } from "../names.ts";
import { type DecidedBy, requireOtherHuman, requirePermitted } from "../vote.ts";
import type { ApprovalEvent, PreviewKind } from "./approval.events.ts";
import { type ApprovalContext, approvalMachine, isBoundTo, isParty, MAX_PREVIEWS } from "./approval.machine.ts";
import { inPlaceOf, refusalOf, requireHours, requireStep, requireUnheard, type Voter } from "./agreement.ts";
import { isComparable, isNoMoreThan } from "./no-more-than.ts";
import { sharedScope, voteIn, windowSeconds } from "./quorum.ts";
import { peopleIn } from "./terms.ts";
import { spokenDuration } from "../spoken-duration.ts";

type DataOf<T extends ApprovalEvent["type"]> = Extract<ApprovalEvent, { type: T }>["data"];

type PreviewOutcome = Extract<ApprovalEvent, { type: "ApprovalPreviewed" | "ApprovalPreviewFailed" }>;

export type Proposed = Pick<DataOf<"ApprovalCounterProposed">, "statement" | "digest" | "facts">;

export type ApprovalCommand =
  | { readonly type: "Request"; readonly data: DataOf<"ApprovalRequested"> }
  /** `digest` is what the approver saw; absent when the client shows none. */
  | ({
      readonly type: "Approve";
      readonly comment: string;
      readonly digest: string | undefined;
      readonly forSeconds?: number | undefined;
      readonly scope?: "session" | undefined;
    } & Voter)
  | ({ readonly type: "Deny"; readonly comment: string } & Voter)
  /** Answers what is held with another text. `onProposed`: whether policy lets them decide on that one. */
  | ({
      readonly type: "Propose";
      readonly comment: string;
      readonly digest: string | undefined;
      readonly proposed: Proposed;
      readonly onProposed: Decision;
    } & Voter)
  /** `digest` is that of the proposed text which they saw. */
  | { readonly type: "Accept"; readonly by: string; readonly digest: string }
  /** `by` wants to look at the effect of what has this digest. */
  | {
      readonly type: "RequestPreview";
      readonly previewId: string;
      readonly kind: PreviewKind;
      readonly digest: string | undefined;
      readonly by: DecidedBy;
      readonly decision: Decision;
    }
  | { readonly type: "RecordPreview"; readonly outcome: PreviewOutcome }
  | { readonly type: "Escalate" }
  | { readonly type: "Expire" }
  | { readonly type: "Withdraw"; readonly cause: DataOf<"ApprovalWithdrawn">["cause"] }
  | { readonly type: "Consume"; readonly sessionId: string; readonly commandId: number; readonly digest: string; readonly policyVersion: string }
  /** The same command again, where it was granted for a while. */
  | {
      readonly type: "Use";
      readonly sessionId: string;
      readonly commandId: number;
      readonly digest: string;
      readonly policyVersion: string;
      readonly requestedBy: string;
      readonly facts: CommandFacts;
      /** That decided on it. */
      readonly rules: readonly string[];
    }
  | { readonly type: "Revoke"; readonly by: Pick<DecidedBy, "id" | "onBehalfOf">; readonly reason: string };

export type ApprovalState = SnapshotFrom<typeof approvalMachine>;

export const [initialState] = initialTransition(approvalMachine);

export const evolve = (state: ApprovalState, event: ApprovalEvent): ApprovalState => transition(approvalMachine, state, event)[0];

/** What somebody agrees to for longer is a rule, and belongs into the policy. */
export const MAX_WINDOW_SECONDS = 28_800;
/** A comment is shown in one error of the client's protocol. */
export const MAX_COMMENT_LENGTH = 1_000;
/** It stands in the event and in a notice of the client's protocol, and a person reads it. */
export const MAX_PROPOSED_LENGTH = 10_000;

export function decide(command: ApprovalCommand, state: ApprovalState, at: string): ApprovalEvent[] {
  if (command.type === "Request") return request(command.data, state, at);
  const { request: asked } = state.context;
  if (asked === undefined) throw new SallyportError("approval.not_found", "No such approval.");
  const { approvalId } = asked;
  switch (command.type) {
    case "Approve": {
      requireOpen(asked, state, at);
      requireOtherHuman(command.by, (id) => isParty(asked, id));
      requireUnchanged(asked, command);
      requireText("comment", command.comment, MAX_COMMENT_LENGTH);
      if (state.context.approvers.includes(command.by.id)) return [];
      requireUnheard(state.context.votes, command.by);
      const decision = requirePermitted(command.decision);
      requireHours(asked, at);
      requireWindow(asked, command.forSeconds);
      requireScope(asked, command);
      const escalated = escalate(state, at);
      const { context } = escalated.reduce(evolve, state);
      const { step, groups } = requireStep(asked, context, command.groups);
      const { by, comment, forSeconds, scope } = command;
      const vote = voteIn({
        ...inPlaceOf(by),
        by: by.id,
        step,
        ...(forSeconds === undefined ? {} : { forSeconds }),
        ...(scope === undefined ? {} : { scope }),
      });
      const given: ApprovalEvent = { type: "ApprovalGiven", data: { approvalId, comment, decision, groups, ...vote } };
      const agreed = accepted(escalated.reduce(evolve, state), given);
      const seconds = asked.plan?.forSeconds ?? windowSeconds(agreed.context.votes);
      const shared = sharedScope(agreed.context.votes);
      const until =
        seconds === undefined ? {} : { until: new Date(Date.parse(at) + seconds * 1_000).toISOString(), ...(shared === undefined ? {} : { scope: shared }) };
      const granted: ApprovalEvent = { type: "ApprovalGranted", data: { approvalId, approvers: agreed.context.approvers, ...until } };
      return agreed.can(granted) ? [...escalated, given, granted] : [...escalated, given];
    }
    case "Deny": {
      requireOpen(asked, state, at);
      requireOtherHuman(command.by, (id) => isParty(asked, id));
      requireText("comment", command.comment, MAX_COMMENT_LENGTH);
      return checked(state, { type: "ApprovalDenied", data: { approvalId, ...refusalOf(asked, command) } });
    }
    case "Propose":
      return propose(command, asked, state, at);
    case "Accept": {
      const { counter } = state.context;
      requireOpen(asked, state, at);
      if (command.by !== asked.requestedBy) throw new SallyportError("auth.forbidden", "Only whoever asked can take a proposal.");
      if (counter === undefined) throw new SallyportError("input.invalid", "Nobody has proposed anything else.", { field: "approvalId" });
      if (command.digest !== counter.digest) throw drift("What was proposed is not what was shown.");
      return checked(state, { type: "ApprovalCounterAccepted", data: { approvalId, by: command.by, digest: counter.digest } });
    }
    case "RequestPreview":
      return requestPreview(command, asked, state, at);
    case "RecordPreview": {
      const { previewId } = command.outcome.data;
      const known = state.context.previews.find(({ id }) => id === previewId);
      if (known === undefined) throw new Error(`Preview ${previewId} was never asked for.`);
      // It may have been decided meanwhile: then it is recorded and moves nothing.
      return known.answered ? [] : [command.outcome];
    }
    case "Escalate":
      return escalate(state, at);
    case "Expire": {
      const expiresAt = deadlineOf(state, asked);
      const expired: ApprovalEvent = { type: "ApprovalExpired", data: { approvalId, expiresAt } };
      return reached(expiresAt, at) && state.can(expired) ? [expired] : [];
    }
    case "Withdraw": {
      const withdrawn: ApprovalEvent = { type: "ApprovalWithdrawn", data: { approvalId, cause: command.cause } };
      return state.can(withdrawn) ? [withdrawn] : [];
    }
    case "Consume": {
      const { sessionId, commandId, digest, policyVersion } = command;
      if (state.matches("pending")) throw new Error("An approval that is still pending cannot be consumed.");
      if (state.matches("expired") || (state.matches("granted") && reached(deadlineOf(state, asked), at))) throw expired();
      if (!state.matches("granted")) throw alreadyDecided(state);
      if (!isBoundTo(asked, command) || policyVersion !== asked.decision.policyVersion) throw drift("What was approved is not what would run.");
      const type = state.context.until === undefined ? "ApprovalConsumed" : "ApprovalUsed";
      return checked(state, { type, data: { approvalId, sessionId, commandId, digest } });
    }
    case "Use": {
      const { sessionId, commandId, digest } = command;
      if (!state.matches("granted") || state.context.until === undefined || reached(state.context.until, at)) throw expired();
      if (!isSameCommand(asked, state.context, command)) throw drift("What was approved for a while is not what would run.");
      return checked(state, { type: "ApprovalUsed", data: { approvalId, sessionId, commandId, digest } });
    }
    case "Revoke": {
      if (!state.matches("granted")) throw alreadyDecided(state);
      requireSaid("reason", command.reason, MAX_COMMENT_LENGTH, "Say why it is taken back.");
      return checked(state, { type: "ApprovalRevoked", data: { approvalId, by: command.by.id, reason: command.reason, ...inPlaceOf(command.by) } });
    }
  }
}

function request(data: DataOf<"ApprovalRequested">, state: ApprovalState, at: string): ApprovalEvent[] {
  const { request: before } = state.context;
  if (before !== undefined) {
    // A retry of the same request changes nothing.
    if (isBoundTo(before, { sessionId: data.sessionId, commandId: data.command.commandId, digest: data.command.digest })) return [];
    throw new Error(`Approval ${data.approvalId} was requested for another command.`);
  }
  if (!Number.isSafeInteger(data.quorum) || data.quorum < 1) throw new Error("A quorum is at least one person.");
  if (peopleIn(data.steps) !== data.quorum) throw new Error("The steps of an approval are for as many people as its quorum.");
  if (data.plan !== undefined) {
    requireSeconds(data.plan.forSeconds);
    requireSaid("reason", data.plan.reason, MAX_COMMENT_LENGTH, "Say what the plan is for.");
  }
  if (reached(data.expiresAt, at)) throw expired();
  return checked(state, { type: "ApprovalRequested", data });
}

/** Expired is expired, even when the scanner that records it is late. */
function requireOpen({ expiresAt }: DataOf<"ApprovalRequested">, state: ApprovalState, at: string): void {
  if (state.matches("expired") || (state.matches("pending") && reached(expiresAt, at))) throw expired();
  if (!state.matches("pending")) throw alreadyDecided(state);
}

function propose(
  { by, comment, digest, decision, proposed, onProposed }: Extract<ApprovalCommand, { type: "Propose" }>,
  asked: DataOf<"ApprovalRequested">,
  state: ApprovalState,
  at: string,
): ApprovalEvent[] {
  const { approvalId, command } = asked;
  requireOpen(asked, state, at);
  requireOtherHuman(by, (id) => isParty(asked, id));
  requireUnchanged(asked, { digest, decision });
  if (command.via !== "simple" || command.parameters.length > 0 || asked.plan !== undefined) {
    const hint = "Deny it and say what to run instead.";
    throw new SallyportError("feature.unsupported", `Only a plain query without parameters can be answered with another text. ${hint}`);
  }
  requireText("comment", comment, MAX_COMMENT_LENGTH);
  requireStatement("statement", proposed.statement, MAX_PROPOSED_LENGTH);
  const isText = proposed.statement.trim() !== "" && !proposed.statement.includes("\0");
  if (!isText || proposed.digest === command.digest) throw new SallyportError("input.invalid", "Propose another text.", { field: "statement" });
  requirePermitted(decision);
  const data = { approvalId, by: by.id, comment, ...proposed, decision: requirePermitted(onProposed) };
  return checked(state, { type: "ApprovalCounterProposed", data });
}

/** What is decided on is what was shown, under the rules that held it (I4). */
function requireUnchanged({ command, decision }: DataOf<"ApprovalRequested">, now: { readonly digest: string | undefined; readonly decision: Decision }): void {
  if (now.digest !== undefined && now.digest !== command.digest) throw drift("The command is not the one that was shown.");
  if (now.decision.policyVersion !== decision.policyVersion) throw drift("The policy changed since the command was held.");
}

/** Of a grant for a while, its end. */
const deadlineOf = ({ context: { until } }: ApprovalState, { expiresAt }: DataOf<"ApprovalRequested">): string => until ?? expiresAt;

function requireWindow({ plan }: DataOf<"ApprovalRequested">, seconds: number | undefined): void {
  if (plan !== undefined && seconds !== undefined) throw new SallyportError("input.invalid", "A plan says itself for how long it is.", { field: "forSeconds" });
  if (seconds !== undefined) requireSeconds(seconds);
}

/** For how long must be said: a session may last for days. */
function requireScope({ plan, command }: DataOf<"ApprovalRequested">, { scope, forSeconds }: Extract<ApprovalCommand, { type: "Approve" }>): void {
  if (scope === undefined) return;
  const refuse = (why: string): never => {
    throw new SallyportError("input.invalid", why, { field: "scope" });
  };
  if (forSeconds === undefined) refuse("Say for how long the session may do so.");
  if (plan !== undefined) refuse("A plan says itself what it is for.");
  if (!isComparable(command.facts))
    refuse("Nobody can tell what does no more than a command that cannot be classified, that administers, or that defines something.");
}

function requireSeconds(seconds: number): void {
  if (Number.isSafeInteger(seconds) && seconds >= 1 && seconds <= MAX_WINDOW_SECONDS) return;
  throw new SallyportError("input.invalid", `A command is approved for 1 s to ${spokenDuration(MAX_WINDOW_SECONDS)}.`, { field: "forSeconds" });
}

/** The text alone does not say what it does: the same facts must follow from it, and the same rules must have decided. */
function isSameCommand(asked: DataOf<"ApprovalRequested">, { uses, scope }: ApprovalContext, now: Extract<ApprovalCommand, { type: "Use" }>): boolean {
  const planned = asked.plan?.commands[uses];
  if (asked.plan !== undefined && planned === undefined) return false;
  const { digest, facts, rules } = planned ?? { ...asked.command, rules: asked.decision.rules };
  const isSame =
    scope === "session" ? now.sessionId === asked.sessionId && isNoMoreThan(facts, now.facts) : now.digest === digest && sameFacts(now.facts, facts);
  return (
    isSame && now.requestedBy === asked.requestedBy && now.policyVersion === asked.decision.policyVersion && JSON.stringify(now.rules) === JSON.stringify(rules)
  );
}

/** For those who may decide, on what they would decide on. */
function requestPreview(
  { previewId, kind, digest, by, decision }: Extract<ApprovalCommand, { type: "RequestPreview" }>,
  asked: DataOf<"ApprovalRequested">,
  state: ApprovalState,
  at: string,
): ApprovalEvent[] {
  const { approvalId, command } = asked;
  requireOpen(asked, state, at);
  requireOtherHuman(by, (id) => isParty(asked, id));
  requireUnchanged(asked, { digest, decision });
  if (state.context.previews.length >= MAX_PREVIEWS) {
    throw new SallyportError("session.limit", `This approval was looked at ${MAX_PREVIEWS} times; it gets no more previews.`);
  }
  const data = { approvalId, previewId, by: by.id, kind, digest: command.digest, decision: requirePermitted(decision) };
  return checked(state, { type: "ApprovalPreviewRequested", data });
}

/** Nothing before its time, nor twice, nor once it is decided. */
function escalate(state: ApprovalState, at: string): ApprovalEvent[] {
  const { request: asked } = state.context;
  if (asked?.escalation === undefined || !reached(asked.escalation.at, at)) return [];
  const escalated: ApprovalEvent = { type: "ApprovalEscalated", data: { approvalId: asked.approvalId, to: asked.escalation.to } };
  return state.can(escalated) ? [escalated] : [];
}

function accepted(state: ApprovalState, event: ApprovalEvent): ApprovalState {
  const next = evolve(state, event);
  if (next === state) throw new Error(`The approval machine refuses ${event.type} in state ${state.value}.`);
  return next;
}

function checked(state: ApprovalState, event: ApprovalEvent): ApprovalEvent[] {
  accepted(state, event);
  return [event];
}

const drift = (message: string): SallyportError => new SallyportError("approval.drift", message);
const expired = (): SallyportError => new SallyportError("approval.expired", "Nobody decided in time; run the command again to ask again.");
const alreadyDecided = (state: ApprovalState): SallyportError =>
  new SallyportError("approval.already_decided", `The approval is already ${state.value}.`, { state: state.value });
