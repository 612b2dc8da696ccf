import { SallyportError } from "@sallyport/proto/errors";
import { FORGOTTEN_TEXT } from "../classification.ts";
import { reached } from "../decider.ts";
import { requireName, requireSaid, requireText } from "../names.ts";
import type { IdentityEvent, IdentityKind } from "./identity.events.ts";

export type IdentityCommand =
  | { readonly type: "Put"; readonly identityId: string; readonly kind: IdentityKind; readonly groups: readonly string[] }
  | { readonly type: "IssueToken"; readonly tokenId: string; readonly tokenHash: string; readonly expiresAt: string; readonly note: string }
  | { readonly type: "RevokeToken"; readonly tokenId: string }
  | { readonly type: "RecordSignInFailure"; readonly address: string; readonly code: string }
  | { readonly type: "Disable"; readonly reason: string };

export interface TokenState {
  readonly hash: string;
  readonly expiresAt: string;
  readonly note: string;
}

export interface IdentityState {
  readonly status: "absent" | "active" | "disabled";
  readonly identityId: string;
  readonly kind: IdentityKind;
  readonly groups: readonly string[];
  /** By token id; revoked ones are gone. At most `MAX_TOKENS`. */
  readonly tokens: ReadonlyMap<string, TokenState>;
}

export const initialState: IdentityState = { status: "absent", identityId: "", kind: "human", groups: [], tokens: new Map() };

/** Live tokens of one identity. Above it the oldest expired one is forgotten, so that memory does not grow with the years. */
export const MAX_TOKENS = 1_000;
/** An identity provider may know thousands of groups; an event stays under 64 KiB. */
export const MAX_GROUPS = 500;
const MAX_GROUP_LENGTH = 120;
const MAX_NOTE_LENGTH = 500;

export function decide(command: IdentityCommand, state: IdentityState, at: string): IdentityEvent[] {
  const { identityId } = state;
  switch (command.type) {
    case "Put":
      return put(command, state);
    case "IssueToken": {
      requireActive(state);
      const { tokenId, tokenHash, expiresAt, note } = command;
      requireText("note", note, MAX_NOTE_LENGTH);
      if (reached(expiresAt, at)) throw new SallyportError("input.invalid", "The token would be expired at birth.", { field: "expiresAt" });
      const live = state.tokens.size < MAX_TOKENS ? 0 : [...state.tokens.values()].filter((token) => !reached(token.expiresAt, at)).length;
      if (live >= MAX_TOKENS) throw new SallyportError("session.limit", `${identityId} already has ${String(MAX_TOKENS)} live tokens; revoke some.`);
      return [{ type: "TokenIssued", data: { identityId, tokenId, tokenHash, expiresAt, note } }];
    }
    case "RevokeToken":
      return state.tokens.has(command.tokenId) ? [{ type: "TokenRevoked", data: { identityId, tokenId: command.tokenId } }] : [];
    case "RecordSignInFailure":
      if (state.status === "absent") return [];
      return [{ type: "SignInFailed", data: { identityId, address: command.address, code: command.code } }];
    case "Disable":
      if (state.status === "absent") throw new SallyportError("identity.not_found", "No such identity.");
      if (state.status === "disabled") return [];
      requireSaid("reason", command.reason, MAX_NOTE_LENGTH, "Say why they are disabled.");
      return [{ type: "IdentityDisabled", data: { identityId, reason: command.reason } }];
  }
}

export function evolve(state: IdentityState, event: IdentityEvent): IdentityState {
  switch (event.type) {
    case "IdentityProvisioned": {
      const { identityId, kind, groups } = event.data;
      return { ...state, status: "active", identityId, kind, groups };
    }
    case "RolesChanged":
      return { ...state, groups: event.data.groups };
    case "TokenIssued": {
      const { tokenId, tokenHash, expiresAt, note } = event.data;
      const tokens = new Map(state.tokens).set(tokenId, { hash: tokenHash, expiresAt, note });
      if (tokens.size > MAX_TOKENS) tokens.delete(firstToExpire(tokens));
      return { ...state, tokens };
    }
    case "TokenRevoked": {
      const tokens = new Map(state.tokens);
      tokens.delete(event.data.tokenId);
      return { ...state, tokens };
    }
    case "SignInFailed":
      return state;
    case "IdentityDisabled":
      return { ...state, status: "disabled" };
  }
}

/** They were forgotten: what is in memory reads as what a fold of the ledger would read. */
export function renamed(state: IdentityState, to: string): IdentityState {
  const tokens = Array.from(state.tokens, ([id, token]) => [id, { ...token, note: FORGOTTEN_TEXT }] as const);
  return { ...state, identityId: to, tokens: new Map(tokens) };
}

function put(command: Extract<IdentityCommand, { type: "Put" }>, state: IdentityState): IdentityEvent[] {
  const { identityId, kind } = command;
  requireName("identity", identityId);
  const groups = [...new Set(command.groups)].toSorted();
  if (groups.length > MAX_GROUPS) throw new SallyportError("input.invalid", `More than ${String(MAX_GROUPS)} groups.`, { field: "groups" });
  for (const group of groups) requireSaid("group", group, MAX_GROUP_LENGTH, "A group has a name.");
  if (state.status === "absent") return [{ type: "IdentityProvisioned", data: { identityId, kind, groups } }];
  requireActive(state);
  // A machine that turned human could approve what it asked for as a machine.
  if (state.kind !== kind) throw new SallyportError("input.invalid", `${identityId} is a ${state.kind} identity and stays one.`, { field: "kind" });
  const same = state.groups.length === groups.length && state.groups.every((group, i) => group === groups[i]);
  return same ? [] : [{ type: "RolesChanged", data: { identityId, groups } }];
}

function requireActive({ status, identityId }: IdentityState): void {
  if (status === "active") return;
  if (status === "absent") throw new SallyportError("identity.not_found", "No such identity.");
  throw new SallyportError("auth.forbidden", `${identityId} is disabled.`);
}

function firstToExpire(tokens: ReadonlyMap<string, TokenState>): string {
  let first = "";
  let earliest = Infinity;
  for (const [tokenId, { expiresAt }] of tokens) {
    const expires = Date.parse(expiresAt);
    if (expires >= earliest) continue;
    first = tokenId;
    earliest = expires;
  }
  return first;
}
