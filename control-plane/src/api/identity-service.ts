import type { IdentityServiceServer } from "@sallyport/proto/gen/sallyport/api/v1/api";
import { SallyportError } from "@sallyport/proto/errors";
import { type ApiContext, unary } from "./unary.ts";
import { identityView } from "./views.ts";
import { spokenDuration } from "../domain/spoken-duration.ts";

export function identityService(api: ApiContext, maxTtlSeconds: number): IdentityServiceServer {
  return {
    getSelf: unary(api, (_request, { principal }) => ({ identity: identityView({ ...principal, disabled: false }) })),
    putIdentity: unary(api, async ({ id, kind, groups }, { context }) => {
      if (kind !== "human" && kind !== "machine") throw new SallyportError("input.invalid", "An identity's kind is human or machine.", { kind });
      const identity = await api.identities.put({ id, kind, groups }, context);
      return { identity: identityView({ ...identity, disabled: false }) };
    }),
    listIdentities: unary(api, () => ({ identities: api.identities.list().map(identityView) })),
    disableIdentity: unary(api, async ({ id, reason }, { principal, context }) => {
      // Whoever does it must be there to answer for it; and so somebody is left who can let others in.
      if (id === principal.id) throw new SallyportError("auth.forbidden", "Somebody else has to disable you.");
      await api.identities.disable(id, reason, context);
      return {};
    }),
    listTokens: unary(api, ({ identityId }, { principal }) => {
      if (identityId !== principal.id) api.authority.require({ principal, action: "administer", area: "tokens" });
      return { tokens: api.identities.tokensOf(identityId).map((token) => ({ ...token })) };
    }),
    createToken: unary(api, async ({ identityId, ttlSeconds, note }, { principal, context }) => {
      if (identityId !== principal.id) api.authority.require({ principal, action: "administer", area: "tokens" });
      if (ttlSeconds < 1 || ttlSeconds > maxTtlSeconds) {
        throw new SallyportError("input.invalid", `A token lives between 1 s and ${spokenDuration(maxTtlSeconds)}.`, { ttlSeconds: String(ttlSeconds) });
      }
      return api.identities.issueToken(identityId, ttlSeconds, note, context);
    }),
    revokeToken: unary(api, async ({ tokenId }, { principal, context }) => {
      if (api.identities.ownerOfToken(tokenId) !== principal.id) api.authority.require({ principal, action: "administer", area: "tokens" });
      await api.identities.revokeToken(tokenId, context);
      return {};
    }),
  };
}
