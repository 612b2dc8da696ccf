import { SallyportError } from "@sallyport/proto/errors";
import type { Authority } from "./application/authority.ts";
import type { Identities } from "./application/ports.ts";
import type { Access } from "./ledger/endpoint/access.ts";

/**
 * Who reads the ledger through its endpoint: the identity as the user, its token as the password. Nobody appends. Whoever policy lets
 * replay the record sees streams whose names begin with one of `prefixes`, and the metadata of those; all when there is none. Whoever may
 * administer the record as well sees all.
 */
export function auditorAccess(identities: Identities, authority: Authority, prefixes: readonly string[]): Access {
  const isOpen = (stream: string): boolean => prefixes.some((prefix) => stream.replace(METASTREAM, "").startsWith(prefix));
  return {
    async signIn(credentials, peer) {
      if (credentials === undefined) throw new SallyportError("auth.failed", "This call needs an identity and its token.");
      const { principal } = await identities.authenticate(credentials.password, peer, credentials.user);
      authority.require({ principal, action: "replay", area: "record" });
      const seesAll = prefixes.length === 0 || authority.may({ principal, action: "administer", area: "record" });
      return { mayRead: seesAll ? () => true : isOpen, append: false };
    },
  };
}

const METASTREAM = /^\$\$/;
