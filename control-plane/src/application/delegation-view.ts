import type { DelegationEvent } from "../domain/delegation/delegation.events.ts";

export interface DelegationView {
  readonly id: string;
  readonly state: "scheduled" | "open" | "ended" | "expired";
  readonly from: string;
  readonly to: string;
  readonly reason: string;
  readonly startsAt: Date;
  readonly endsAt: Date;
  /** Empty unless somebody took it back. */
  readonly endedBy: string;
}

export const isFinal = ({ state }: DelegationView): boolean => state === "ended" || state === "expired";

export const deadlineOf = ({ state, endsAt }: DelegationView): Date | undefined => (state === "open" ? endsAt : undefined);

/** Over is over, even when that is not recorded yet. */
export const isOpenAt = ({ state, startsAt, endsAt }: DelegationView, at: Date): boolean => state === "open" && startsAt <= at && at < endsAt;

/** With its state by the clock: recorded as open are also those that have not begun, and those whose end is not recorded yet. */
export function viewAt(view: DelegationView, at: Date): DelegationView {
  if (view.state !== "open" || isOpenAt(view, at)) return view;
  return { ...view, state: at < view.startsAt ? "scheduled" : "expired" };
}

export function evolveDelegation(view: DelegationView | undefined, event: DelegationEvent): DelegationView | undefined {
  switch (event.type) {
    case "DelegationGiven": {
      const { delegationId: id, from, to, reason, startsAt, endsAt } = event.data;
      return view ?? { id, state: "open", from, to, reason, startsAt: new Date(startsAt), endsAt: new Date(endsAt), endedBy: "" };
    }
    case "DelegationEnded":
      return view === undefined || isFinal(view) ? view : { ...view, state: "ended", endedBy: event.data.by };
    case "DelegationExpired":
      return view === undefined || isFinal(view) ? view : { ...view, state: "expired" };
  }
}
