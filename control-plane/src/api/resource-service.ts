import type { ResourceAccess, ResourceServiceServer } from "@sallyport/proto/gen/sallyport/api/v1/api";
import type { AgentLinks, Resources, ResourceView } from "../application/ports.ts";
import type { Grants } from "../application/grant-ports.ts";
import type { Policies } from "../application/policy-ports.ts";
import { grantedBy } from "../application/grant-view.ts";
import { inTurns } from "../application/in-turns.ts";
import type { ByGrant, Principal } from "../domain/decision.ts";
import { takeDecision } from "../domain/take-decision.ts";
import { type ApiContext, unary } from "./unary.ts";

export function resourceService(
  api: ApiContext,
  deps: { readonly resources: Resources; readonly policies: Policies; readonly grants: Pick<Grants, "current" | "requestable">; readonly links: AgentLinks },
): ResourceServiceServer {
  const accessOf = (principal: Principal, resource: ResourceView): ResourceAccess => {
    const mayOpen = (granted: ByGrant): boolean =>
      takeDecision(deps.policies.current(), { principal, action: "open", resource, granted, circumstances: { time: new Date() } }).effect === "allow";
    const grant = deps.grants.current(principal.id, resource.name);
    return {
      standing: mayOpen(false),
      grantedUntil: grant !== undefined && mayOpen(grantedBy(grant)) ? grant.endsAt : undefined,
      requestable: deps.grants.requestable(resource, principal).effect !== "deny",
    };
  };
  return {
    listResources: unary(api, async (_request, { principal }) => {
      const all = await inTurns(deps.resources.list(), (resource) => ({ resource, access: accessOf(principal, resource) }));
      const found = all.filter(({ access: { standing, grantedUntil, requestable } }) => standing || grantedUntil !== undefined || requestable);
      return {
        access: found.map(({ access }) => access),
        resources: found.map(({ resource: { name, protocol, labels, agentId } }) => ({
          name,
          protocol,
          labels: { ...labels },
          agentId,
          online: deps.links.isConnected(agentId),
        })),
      };
    }),
  };
}
