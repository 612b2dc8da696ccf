import { SallyportError } from "@sallyport/proto/errors";
import { ADMINS, AUDITORS, belongsTo, requireGroup } from "./api/authorise.ts";
import type { Identities } from "./application/ports.ts";
import type { Access } from "./ledger/endpoint/access.ts";

/**
 * Who reads the ledger through its endpoint: the identity as the user, its token as the password. Nobody appends. Auditors see streams
 * whose names begin with one of `prefixes`, and the metadata of those; all when there is none. Administrators see all.
 */
export function auditorAccess(identities: Identities, prefixes: readonly string[]): Access {
  const isOpen = (stream: string): boolean => prefixes.some((prefix) => stream.replace(METASTREAM, "").startsWith(prefix));
  return {
    async signIn(credentials, peer) {
      if (credentials === undefined) throw new SallyportError("auth.failed", "This call needs an identity and its token.");
      const { principal } = await identities.authenticate(credentials.password, peer, credentials.user);
      requireGroup(principal, AUDITORS, ADMINS);
      return { mayRead: prefixes.length === 0 || belongsTo(principal, ADMINS) ? () => true : isOpen, append: false };
    },
  };
}

const METASTREAM = /^\$\$/;
