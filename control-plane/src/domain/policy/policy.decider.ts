import { SallyportError } from "@sallyport/proto/errors";
import { initialTransition, type SnapshotFrom, transition } from "xstate";
import { requireText } from "../names.ts";
import { shownDigest } from "../shown-digest.ts";
import { type DecidedBy, requireOtherHuman } from "../vote.ts";
import { approvalsRequired, type ConfiguredApprovals, type RequiredApprovals } from "./approvals-required.ts";
import type { PolicyEvent, PolicyFile, PolicyNames } from "./policy.events.ts";
import { isParty, policyMachine, type Proposal } from "./policy.machine.ts";

type DataOf<T extends PolicyEvent["type"]> = Extract<PolicyEvent, { type: T }>["data"];

/** Who may decide now, and how many must. */
interface Electorate {
  /** Active people among the administrators. */
  readonly administrators: readonly string[];
  /** Whom a later release wrote about: any of them may be an administrator too, so nobody is alone because of that. */
  readonly unreadable?: readonly string[];
  readonly configured: ConfiguredApprovals;
}

export type PolicyCommand =
  | ({
      readonly type: "Propose";
      readonly version: string;
      readonly digest: string;
      readonly files: readonly PolicyFile[];
      readonly names: PolicyNames;
      readonly reason: string;
      readonly by: DecidedBy;
      /** Groups; sorted, without repeats. */
      readonly notify: readonly string[];
    } & Electorate)
  | { readonly type: "RecordTrial"; readonly data: DataOf<"PolicyTried"> }
  /** `digest` is what the approver saw; absent when the client shows none. */
  | ({ readonly type: "Approve"; readonly version: string; readonly digest: string | undefined; readonly by: DecidedBy; readonly comment: string } & Electorate)
  | ({ readonly type: "Reject"; readonly version: string; readonly by: DecidedBy; readonly comment: string } & Electorate)
  | { readonly type: "Withdraw"; readonly version: string; readonly by: DecidedBy }
  /** `digest`: of the bytes that will be in force. */
  | ({ readonly type: "Publish"; readonly version: string; readonly digest: string } & Electorate);

export type VersionState = SnapshotFrom<typeof policyMachine>;

export interface PolicyState {
  readonly versions: ReadonlyMap<string, VersionState>;
  readonly published: string | undefined;
}

export const initialState: PolicyState = { versions: new Map(), published: undefined };

const [unborn] = initialTransition(policyMachine);

/** One append carries the whole change, so the files must fit it (1 MiB) with room to spare. */
export const MAX_POLICY_BYTES = 512 * 1024;
const MAX_REASON_LENGTH = 500;
const MAX_COMMENT_LENGTH = 1_000;
/** Publishing one supersedes the others in the same append; and nobody reviews more at a time. */
export const MAX_OPEN_PROPOSALS = 50;

export function decide(command: PolicyCommand, state: PolicyState): PolicyEvent[] {
  switch (command.type) {
    case "Propose":
      return propose(command, state);
    case "RecordTrial": {
      const version = versionOf(state, command.data.version);
      // It took minutes: what was tried may have been decided meanwhile.
      return isOpen(version) ? checked(version, { type: "PolicyTried", data: command.data }) : [];
    }
    case "Approve": {
      const { version, proposal } = requireOpen(state, command.version);
      requireOtherHuman(command.by, (id) => isParty(proposal, id));
      requireAdministrator(command);
      if (command.digest !== undefined && command.digest !== proposal.digest)
        throw new SallyportError("approval.drift", "The policy is not the one that was shown.");
      requireText("comment", command.comment, MAX_COMMENT_LENGTH);
      if (version.context.approvers.includes(command.by.id)) return [];
      const { digest } = proposal;
      return checked(version, { type: "PolicyApproved", data: { version: command.version, digest, by: command.by.id, comment: command.comment } });
    }
    case "Reject": {
      const { version, proposal } = requireOpen(state, command.version);
      requireOtherHuman(command.by, (id) => isParty(proposal, id));
      requireAdministrator(command);
      requireText("comment", command.comment, MAX_COMMENT_LENGTH);
      return checked(version, { type: "PolicyRejected", data: { version: command.version, by: command.by.id, comment: command.comment, ...toldOf(proposal) } });
    }
    case "Withdraw": {
      const { version, proposal } = requireOpen(state, command.version);
      if (command.by.id !== proposal.proposedBy) throw new SallyportError("auth.forbidden", "Only whoever proposed it withdraws it; others reject it.");
      return checked(version, { type: "PolicyProposalWithdrawn", data: { version: command.version, by: command.by.id, ...toldOf(proposal) } });
    }
    case "Publish":
      return publish(command, state);
  }
}

function propose(command: Extract<PolicyCommand, { type: "Propose" }>, state: PolicyState): PolicyEvent[] {
  const { version, digest, files, names, reason, by, notify } = command;
  if (state.published === version) return [];
  requireText("reason", reason, MAX_REASON_LENGTH);
  if (files.length === 0) throw new SallyportError("input.invalid", "A policy has at least one file.", { field: "files" });
  const bytes = files.reduce((sum, { name, text }) => sum + Buffer.byteLength(name) + Buffer.byteLength(text), 0);
  if (bytes > MAX_POLICY_BYTES) throw new SallyportError("input.invalid", `The policy is larger than ${String(MAX_POLICY_BYTES)} bytes.`, { field: "files" });
  const before = versionOf(state, version);
  if (isOpen(before)) {
    if (before.context.proposal?.digest === digest) return [];
    throw new SallyportError("input.invalid", `Other rules that are proposed have the version ${version}; change a comment.`, { field: "files" });
  }
  if (openVersions(state).length >= MAX_OPEN_PROPOSALS)
    throw new SallyportError("session.limit", `${String(MAX_OPEN_PROPOSALS)} policies are proposed; decide on some first.`);
  const { required } = requiredOf(command, by, state);
  const { id: proposedBy, onBehalfOf } = by;
  const who = { proposedBy, ...(onBehalfOf === undefined ? {} : { onBehalfOf }) };
  const base = state.published ?? "";
  const data = { version, digest, files, names, reason, base, ...who, required, ...toldOf({ notify }) };
  return checked(before, { type: "PolicyProposed", data });
}

/** Publishes, retires and supersedes in one decision, so that there is never an instant with two policies or with none. */
function publish(command: Extract<PolicyCommand, { type: "Publish" }>, state: PolicyState): PolicyEvent[] {
  const { version: name, digest } = command;
  if (state.published === name) return [];
  const { version, proposal } = requireOpen(state, name);
  if (proposal.digest !== digest) throw new SallyportError("approval.drift", "What would be in force is not what was proposed and agreed to.");
  const { required, rule } = stillRequired(proposal, command, state);
  const approvers = version.context.approvers.filter((id) => command.administrators.includes(id));
  if (approvers.length < required) throw unapproved(name, digest, required - approvers.length);
  const events = checked(version, { type: "PolicyPublished", data: { version: name, digest, required, rule, approvers, ...toldOf(proposal) } });
  if (state.published !== undefined) events.push({ type: "PolicyRetired", data: { version: state.published, replacedBy: name } });
  for (const other of openVersions(state)) {
    if (other === name) continue;
    const superseded = toldOf(versionOf(state, other).context.proposal);
    events.push({ type: "PolicySuperseded", data: { version: other, replacedBy: name, ...superseded } });
  }
  return events;
}

/** By the rule of today, and never fewer than were needed when it was proposed. */
function stillRequired(proposal: Proposal, electorate: Electorate, state: PolicyState): RequiredApprovals {
  const now = requiredOf(electorate, { id: proposal.proposedBy, ...delegator(proposal) }, state);
  if (now.required >= proposal.required) return now;
  return { required: proposal.required, rule: electorate.configured === "auto" ? "somebody_else" : "configured" };
}

const requiredOf = ({ configured, administrators, unreadable = [] }: Electorate, by: Pick<DecidedBy, "id" | "onBehalfOf">, { published }: PolicyState) =>
  approvalsRequired(configured, [...administrators, ...unreadable], by, published !== undefined);

/** Whoever heard that it waits hears how it ends. */
const toldOf = ({ notify = [] }: Pick<Proposal, "notify"> = {}): Pick<Proposal, "notify"> => (notify.length === 0 ? {} : { notify });

const delegator = ({ onBehalfOf }: Proposal): { readonly onBehalfOf?: string } => (onBehalfOf === undefined ? {} : { onBehalfOf });

export function evolve(state: PolicyState, event: PolicyEvent): PolicyState {
  const { version } = event.data;
  const before = versionOf(state, version);
  const [after] = transition(policyMachine, before, event);
  if (after === before) return state;
  const versions = new Map(state.versions).set(version, after);
  return { versions, published: event.type === "PolicyPublished" ? version : state.published };
}

/** Somebody was forgotten: what is in memory reads as what a fold of the ledger would read. */
export function renamed(state: PolicyState, from: string, to: string): PolicyState {
  const name = (id: string): string => (id === from ? to : id);
  const versions = new Map<string, VersionState>();
  for (const [version, snapshot] of state.versions) {
    const { proposal, approvers } = snapshot.context;
    const { onBehalfOf } = proposal ?? {};
    const parties = proposal && { ...proposal, proposedBy: name(proposal.proposedBy), ...(onBehalfOf === undefined ? {} : { onBehalfOf: name(onBehalfOf) }) };
    versions.set(version, { ...snapshot, context: { proposal: parties, approvers: approvers.map(name) } });
  }
  return { ...state, versions };
}

const versionOf = (state: PolicyState, version: string): VersionState => state.versions.get(version) ?? unborn;

const isOpen = (version: VersionState): boolean => version.matches("proposed") || version.matches("tried") || version.matches("approved");

const openVersions = ({ versions }: PolicyState): readonly string[] => [...versions].filter(([, version]) => isOpen(version)).map(([name]) => name);

function requireOpen(state: PolicyState, name: string): { readonly version: VersionState; readonly proposal: Proposal } {
  const version = versionOf(state, name);
  const { proposal } = version.context;
  if (proposal === undefined) throw new SallyportError("policy.not_found", `No policy ${name} was ever proposed.`, { policy: name });
  if (version.matches("superseded"))
    throw new SallyportError("policy.stale", `Another policy was published since ${name} was proposed: propose it again, on top of that one.`, {
      policy: name,
    });
  if (!isOpen(version))
    throw new SallyportError("approval.already_decided", `Policy ${name} is not proposed: it is ${version.value}.`, { state: version.value });
  return { version, proposal };
}

function requireAdministrator({ by, administrators }: Electorate & { readonly by: DecidedBy }): void {
  if (!administrators.includes(by.id)) throw new SallyportError("auth.forbidden", "Administrators decide on policies.", { identity: by.id });
}

export const unapproved = (version: string, digest: string, missing: number): SallyportError =>
  new SallyportError(
    "policy.unapproved",
    `Policy ${version} is proposed and waits for ${missing === 1 ? "somebody else" : `${String(missing)} others`}: sallyport policy approve ${version} ${shownDigest(digest)}`,
    { policy: version, missing: String(missing) },
  );

function checked(version: VersionState, event: PolicyEvent): PolicyEvent[] {
  if (!version.can(event)) throw new Error(`The policy machine refuses ${event.type} in state ${version.value}.`);
  return [event];
}
