import { SallyportError } from "@sallyport/proto/errors";
import type { DelegationServiceServer } from "@sallyport/proto/gen/sallyport/api/v1/delegation";
import { isFinal, type DelegationView } from "../application/delegation-view.ts";
import type { Delegations } from "../application/delegations.ts";
import type { OwnAction, Principal } from "../domain/decision.ts";
import { type ApiContext, unary } from "./unary.ts";

/** A listing holds no more than this, whatever is asked. */
const MAX_LISTED = 1_000;

export function delegationService(api: ApiContext, delegations: Delegations): DelegationServiceServer {
  const may = (principal: Principal, action: OwnAction): boolean => api.authority.may({ principal, action, area: "approvals" });
  const isTheirs = ({ from, to }: DelegationView, { id }: Principal): boolean => from === id || to === id;

  return {
    delegate: unary(api, async ({ to, startsAt, durationSeconds, reason }, { principal, context }) => ({
      delegation: await delegations.give({ to, startsAt, seconds: durationSeconds, reason }, principal, context),
    })),
    listDelegations: unary(api, ({ openOnly, limit }, { principal }) => {
      const seesAll = may(principal, "replay");
      const wanted = delegations.list().filter((each) => (!openOnly || !isFinal(each)) && (seesAll || isTheirs(each, principal)));
      const newest = wanted.toSorted((a, b) => b.startsAt.getTime() - a.startsAt.getTime());
      return { delegations: newest.slice(0, Math.min(limit || MAX_LISTED, MAX_LISTED)) };
    }),
    endDelegation: unary(api, async ({ delegationId, reason }, { principal, context }) => {
      const found = delegations.find(delegationId);
      const mayEnd = found !== undefined && (isTheirs(found, principal) || may(principal, "administer"));
      if (!mayEnd) throw new SallyportError("approval.not_found", `There is no delegation ${delegationId} of yours.`);
      return { delegation: await delegations.end(delegationId, principal, reason, context) };
    }),
  };
}
