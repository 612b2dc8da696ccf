import type { AgentEvent } from "../../domain/agent/agent.events.ts";
import type { ApprovalEvent } from "../../domain/approval/approval.events.ts";
import { isNewer, upcast } from "../../domain/catalogue.ts";
import { whyForeign } from "../../domain/foreign.ts";
import type { GrantEvent } from "../../domain/grant/grant.events.ts";
import type { IdentityEvent } from "../../domain/identity/identity.events.ts";
import type { PolicyEvent } from "../../domain/policy/policy.events.ts";
import { categoryOfStream } from "../../domain/record-streams.ts";
import type { ResourceEvent } from "../../domain/resource/resource.events.ts";
import type { RetentionEvent } from "../../domain/retention/retention.events.ts";
import type { SessionEvent } from "../../domain/session/session.events.ts";
import type { RecordedEvent } from "../../ledger/ledger.ts";
import { projectAgent } from "./agents.projection.ts";
import { projectApproval } from "./approvals.projection.ts";
import type { Change, Projected } from "./change.ts";
import { projectCommand } from "./commands.projection.ts";
import { projectGrant } from "./grants.projection.ts";
import { projectIdentity } from "./identities.projection.ts";
import { projectPolicy } from "./policies.projection.ts";
import { projectResource } from "./resources.projection.ts";
import { projectRetention } from "./retention.projection.ts";
import { projectSession } from "./sessions.projection.ts";

/** Nothing for an event that does not belong in its stream. */
type Projector = (projected: Projected) => readonly Change[] | undefined;

/** By the category of the stream, which says which events may be in it. */
const projectors: Readonly<Record<string, Projector>> = {
  agent: (projected) => projectAgent(projected as Projected<AgentEvent>),
  approval: (projected) => projectApproval(projected as Projected<ApprovalEvent>),
  /** Of no table; but whoever is forgotten goes from all of them. */
  erasure: () => [],
  grant: (projected) => projectGrant(projected as Projected<GrantEvent>),
  identity: (projected) => projectIdentity(projected as Projected<IdentityEvent>),
  policy: (projected) => projectPolicy(projected as Projected<PolicyEvent>),
  resource: (projected) => projectResource(projected as Projected<ResourceEvent>),
  retention: (projected) => projectRetention(projected as Projected<RetentionEvent>),
  session: (projected) => [...projectSession(projected as Projected<SessionEvent>), ...projectCommand(projected as Projected<SessionEvent>)],
};

/** The streams that the read models are made of. */
export const PROJECTED_PREFIXES: readonly string[] = Object.keys(projectors).map((category) => `${category}-`);

export type Projection =
  | { readonly kind: "changes"; readonly changes: readonly Change[] }
  /** Written by somebody else, or by a later release: the lists go on without it, and say so. Nothing is decided on them. */
  | { readonly kind: "unreadable"; readonly why: string; readonly later: boolean };

const nothing: Projection = { kind: "changes", changes: [] };

/** Pure: what an event changes in the read models. */
export function project(recorded: RecordedEvent): Projection {
  const { stream, type, metadata } = recorded;
  const category = categoryOfStream(stream);
  const projector = Object.hasOwn(projectors, category) ? projectors[category] : undefined;
  if (projector === undefined) return nothing;
  const foreign = whyForeign(recorded);
  if (foreign !== undefined) return unreadable(foreign.why);
  try {
    const changes = projector({ event: upcast(recorded), recorded, metadata });
    if (changes === undefined) return unreadable(`${type} does not belong in a stream of the category ${category}.`);
    for (const change of changes) {
      if (!change.every(isValue)) return unreadable(`${type} does not have the fields of its type.`);
    }
    return { kind: "changes", changes };
  } catch (error) {
    return unreadable(error instanceof Error ? error.message : String(error), isNewer(error));
  }
}

const unreadable = (why: string, later = false): Projection => ({ kind: "unreadable", why, later });

function isValue(value: unknown): boolean {
  return typeof value === "string" || (typeof value === "number" && Number.isFinite(value)) || typeof value === "bigint" || value === null;
}
