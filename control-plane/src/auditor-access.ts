import { SallyportError } from "@sallyport/proto/errors";
import { ADMINS, AUDITORS, requireGroup } from "./api/authorise.ts";
import type { Identities } from "./application/ports.ts";
import type { Access } from "./ledger/endpoint/access.ts";

/** Who reads the ledger through its endpoint: the identity as the user, its token as the password. Nobody appends. */
export function auditorAccess(identities: Identities): Access {
  return {
    async signIn(credentials, peer) {
      if (credentials === undefined) throw new SallyportError("auth.failed", "This call needs an identity and its token.");
      const { principal } = await identities.authenticate(credentials.password, peer, credentials.user);
      requireGroup(principal, AUDITORS, ADMINS);
      return { mayRead: () => true, append: false };
    },
  };
}
