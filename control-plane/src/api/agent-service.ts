import type { AgentServiceServer } from "@sallyport/proto/gen/sallyport/api/v1/api";
import { SallyportError } from "@sallyport/proto/errors";
import { encodeJoinToken } from "@sallyport/proto/tunnel/join-token";
import type { AgentLinks, Agents, Resources } from "../application/ports.ts";
import { type ApiContext, unary } from "./unary.ts";
import { spokenDuration } from "../domain/spoken-duration.ts";

export interface AgentServiceDeps {
  readonly agents: Agents;
  readonly resources: Resources;
  readonly links: AgentLinks;
  /** host:port that an agent reaches this API by. */
  readonly apiAddress: () => string;
  readonly caFingerprint: string;
  readonly maxTtlSeconds: number;
}

export function agentService(api: ApiContext, deps: AgentServiceDeps): AgentServiceServer {
  return {
    createJoinToken: unary(api, async ({ agentName, ttlSeconds }, { context }) => {
      if (ttlSeconds < 1 || ttlSeconds > deps.maxTtlSeconds)
        throw new SallyportError("input.invalid", `A join token lives between 1 s and ${spokenDuration(deps.maxTtlSeconds)}.`);
      const { secret, expiresAt } = await deps.agents.issueJoinSecret(agentName, ttlSeconds, context);
      return { joinToken: encodeJoinToken({ address: deps.apiAddress(), caFingerprint: deps.caFingerprint, agentName, secret }), expiresAt };
    }),
    listAgents: unary(api, () => {
      const served = deps.resources.list();
      const agents = deps.agents.list().map(({ id, name, connected, revoked, version, certificateExpiresAt }) => ({
        id,
        name,
        connected,
        revoked,
        version,
        resources: served.filter(({ agentId }) => agentId === id).map((resource) => resource.name),
        certificateExpiresAt,
      }));
      return { agents };
    }),
    revokeAgent: unary(api, async ({ agentId, reason }, { context }) => {
      await deps.agents.revoke(agentId, reason, context);
      deps.links.dismiss(agentId, "revoked", "agent.revoked", "This agent was revoked.");
      return {};
    }),
  };
}
