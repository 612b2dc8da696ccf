import type { ResourceServiceServer } from "@sallyport/proto/gen/sallyport/api/v1/api";
import type { AgentLinks, Policies, Resources } from "../application/ports.ts";
import { type ApiContext, unary } from "./unary.ts";

export function resourceService(
  api: ApiContext,
  deps: { readonly resources: Resources; readonly policies: Policies; readonly links: AgentLinks },
): ResourceServiceServer {
  return {
    listResources: unary(api, (_request, { principal }) => {
      const policy = deps.policies.current();
      const mayOpen = deps.resources.list().filter((resource) => policy?.decide({ principal, action: "open", resource }).effect === "allow");
      return {
        resources: mayOpen.map(({ name, protocol, labels, agentId }) => ({
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
