export type IdentityKind = "human" | "machine";

export type IdentityEvent =
  | { readonly type: "IdentityProvisioned"; readonly data: { readonly identityId: string; readonly kind: IdentityKind; readonly groups: readonly string[] } }
  | { readonly type: "RolesChanged"; readonly data: { readonly identityId: string; readonly groups: readonly string[] } }
  | {
      readonly type: "TokenIssued";
      readonly data: { readonly identityId: string; readonly tokenId: string; readonly tokenHash: string; readonly expiresAt: string; readonly note: string };
    }
  | { readonly type: "TokenRevoked"; readonly data: { readonly identityId: string; readonly tokenId: string } }
  | { readonly type: "SignInFailed"; readonly data: { readonly identityId: string; readonly address: string; readonly code: string } }
  | { readonly type: "IdentityDisabled"; readonly data: { readonly identityId: string; readonly reason: string } };

/** A sign-in that succeeds is the session's `SessionRequested`; for the API, each change names its actor. */
export const identityStream = (identityId: string): string => `identity-${identityId}`;
