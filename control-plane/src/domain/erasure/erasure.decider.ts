import { SallyportError } from "@sallyport/proto/errors";
import { initialTransition, type SnapshotFrom, transition } from "xstate";
import { reached } from "../decider.ts";
import { requireSaid, requireText } from "../names.ts";
import { type DecidedBy, requireHuman, requireOtherHuman } from "../vote.ts";
import type { ErasureEvent } from "./erasure.events.ts";
import { erasureMachine, isParty } from "./erasure.machine.ts";

type DataOf<T extends ErasureEvent["type"]> = Extract<ErasureEvent, { type: T }>["data"];

/** What cannot be undone needs two people besides whoever asks (NIST SP 800-53 AU-9(5)). */
export const ERASURE_QUORUM = 2;

/** A reason or comment is a paragraph for whoever decides. */
export const MAX_TEXT_LENGTH = 1_000;

export type ErasureCommand =
  | { readonly type: "Request"; readonly data: Omit<DataOf<"ErasureRequested">, "quorum"> }
  | { readonly type: "Approve"; readonly by: DecidedBy; readonly comment: string }
  /** Also by whoever asked, who thinks better of it. */
  | { readonly type: "Deny"; readonly by: DecidedBy; readonly comment: string }
  /** The key is gone. */
  | { readonly type: "RecordDestroyed" };

export type ErasureState = SnapshotFrom<typeof erasureMachine>;

export const [initialState] = initialTransition(erasureMachine);

export const evolve = (state: ErasureState, event: ErasureEvent): ErasureState => transition(erasureMachine, state, event)[0];

export function decide(command: ErasureCommand, state: ErasureState, at: string): ErasureEvent[] {
  if (command.type === "Request") {
    requireSaid("reason", command.data.reason, MAX_TEXT_LENGTH, "Say why somebody is to be forgotten.");
    return checked(state, { type: "ErasureRequested", data: { ...command.data, quorum: ERASURE_QUORUM } });
  }
  const { request, approvers } = state.context;
  if (request === undefined) throw new SallyportError("approval.not_found", "There is no such request to forget somebody.");
  const { erasureId, subject } = request;
  if (command.type === "RecordDestroyed") {
    if (state.matches("destroyed")) return [];
    return checked(state, { type: "SubjectKeyDestroyed", data: { erasureId, subject } });
  }
  const { id: by } = command.by;
  if (!state.matches("pending")) {
    throw new SallyportError("approval.already_decided", `This was already ${state.matches("denied") ? "denied" : "granted"}.`, { state: state.value });
  }
  if (reached(request.expiresAt, at)) throw new SallyportError("approval.expired", "Too few people agreed in time; ask again.");
  requireText("comment", command.comment, MAX_TEXT_LENGTH);
  requireHuman(command.by);
  if (command.type === "Deny") return checked(state, { type: "ErasureDenied", data: { erasureId, by, comment: command.comment } });
  requireOtherHuman(command.by, (id) => isParty(request, id));
  if (approvers.includes(by)) return [];
  const approved: ErasureEvent = { type: "ErasureApproved", data: { erasureId, by, comment: command.comment } };
  const agreed = accepted(state, approved);
  const granted: ErasureEvent = { type: "ErasureGranted", data: { erasureId, subject, approvers: agreed.context.approvers } };
  return agreed.can(granted) ? [approved, granted] : [approved];
}

function accepted(state: ErasureState, event: ErasureEvent): ErasureState {
  const next = evolve(state, event);
  if (next === state) throw new Error(`The erasure machine refuses ${event.type} in state ${state.value}.`);
  return next;
}

function checked(state: ErasureState, event: ErasureEvent): ErasureEvent[] {
  accepted(state, event);
  return [event];
}
