import type { IdentityEvent } from "../../domain/identity/identity.events.ts";
import type { Change, Projected } from "./change.ts";

export interface IdentityWrites {
  /** `groups` is JSON. */
  readonly identityProvisioned: readonly [id: string, kind: string, groups: string, at: string];
  readonly identityRolesChanged: readonly [groups: string, at: string, id: string];
  readonly identityTokensChanged: readonly [issued: number, revoked: number, id: string];
  readonly identitySignInFailed: readonly [at: string, id: string];
  readonly identityDisabled: readonly [reason: string, at: string, id: string];
}

export function projectIdentity({ event, metadata: { at } }: Projected<IdentityEvent>): Change[] {
  const { identityId } = event.data;
  switch (event.type) {
    case "IdentityProvisioned":
      return [["identityProvisioned", identityId, event.data.kind, JSON.stringify(event.data.groups), at]];
    case "RolesChanged":
      return [["identityRolesChanged", JSON.stringify(event.data.groups), at, identityId]];
    case "TokenIssued":
      return [["identityTokensChanged", 1, 0, identityId]];
    case "TokenRevoked":
      return [["identityTokensChanged", 0, 1, identityId]];
    case "SignInFailed":
      return [["identitySignInFailed", at, identityId]];
    case "IdentityDisabled":
      return [["identityDisabled", event.data.reason, at, identityId]];
  }
}
