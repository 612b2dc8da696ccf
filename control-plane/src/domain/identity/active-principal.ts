import type { Principal } from "../decision.ts";
import type { IdentityState } from "./identity.decider.ts";

/** Whoever it is as they are in this state; undefined for who was disabled, or never known: policy permits them nothing, and nobody counts them. */
export const activePrincipal = (state: IdentityState | undefined): Principal | undefined =>
  state?.status === "active" ? { id: state.identityId, kind: state.kind, groups: state.groups } : undefined;
