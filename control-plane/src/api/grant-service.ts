import { SallyportError } from "@sallyport/proto/errors";
import type { GrantServiceServer } from "@sallyport/proto/gen/sallyport/api/v1/grant";
import type { Grants, GrantView } from "../application/grant-ports.ts";
import { isSettled } from "../application/grant-view.ts";
import { inTurns } from "../application/in-turns.ts";
import type { RecordedResources } from "../application/recorded-resources.ts";
import type { OwnAction, Principal } from "../domain/decision.ts";
import { reviewVerdicts } from "../domain/grant/grant.events.ts";
import type { DecidedBy } from "../domain/vote.ts";
import { endedView, grantView } from "./grant-view.ts";
import { type ApiContext, unary } from "./unary.ts";

/** A listing holds no more than this, whatever is asked. */
const MAX_LISTED = 1_000;

export function grantService(api: ApiContext, { grants, resources }: { readonly grants: Grants; readonly resources: RecordedResources }): GrantServiceServer {
  const may = (principal: Principal, action: OwnAction, { resource }: GrantView): boolean =>
    api.authority.may({ principal, action, area: "access", resource: resources.of(resource) });
  const maySee = (principal: Principal, grant: GrantView): boolean =>
    grant.requestedBy === principal.id || grants.mayDecide(grant, principal) || may(principal, "replay", grant);
  const revoker = (principal: Principal, grant: GrantView): DecidedBy | undefined =>
    grant.requestedBy === principal.id || may(principal, "administer", grant) ? principal : grants.inWhoseName(grant, principal);

  async function visible(grantId: string, principal: Principal): Promise<GrantView> {
    const grant = await grants.load(grantId);
    if (grant === undefined || !maySee(principal, grant)) throw noSuchGrant(grantId);
    return grant;
  }

  return {
    requestAccess: unary(api, async (request, { principal, context }) => ({ grant: grantView(await grants.request(request, principal, context)) })),
    listGrants: unary(api, async ({ openOnly, limit }, { principal }) => {
      const wanted = grants.list().filter((grant) => !openOnly || !isSettled(grant));
      const seen = await inTurns(wanted, (grant) => (maySee(principal, grant) ? [grant] : []));
      const newest = seen.flat().toSorted((a, b) => b.requestedAt.getTime() - a.requestedAt.getTime());
      return { grants: newest.slice(0, Math.min(limit || MAX_LISTED, MAX_LISTED)).map(grantView) };
    }),
    getGrant: unary(api, async ({ grantId }, { principal }) => ({ grant: grantView(await visible(grantId, principal)) })),
    approveAccess: unary(api, async ({ grantId, comment }, { principal, context }) => ({
      grant: grantView(await grants.approve(grantId, principal, comment, context)),
    })),
    denyAccess: unary(api, async ({ grantId, comment }, { principal, context }) => ({
      grant: grantView(await grants.deny(grantId, principal, comment, context)),
    })),
    breakGlass: unary(api, async (request, { principal, context }) => ({ grant: grantView(await grants.breakGlass(request, principal, context)) })),
    reviewBreakGlass: unary(api, async ({ grantId, verdict, comment }, { principal, context }) => {
      const said = reviewVerdicts.find((known) => known === verdict);
      if (said === undefined) throw new SallyportError("input.invalid", `A verdict is one of ${reviewVerdicts.join(", ")}.`, { field: "verdict" });
      return { grant: grantView(await grants.review(grantId, principal, said, comment, context)) };
    }),
    withdrawAccessRequest: unary(api, async ({ grantId }, { principal, context }) => ({
      grant: grantView(await grants.withdraw(grantId, principal, context)),
    })),
    revokeGrant: unary(api, async ({ grantId, reason }, { principal, context }) => {
      const grant = await grants.load(grantId);
      const by = grant && revoker(principal, grant);
      const seen = grant !== undefined && maySee(principal, grant);
      if (by === undefined && !seen) throw noSuchGrant(grantId);
      if (by === undefined) throw new SallyportError("auth.forbidden", "Only administrators, and whoever may decide on it, revoke access.");
      const revoked = await grants.revoke(grantId, by, reason, context);
      return { grant: seen ? grantView(revoked) : endedView(revoked) };
    }),
  };
}

const noSuchGrant = (grantId: string): SallyportError =>
  new SallyportError("approval.not_found", `There is no request for access ${grantId} that you may see or revoke.`);
