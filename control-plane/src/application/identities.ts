import { SallyportError } from "@sallyport/proto/errors";
import { reached } from "../domain/decider.ts";
import * as identity from "../domain/identity/identity.decider.ts";
import { identityStream } from "../domain/identity/identity.events.ts";
import type { CommandContext, Identities, SignedIn, IdentityView } from "./ports.ts";
import { formatToken, hashSecret, newToken, parseToken, sameHash } from "./secrets.ts";
import { systemContext, type UseCaseDeps } from "./use-case.ts";
import { spokenDuration } from "../domain/spoken-duration.ts";

/** Whoever guesses tokens must not fill the ledger. */
export const SIGN_IN_FAILURE_INTERVAL_MS = 1_000;
/** Ten years: longer is a mistake in the unit. */
export const MAX_TOKEN_TTL_SECONDS = 10 * 366 * 86_400;

export function createIdentities({ live, execute, clock, log, nodeId }: UseCaseDeps): Identities {
  /** By identity, so there are no more than identities. */
  const lastFailure = new Map<string, number>();

  const stateOf = (id: string): identity.IdentityState | undefined => live.identities.get(identityStream(id))?.state;

  const run = (id: string, command: identity.IdentityCommand, context: CommandContext) =>
    execute({ decider: identity, stream: identityStream(id), command, context, believed: live.identities.get(identityStream(id)) });

  function verify(token: string, expectedIdentity: string | undefined): SignedIn {
    const parsed = parseToken(token);
    const owner = parsed === undefined ? undefined : live.tokens.ownerOf(parsed.tokenId);
    if (owner !== undefined) live.requireReadable(identityStream(owner));
    const state = owner === undefined ? undefined : stateOf(owner);
    const known = parsed === undefined ? undefined : state?.tokens.get(parsed.tokenId);
    if (parsed === undefined || state === undefined || known === undefined || !sameHash(known.hash, hashSecret(parsed.secret))) throw authFailed();
    if (expectedIdentity !== undefined && expectedIdentity !== state.identityId) throw authFailed();
    if (state.status !== "active") throw authFailed();
    if (reached(known.expiresAt, clock.now().toISOString())) throw new SallyportError("auth.expired", "The token has expired. Ask for a new one.");
    const { identityId: id, kind, groups } = state;
    return { principal: { id, kind, groups }, tokenId: parsed.tokenId, expiresAt: new Date(known.expiresAt) };
  }

  async function recordFailure(identityId: string, address: string, code: string): Promise<void> {
    const now = clock.now().getTime();
    if (now - (lastFailure.get(identityId) ?? -Infinity) < SIGN_IN_FAILURE_INTERVAL_MS) return;
    lastFailure.set(identityId, now);
    try {
      await run(identityId, { type: "RecordSignInFailure", address, code }, systemContext(nodeId));
    } catch (error) {
      // The answer is the same; whether the ledger accepts appends is watched elsewhere.
      log.warn({ err: error }, "a failed sign-in could not be recorded");
    }
  }

  return {
    async authenticate(token, address, expectedIdentity) {
      if (live.failure !== undefined) throw live.failure;
      try {
        return verify(token, expectedIdentity);
      } catch (error) {
        const tokenId = parseToken(token)?.tokenId;
        const suspect = expectedIdentity ?? (tokenId === undefined ? undefined : live.tokens.ownerOf(tokenId));
        if (error instanceof SallyportError && suspect !== undefined && stateOf(suspect) !== undefined) await recordFailure(suspect, address, error.code);
        throw error;
      }
    },

    async put({ id, kind, groups }, context) {
      const { state } = await run(id, { type: "Put", identityId: id, kind, groups }, context);
      return { id, kind: state.kind, groups: state.groups };
    },

    find(id) {
      const state = stateOf(id);
      return state === undefined ? undefined : publicView(state);
    },

    list: () => Array.from(live.identities.states(), publicView),

    async issueToken(identityId, ttlSeconds, note, context) {
      if (!Number.isSafeInteger(ttlSeconds) || ttlSeconds < 1 || ttlSeconds > MAX_TOKEN_TTL_SECONDS) {
        throw new SallyportError("input.invalid", `A token lives between 1 s and ${spokenDuration(MAX_TOKEN_TTL_SECONDS)}.`, { field: "ttlSeconds" });
      }
      const token = newToken();
      const expiresAt = new Date(clock.now().getTime() + ttlSeconds * 1_000);
      const { tokenId } = token;
      const command = { type: "IssueToken", tokenId, tokenHash: hashSecret(token.secret), expiresAt: expiresAt.toISOString(), note } as const;
      await run(identityId, command, context);
      return { tokenId, token: formatToken(token), expiresAt };
    },

    tokensOf(identityId) {
      const state = stateOf(identityId);
      if (state === undefined) throw new SallyportError("identity.not_found", "No such identity.");
      if (state.status !== "active") return [];
      const now = clock.now().toISOString();
      return Array.from(state.tokens, ([id, { note, expiresAt }]) => ({ id, note, expiresAt }))
        .filter(({ expiresAt }) => !reached(expiresAt, now))
        .map((token) => ({ ...token, expiresAt: new Date(token.expiresAt) }))
        .toSorted((a, b) => a.expiresAt.getTime() - b.expiresAt.getTime());
    },

    ownerOfToken: (tokenId) => live.tokens.ownerOf(tokenId),

    async revokeToken(tokenId, context) {
      const owner = live.tokens.ownerOf(tokenId);
      if (owner === undefined) throw new SallyportError("input.invalid", "No such token, or it was revoked before.", { field: "tokenId" });
      await run(owner, { type: "RevokeToken", tokenId }, context);
    },

    async disable(identityId, reason, context) {
      await run(identityId, { type: "Disable", reason }, context);
    },
  };
}

/** One message for every reason: whoever guesses must not learn which part was right. */
const authFailed = (): SallyportError => new SallyportError("auth.failed", "The token is unknown, revoked, or belongs to another identity.");

const views = new WeakMap<identity.IdentityState, IdentityView>();

/** The same object for the same state: it is asked for with every command, and decisions are remembered by it. */
function publicView(state: identity.IdentityState): IdentityView {
  const known = views.get(state);
  if (known !== undefined) return known;
  const { identityId: id, kind, groups, status } = state;
  const view = { id, kind, groups, disabled: status === "disabled" };
  views.set(state, view);
  return view;
}
