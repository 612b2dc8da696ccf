import type { AgentEvent, AgentNameEvent } from "./agent/agent.events.ts";
import type { ApprovalEvent } from "./approval/approval.events.ts";
import type { DelegationEvent } from "./delegation/delegation.events.ts";
import type { ErasureEvent } from "./erasure/erasure.events.ts";
import type { ForwardingEvent } from "./forwarding/forwarding.events.ts";
import type { GrantEvent } from "./grant/grant.events.ts";
import type { IdentityEvent } from "./identity/identity.events.ts";
import type { IntegrityEvent } from "./integrity/integrity.events.ts";
import type { NodeEvent } from "./node/node.events.ts";
import type { NotificationEvent } from "./notification/notification.events.ts";
import type { PolicyEvent } from "./policy/policy.events.ts";
import type { ResourceEvent } from "./resource/resource.events.ts";
import type { RetentionEvent } from "./retention/retention.events.ts";
import type { RecordingEvent } from "./session/recording.events.ts";
import type { SessionEvent } from "./session/session.events.ts";

/** Everything that may stand in the ledger. */
export type DomainEvent =
  | AgentEvent
  | AgentNameEvent
  | ApprovalEvent
  | DelegationEvent
  | ErasureEvent
  | ForwardingEvent
  | GrantEvent
  | IdentityEvent
  | IntegrityEvent
  | NodeEvent
  | NotificationEvent
  | PolicyEvent
  | RecordingEvent
  | ResourceEvent
  | RetentionEvent
  | SessionEvent;

export type EventType = DomainEvent["type"];

export type DataOf<T extends EventType> = Extract<DomainEvent, { type: T }>["data"];
