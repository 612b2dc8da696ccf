import type { DelegationEvent } from "../domain/delegation/delegation.events.ts";

export interface DelegationView {
  readonly id: string;
  readonly state: "open" | "ended" | "expired";
  readonly from: string;
  readonly to: string;
  readonly reason: string;
  readonly startsAt: Date;
  readonly endsAt: Date;
  /** Empty unless somebody took it back. */
  readonly endedBy: string;
}

export const isFinal = ({ state }: DelegationView): boolean => state !== "open";

/** Over is over, even when that is not recorded yet. */
export const isOpenAt = ({ state, startsAt, endsAt }: DelegationView, at: Date): boolean => state === "open" && startsAt <= at && at < endsAt;

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
