import { type IdentityState, MAX_TOKENS } from "../domain/identity/identity.decider.ts";
import type { IdentityEvent } from "../domain/identity/identity.events.ts";

/** Whose token it is, by token id, so that signing in does not search. */
export class TokenIndex {
  readonly #owners = new Map<string, string>();

  ownerOf(tokenId: string): string | undefined {
    return this.#owners.get(tokenId);
  }

  rename(tokenId: string, owner: string): void {
    if (this.#owners.has(tokenId)) this.#owners.set(tokenId, owner);
  }

  get size(): number {
    return this.#owners.size;
  }

  /** The identity's state before and after an event that was just applied. */
  apply(before: IdentityState | undefined, event: IdentityEvent, after: IdentityState | undefined): void {
    if (event.type === "TokenRevoked") this.#owners.delete(event.data.tokenId);
    if (event.type !== "TokenIssued") return;
    this.#owners.set(event.data.tokenId, event.data.identityId);
    if (before === undefined || before.tokens.size < MAX_TOKENS) return;
    for (const tokenId of before.tokens.keys()) if (after?.tokens.has(tokenId) !== true) this.#owners.delete(tokenId);
  }
}
