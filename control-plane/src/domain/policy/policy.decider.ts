import { SallyportError } from "@sallyport/proto/errors";
import { initialTransition, type SnapshotFrom, transition } from "xstate";
import { requireText } from "../names.ts";
import type { PolicyEvent, PolicyFile } from "./policy.events.ts";
import { policyMachine } from "./policy.machine.ts";

export interface PublishPolicy {
  readonly type: "Publish";
  readonly version: string;
  readonly files: readonly PolicyFile[];
  readonly reason: string;
}

type Version = SnapshotFrom<typeof policyMachine>;

export interface PolicyState {
  readonly versions: ReadonlyMap<string, Version>;
  readonly published: string | undefined;
}

export const initialState: PolicyState = { versions: new Map(), published: undefined };

const [unborn] = initialTransition(policyMachine);

/** One append carries the whole change, so the files must fit it (1 MiB) with room to spare. */
export const MAX_POLICY_BYTES = 512 * 1024;
const MAX_REASON_LENGTH = 500;

/** Proposes, publishes and retires in one decision, so that there is never an instant with two policies or with none. */
export function decide({ version, files, reason }: PublishPolicy, state: PolicyState): PolicyEvent[] {
  if (state.published === version) return [];
  requireText("reason", reason, MAX_REASON_LENGTH);
  if (files.length === 0) throw new SallyportError("input.invalid", "A policy has at least one file.", { field: "files" });
  const bytes = files.reduce((sum, { name, text }) => sum + Buffer.byteLength(name) + Buffer.byteLength(text), 0);
  if (bytes > MAX_POLICY_BYTES) throw new SallyportError("input.invalid", `The policy is larger than ${String(MAX_POLICY_BYTES)} bytes.`, { field: "files" });
  const events: PolicyEvent[] = [];
  if (!versionOf(state, version).matches("proposed")) events.push({ type: "PolicyProposed", data: { version, files, reason } });
  events.push({ type: "PolicyPublished", data: { version } });
  if (state.published !== undefined) events.push({ type: "PolicyRetired", data: { version: state.published, replacedBy: version } });
  return events;
}

export function evolve(state: PolicyState, event: PolicyEvent): PolicyState {
  const { version } = event.data;
  const before = versionOf(state, version);
  const [after] = transition(policyMachine, before, event);
  if (after === before) return state;
  const versions = new Map(state.versions).set(version, after);
  return { versions, published: event.type === "PolicyPublished" ? version : state.published };
}

const versionOf = (state: PolicyState, version: string): Version => state.versions.get(version) ?? unborn;
