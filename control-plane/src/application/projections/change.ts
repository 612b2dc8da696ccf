import type { DomainEvent } from "../../domain/events.ts";
import type { EventMetadata, RecordedEvent } from "../../ledger/ledger.ts";
import type { AgentWrites } from "./agents.projection.ts";
import type { ApprovalWrites } from "./approvals.projection.ts";
import type { CommandWrites } from "./commands.projection.ts";
import type { GrantWrites } from "./grants.projection.ts";
import type { IdentityWrites } from "./identities.projection.ts";
import type { PolicyWrites } from "./policies.projection.ts";
import type { ResourceWrites } from "./resources.projection.ts";
import type { RetentionWrites } from "./retention.projection.ts";
import type { SessionWrites } from "./sessions.projection.ts";

/** Every way in which a read model is written, with its values in order. */
export interface Writes
  extends AgentWrites, ApprovalWrites, CommandWrites, GrantWrites, IdentityWrites, PolicyWrites, ResourceWrites, RetentionWrites, SessionWrites {}

export type WriteName = keyof Writes;

/** One write: its name, then its values. A flat list, because it is copied to another thread for each event. */
export type Change = { readonly [W in WriteName]: readonly [write: W, ...values: Writes[W]] }[WriteName];

/** An event of today's version, with what only its record knows. */
export interface Projected<Event extends DomainEvent = DomainEvent> {
  readonly event: Event;
  readonly recorded: Pick<RecordedEvent, "stream" | "position">;
  readonly metadata: EventMetadata;
}
