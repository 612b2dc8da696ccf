/** Somebody lets another person decide in their place for a while: on what they may decide on themselves, and on nothing else. */
export type DelegationEvent =
  | {
      readonly type: "DelegationGiven";
      readonly data: {
        readonly delegationId: string;
        readonly from: string;
        readonly to: string;
        readonly reason: string;
        /** When it was given, or later. */
        readonly startsAt: string;
        readonly endsAt: string;
      };
    }
  /** By one of the two, or an administrator. */
  | { readonly type: "DelegationEnded"; readonly data: { readonly delegationId: string; readonly by: string; readonly reason: string } }
  | { readonly type: "DelegationExpired"; readonly data: { readonly delegationId: string; readonly endsAt: string } };

export const delegationStream = (delegationId: string): string => `delegation-${delegationId}`;
