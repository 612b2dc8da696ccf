import { SallyportError } from "@sallyport/proto/errors";
import { initialTransition, type SnapshotFrom, transition } from "xstate";
import { reached } from "../decider.ts";
import { requireSaid, requireText } from "../names.ts";
import type { DecidedBy } from "../vote.ts";
import { requireHuman } from "../vote.ts";
import type { DelegationEvent } from "./delegation.events.ts";
import { delegationMachine } from "./delegation.machine.ts";
import { spokenDuration } from "../spoken-duration.ts";

export type DelegationCommand =
  /** `to`: as they are now; undefined when they are disabled, or nobody knows them. */
  | {
      readonly type: "Give";
      readonly delegationId: string;
      readonly by: DecidedBy;
      readonly to: DecidedBy | undefined;
      /** An instant to come; undefined for at once. */
      readonly startsAt: Date | undefined;
      /** From then on. */
      readonly seconds: number;
      readonly reason: string;
    }
  /** Whether they may is looked at before. */
  | { readonly type: "End"; readonly by: string; readonly reason: string }
  | { readonly type: "Expire" };

export type DelegationState = SnapshotFrom<typeof delegationMachine>;

export const [initialState] = initialTransition(delegationMachine);

export const evolve = (state: DelegationState, event: DelegationEvent): DelegationState => transition(delegationMachine, state, event)[0];

/** A long holiday. Whoever is away for longer hands their groups over, which an administrator does. */
export const MAX_DELEGATION_SECONDS = 30 * 86_400;
/** Holidays are planned half a year ahead; who may decide on what after that, nobody knows when they give it. */
export const MAX_DELEGATION_AHEAD_SECONDS = 183 * 86_400;
/** A paragraph for whoever wonders later. */
export const MAX_REASON_LENGTH = 1_000;

export function decide(command: DelegationCommand, state: DelegationState, at: string): DelegationEvent[] {
  if (command.type === "Give") return give(command, state, at);
  const { given } = state.context;
  if (given === undefined) throw new SallyportError("approval.not_found", "There is no such delegation.");
  const { delegationId, endsAt } = given;
  switch (command.type) {
    case "End":
      requireText("reason", command.reason, MAX_REASON_LENGTH);
      if (!state.matches("open") || reached(endsAt, at))
        throw new SallyportError("approval.already_decided", "The delegation has ended already.", { state: state.value });
      return [{ type: "DelegationEnded", data: { delegationId, by: command.by, reason: command.reason } }];
    case "Expire":
      return state.matches("open") && reached(endsAt, at) ? [{ type: "DelegationExpired", data: { delegationId, endsAt } }] : [];
  }
}

function give(
  { delegationId, by, to, startsAt: asked, seconds, reason }: Extract<DelegationCommand, { type: "Give" }>,
  state: DelegationState,
  at: string,
): DelegationEvent[] {
  // The caller makes the id, so what is there is a retry of the same command.
  if (state.context.given !== undefined) return [];
  requireHuman(by);
  if (to === undefined) throw new SallyportError("input.invalid", "There is nobody of that name who could decide.", { field: "to" });
  requireHuman(to);
  if (by.onBehalfOf !== undefined) throw new SallyportError("auth.forbidden", "Only the person themselves lets somebody decide in their place.");
  if (to.id === by.id) throw new SallyportError("input.invalid", "You decide for yourself already.", { field: "to" });
  requireSaid("reason", reason, MAX_REASON_LENGTH, "Say why somebody decides in your place.");
  if (!Number.isSafeInteger(seconds) || seconds < 1 || seconds > MAX_DELEGATION_SECONDS)
    throw new SallyportError("input.invalid", `A delegation is for 1 s to ${spokenDuration(MAX_DELEGATION_SECONDS)}.`, { field: "duration" });
  const startsAt = asked === undefined ? at : requireAhead(asked, at);
  const endsAt = new Date(Date.parse(startsAt) + seconds * 1_000).toISOString();
  return [{ type: "DelegationGiven", data: { delegationId, from: by.id, to: to.id, reason, startsAt, endsAt } }];
}

function requireAhead(startsAt: Date, at: string): string {
  const ahead = startsAt.getTime() - Date.parse(at);
  // Also of an instant that is none.
  if (!(ahead >= 0)) throw new SallyportError("input.invalid", "A delegation begins at an instant to come, or at once.", { field: "starts_at" });
  if (ahead > MAX_DELEGATION_AHEAD_SECONDS * 1_000)
    throw new SallyportError("input.invalid", `A delegation begins within ${MAX_DELEGATION_AHEAD_SECONDS / 86_400} days.`, { field: "starts_at" });
  return startsAt.toISOString();
}
